"""The decisions, as pure functions of records: no clock, no I/O, no randomness but what is seeded by name."""
