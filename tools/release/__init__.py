"""`make generate`: what a release carries beside the code."""
