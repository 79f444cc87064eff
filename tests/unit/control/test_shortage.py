"""A shortage is room that has lacked for a minute, and no pod was given a place meanwhile."""

import pytest

from pbt_operator.control.pods import Phase, Pod
from pbt_operator.control.shortage import SHORTAGE_SECONDS, is_short

LONG, BRIEF = SHORTAGE_SECONDS, SHORTAGE_SECONDS - 1


def waiting(seconds: float, **changes: object) -> Pod:
    return pod(unplaced_for=seconds, **changes)


def pod(**changes: object) -> Pod:
    told = {"name": "p", "uid": "p", "member": 0, "incarnation": 1, "phase": Phase.PENDING, **changes}
    return Pod(**told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pods", "refused_for", "short"),
    [
        ([], None, False),
        ([waiting(LONG)], None, True),
        ([waiting(BRIEF)], None, False),
        ([waiting(LONG), waiting(0.0)], None, True),
        ([waiting(10 * LONG), pod(placed_for=LONG)], None, True),
        ([waiting(10 * LONG), pod(placed_for=10 * LONG), pod(placed_for=BRIEF)], None, False),
        ([pod(placed_for=10 * LONG)], LONG, True),
        ([pod(placed_for=10 * LONG)], BRIEF, False),
        ([pod(placed_for=10 * LONG, phase=Phase.RUNNING)], None, False),
        ([pod(placed_for=10 * LONG, message="ImagePullBackOff", stuck=True)], None, False),
        ([waiting(LONG, stopping=True)], None, False),
        ([waiting(LONG, phase=Phase.ENDED)], None, False),
    ],
)
def test_it_is_short(pods: list[Pod], refused_for: float | None, short: bool) -> None:
    assert is_short(pods, refused_for=refused_for) is short
