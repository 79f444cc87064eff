"""The state of a checkpoint: from tracked objects to files and back."""
