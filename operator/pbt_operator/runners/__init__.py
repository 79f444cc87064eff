"""Where members run: processes of this machine, or pods of a cluster."""
