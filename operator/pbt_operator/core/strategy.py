"""Who chooses a population's exploit and explore: the product, once, or whoever wrote the manifest."""

from enum import StrEnum


class Strategy(StrEnum):
    """Who chooses exploit and explore."""

    AUTO = "Auto"
    EXPLICIT = "Explicit"
