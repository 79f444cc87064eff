"""`make generate` and `make sbom`: what a release carries beside the code."""
