"""The command line: `pbt`."""
