"""Benchmarks: ours and the peers in interleaved rounds, `python -m bench`; exact counts gate CI, times never do."""
