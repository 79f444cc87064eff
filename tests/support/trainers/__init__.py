"""Training scripts that tests of several areas start."""

from pathlib import Path

TRAINERS = Path(__file__).parent
DETERMINISTIC = TRAINERS / "deterministic.py"
