"""`python -m simulate.defects`: for each defect a seed that shows it, as `caught_at.py` notes it."""

import logging
import sys

from simulate.defects.planted import DEFECTS, shown_by


def main() -> None:
    """Looks for the defects that are named, or all; exits with 1 if one isn't caught."""
    logging.disable(logging.CRITICAL)  # thousands of faults are logged; the laws judge
    missed = False
    for name in sys.argv[1:] or DEFECTS:
        seed = shown_by(name)
        missed |= seed is None
        print(f'    "{name}": {seed},' if seed is not None else f"# no seed shows that {name}", flush=True)
    sys.exit(missed)


if __name__ == "__main__":
    main()
