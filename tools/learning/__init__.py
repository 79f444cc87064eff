"""`make bench-learning`: what populations learn, beside random search, schedules and the peers, at equal steps."""
