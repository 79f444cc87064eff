"""The manifest: the models of a Population, the loader, and what a wrong manifest is told."""
