"""Benchmarks: ours and the peers in interleaved rounds, `make bench`; exact counts gate CI, times never do."""
