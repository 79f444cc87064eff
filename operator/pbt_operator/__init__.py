"""Population Based Training: the operator, the local runner and the command line."""
