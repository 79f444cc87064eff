"""How much a trainer may record: readers refuse more, and the SDK says so in the script first.

An operator serves many populations, and a decision needs little of a record. Whoever has more to keep has files.
"""

from pbt_contract.keys import CLAIMS, REPORTS, SAVES

MAX_RECORD_BYTES = 4 * 1024 * 1024  # of what the operator writes; a larger round or result goes in pieces
PIECE_BYTES = 1024 * 1024  # of a piece, unless one item alone is larger
MAX_BYTES_IN_PIECES = (
    256 * 1024 * 1024
)  # of all pieces of a record: 10,000 members with 1,000 evaluations each
MAX_REPORT_BYTES = 1024 * 1024  # of a report or save: most of it are the names of its files
MAX_CLAIM_BYTES = 16 * 1024

MAX_METRICS = 256  # names in a report
MAX_METRIC_NAME = 128  # characters
MAX_EVALUATIONS = 1000  # numbers in a list
MAX_NOTES, MAX_NOTE = 32, 2000  # what the SDK writes; characters

LONGEST_SECONDS = 10.0**8
"""Three years. Whoever says that an interval took longer has it counted as so long: a sum of such times is a number."""


def most_bytes(key: str) -> int:
    """How large the record under a key may be."""
    if key.startswith((REPORTS, SAVES)):
        return MAX_REPORT_BYTES
    return MAX_CLAIM_BYTES if key.startswith(CLAIMS) else MAX_RECORD_BYTES
