"""Everything that reads or writes a population's records."""
