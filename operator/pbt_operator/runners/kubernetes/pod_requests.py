"""Requests of one pass to the API server, held back to its end and then made so many at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pbt_operator.records.parallel import read_all
from pbt_operator.runners.kubernetes.api_errors import ApiRefused, ApiUnavailable

Request = Callable[[], None]


@dataclass
class PodRequests:
    """Requests of one pass."""

    creations: list[Request] = field(default_factory=list)
    deletions: list[Request] = field(default_factory=list)
    others: list[Request] = field(default_factory=list)


def all_tried(requests: Sequence[Request], at_once: int) -> list[ApiUnavailable | ApiRefused]:
    """Makes requests; returns what failed."""
    return [error for error in read_all(_tried, requests, readers=at_once) if error is not None]


def _tried(request: Request) -> ApiUnavailable | ApiRefused | None:
    try:
        request()
    except (ApiUnavailable, ApiRefused) as error:
        return error
    return None
