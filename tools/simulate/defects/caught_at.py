"""For deliberate defects a seed that has shown each: it is tried first, so that a test needs one world instead of many.

`python -m simulate.defects` finds them again. A seed that shows its defect no more costs time, and nothing else.
"""

NOTED: dict[str, int] = {
    "nothing is claimed": 1,
    "one alone is compared": 1,
    "exploits are not seeded anew": 1,
    "losers are replaced in the last round": 1,
    "births before their round": 1,
    "a resume is seeded like an exploit": 1,
    "a gate opens a round too many": 1,
    "only the first gate is written": 1,
    "a trainer waits for nobody": 1,
    "a round is written before its pieces": 10501,
}
