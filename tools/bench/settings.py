"""How much is measured."""

import os


def quick() -> bool:
    """Whether only the headline is wanted: `make bench QUICK=1`."""
    return os.environ.get("BENCH_QUICK", "") not in {"", "0"}
