"""The pods that wait for a place: as many as members do, each for one of them."""

from dataclasses import dataclass, field, replace

import pytest

from fixtures.manifests import DETERMINISTIC, spec
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause
from pbt_operator.control.demand import Demand
from pbt_operator.control.look import Seen
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.core.allowance import Allowance
from pbt_operator.core.slots import Waiter
from pbt_operator.manifest.population import to_core

MEMBERS = 5


@dataclass
class Asked:
    """Pods that only note what is asked of them, and the births of members that wait."""

    started: list[int] = field(default_factory=list)
    readdressed: list[tuple[str, int]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    def start(self, birth: Birth) -> None:
        self.started.append(birth.member)

    def readdress(self, pod: Pod, birth: Birth) -> None:
        self.readdressed.append((pod.uid, birth.member))

    def stop(self, pod: Pod) -> None:
        self.stopped.append(pod.uid)

    def learn_waiting(self, _members: list[int], _demand: object, _allowance: Allowance) -> set[int]:
        return set()

    def births(self, members: list[int], _spec: object) -> dict[int, Birth]:
        return {member: birth(member) for member in members}


def birth(member: int) -> Birth:
    return Birth(member=member, incarnation=2, cause=Cause.RESUME, hyperparameters={}, reason="r")


def waits_for(member: int) -> Pod:
    return Pod.pending(birth(member), uid=f"waits-{member}")


def kept_up(
    *, runs: list[int], demand: list[Pod], leaving: list[Pod] | None = None, started: tuple[int, ...] = ()
) -> Asked:
    asked = Asked()
    live = {m: replace(waits_for(m), uid=f"runs-{m}", phase=Phase.RUNNING) for m in runs}
    waiters = [Waiter(member=m, position=0) for m in range(MEMBERS) if m not in live]
    Demand(asked, vacancies=asked, knowledge=asked, stop=asked.stop).keep_up(  # type: ignore[arg-type]
        Seen(live, [], demand, leaving or []),
        to_core(spec(DETERMINISTIC, members=MEMBERS)),
        waiters=waiters,
        heirs=dict[int, Life](),
        allowance=Allowance(),
        started=started,
    )
    return asked


def test_each_member_that_waits_has_a_pod() -> None:
    asked = kept_up(runs=[2, 3], demand=[waits_for(0)])
    assert (asked.started, asked.readdressed, asked.stopped) == ([1, 4], [], [])


def test_a_pod_whose_member_runs_by_now_becomes_another_ones() -> None:
    asked = kept_up(runs=[2, 3, 4], demand=[waits_for(0), waits_for(2)])
    assert (asked.started, asked.readdressed, asked.stopped) == ([], [("waits-2", 1)], [])


def test_pods_that_nobody_needs_are_ended() -> None:
    asked = kept_up(runs=[0, 1, 2, 3], demand=[waits_for(4), waits_for(2)])
    assert (asked.started, asked.readdressed, asked.stopped) == ([], [], ["waits-2"])


@pytest.mark.parametrize("started", [0, 1])
def test_who_was_just_given_a_slot_has_its_pod(started: int) -> None:
    """Else it had two, and the population one more than its slots."""
    asked = kept_up(runs=[2, 3, 4], demand=[waits_for(2)], started=(started,))
    assert (asked.started, asked.readdressed, asked.stopped) == ([], [("waits-2", 1 - started)], [])


def test_a_pod_that_is_to_end_holds_its_slot_until_then() -> None:
    leaving = replace(waits_for(3), uid="leaves", phase=Phase.RUNNING)
    asked = kept_up(runs=[2, 3, 4], demand=[waits_for(0)], leaving=[leaving])
    assert (asked.started, asked.readdressed, asked.stopped) == ([], [], [])
