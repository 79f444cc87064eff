"""A kind cluster for tests: its node image, its container engine, its images, its beginning and its end."""
