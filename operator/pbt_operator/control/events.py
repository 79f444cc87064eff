"""What happened, in one line each: Kubernetes Events on a cluster, lines and the live table on one machine."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a person should be able to see.

    Attributes:
        reason: CamelCase, for machines.
        message: one sentence.
        member: whom it is about; None for the population.
        warning: whether somebody should look.
    """

    reason: str
    message: str
    member: int | None = None
    warning: bool = False
