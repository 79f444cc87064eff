"""A kind cluster for tests, `make cluster-up`: its node image, container engine, images, beginning and end."""
