"""Which live pods are stopped: a choice from what is known of each, without a store or pods."""

from dataclasses import replace

import pytest

from fixtures.manifests import DETERMINISTIC, spec
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.control.tenancy import Notice, Stay, Tenant, Waited, notice_of
from pbt_operator.core.spec import Restart
from pbt_operator.manifest.population import to_core

RECREATE = to_core(spec({**DETERMINISTIC, "restart": "Recreate"}))
IN_PLACE = replace(RECREATE, restart=Restart.IN_PLACE)
DEADLINE = RECREATE.schedule.progress_deadline_seconds
POD = Pod(name="digits-3-2", uid="u", member=3, incarnation=2, phase=Phase.RUNNING)


def birth(incarnation: int, cause: Cause = Cause.EXPLOIT) -> Birth:
    return Birth(member=3, incarnation=incarnation, cause=cause, hyperparameters={}, reason="a test")


def tenant(
    newest: Birth | None,
    *,
    pod: Pod = POD,
    has_claimed: bool = False,
    heir: Life | None = None,
    is_asked: bool = False,
) -> Tenant:
    return Tenant(pod, newest, has_claimed, heir, is_asked)


@pytest.mark.parametrize(
    ("found", "restart", "stay"),
    [
        (tenant(birth(2)), RECREATE, Stay.HOME),
        (tenant(birth(3), has_claimed=True), IN_PLACE, Stay.HOME),
        (tenant(birth(3)), RECREATE, Stay.OVER),
        (tenant(birth(3)), IN_PLACE, Stay.TO_SWAP),
        (tenant(birth(3), is_asked=True), RECREATE, Stay.TO_SWAP),
        (tenant(birth(3, Cause.RESUME)), IN_PLACE, Stay.OVER),
        (tenant(birth(3, Cause.REMOVED)), IN_PLACE, Stay.OVER),
        (tenant(birth(1)), RECREATE, Stay.OVER),  # its label names a birth that nobody ordered
        (tenant(None), RECREATE, Stay.OVER),
        (tenant(birth(3), pod=replace(POD, stopping=True)), RECREATE, Stay.LEAVING),
    ],
)
def test_how_a_pod_stands_to_the_newest_birth(found, restart, stay):
    assert found.stay(restart) is stay


def notice(found: Tenant, spec_=RECREATE, *, keeps: bool = False, **waited: float) -> Notice | None:
    return notice_of(found, spec_, Waited(**waited), takeover_seconds=60, keeps=keeps)


def test_a_pod_at_home_stays_until_it_makes_no_record_for_too_long():
    assert notice(tenant(birth(2)), progress=DEADLINE) is None
    assert notice(tenant(birth(2)), progress=DEADLINE + 1) == Notice(hung=True)


def test_a_pod_that_only_waits_for_a_node_does_not_hang():
    pending = replace(POD, phase=Phase.PENDING)
    assert notice(tenant(birth(2), pod=pending), progress=DEADLINE + 1) is None
    assert notice(tenant(birth(2), pod=replace(pending, stuck=True)), progress=DEADLINE + 1) == Notice(
        hung=True
    )


def test_what_is_over_is_stopped_without_a_word():
    assert notice(tenant(birth(3))) == Notice()


def test_a_process_has_its_time_to_swap():
    assert notice(tenant(birth(3)), IN_PLACE, takeover=60) is None
    late = notice(tenant(birth(3)), IN_PLACE, takeover=61)
    assert late is not None
    assert late.event is not None
    assert late.event.message == "member 3 didn't swap to incarnation 3 in time: new pod"


def test_a_process_has_twice_that_time_to_make_room():
    asked = tenant(birth(2), heir=Life(5, 1))
    assert notice(asked, yield_=120) is None
    late = notice(asked, yield_=121)
    assert late is not None
    assert late.event is not None
    assert late.event.message == "member 3 didn't make room for member 5 in time: new pod"
    assert notice(tenant(birth(2)), yield_=121) is None


def test_where_places_are_short_who_does_not_make_room_keeps_its_place():
    asked = tenant(birth(2), heir=Life(5, 1))
    assert notice(asked, yield_=120, keeps=True) is None
    late = notice(asked, yield_=121, keeps=True)
    assert late is not None
    assert not late.stops
    hung = notice(asked, yield_=121, progress=DEADLINE + 1, keeps=True)
    assert hung is not None
    assert hung.stops
    over = notice(tenant(birth(3), is_asked=True), takeover=61, keeps=True)
    assert over is not None
    assert over.stops


def test_who_leaves_is_not_stopped_twice():
    assert notice(tenant(birth(3), pod=replace(POD, stopping=True)), takeover=1e9, progress=1e9) is None
