"""The walk of one report from the store to a birth to a pod: which modules take it onward, and that none calls back up.

What is traced is a population in virtual time. One report is followed in each form that it takes on: the report, the
entry of its round, the decision about its member, the birth that follows. A hand-over is a value that crosses from one
module of `pbt_operator` to another, as an argument or as what a function returns, and holds the newest form.

The walk is the shortest chain of hand-overs, each later than the one before, from the module that reads the report in
the store to the one that asks the pods to start the birth. Each form must be made by a module on the walk, from the one
before, and what a module was handed once it has from then on. Modules beside the walk look at what they are handed and
hand nothing on, or give back what they got: the threads that read, the rule that names losers, the log that writes.

A call back up is a call from one module into another that called it, directly or not, and still waits for it.

At commit af11c60, counted by hand with every module that the report was seen in, it was 22 modules and 5 calls back up.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

import msgspec

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract.records import Birth, Report
from pbt_operator.core.round_record import Decision, Entry
from simulation import Simulation

PACKAGE = "pbt_operator."
FORMS = ("report", "entry", "decision", "birth")
PODS = "the pods"
DEEP = 4  # containers within containers that are looked into


class HandOver(NamedTuple):
    """A value that crossed from one module to another, with the newest form that it holds."""

    giver: str
    taker: str
    form: int


class Trace:
    """Watches the calls between modules of the package, from one look into the store to the start of one pod."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.hand_overs: list[HandOver] = []
        self.climbs: set[tuple[str, str]] = set()
        self._stack: list[str] = []

    def __call__(self, frame: Any, event: str, argument: Any) -> None:
        name = frame.f_globals.get("__name__", "")
        if not name.startswith(PACKAGE) or event not in {"call", "return"}:
            return
        module = name.removeprefix(PACKAGE)
        if event == "return":
            self._stack.pop()
            if self._stack:
                self._note(module, self._stack[-1], [argument])
            return
        if self._stack:
            caller = self._stack[-1]
            if module != caller and module in self._stack:
                self.climbs.add((caller, module))
            self._note(caller, module, frame.f_locals.values())
        self._stack.append(module)

    def _note(self, giver: str, taker: str, values: Iterable[Any]) -> None:
        form = max((self._form(value, DEEP) for value in values), default=-1)
        if giver != taker and form >= 0:
            self.hand_overs.append(HandOver(giver, taker, form))

    def started(self, birth: Birth) -> None:
        """The pods are asked to start a birth."""
        if self._is_born(birth):
            self.hand_overs.append(HandOver(self._stack[-1], PODS, FORMS.index("birth")))
            sys.setprofile(None)

    def _form(self, value: Any, deep: int) -> int:
        """The newest form of the report that a value holds; -1 if it holds none."""
        match value:
            case Birth():
                return FORMS.index("birth") if self._is_born(value) else -1
            case Decision():
                return FORMS.index("decision") if value.member == self.report.member else -1
            case Entry():
                return FORMS.index("entry") if value.source.record == self.report.key else -1
            case Report():
                return FORMS.index("report") if value.key == self.report.key else -1
        parts: Iterable[Any] = ()
        if isinstance(value, Mapping):
            parts = list(value.values())
        elif isinstance(value, list | tuple | set | frozenset):
            parts = list(value)
        elif is_dataclass(value) or isinstance(value, msgspec.Struct):
            names = fields(value) if is_dataclass(value) else msgspec.structs.fields(value)
            parts = [getattr(value, field.name, None) for field in names]
        return max((self._form(part, deep - 1) for part in parts), default=-1) if deep else -1

    def _is_born(self, birth: Birth) -> bool:
        return birth.member == self.report.member and birth.round == self.report.round

    def walk(self) -> list[str]:
        """The shortest chain of hand-overs, each later than the one before."""
        known: dict[tuple[str, int], list[str]] = {}
        made = -1
        for giver, taker, form in self.hand_overs:
            if form > made:  # the giver has made it, from the form before
                before = known.get((giver, form - 1), []) if form else [giver]
                assert before, f"{giver} makes the {FORMS[form]} of what it never had"
                known[giver, form], made = before, form
            chain = known.get((giver, form))
            if chain is None:
                continue
            longer = chain if taker in chain else [*chain, taker]
            shortest = known.get((taker, form))
            if shortest is None or len(longer) < len(shortest):
                known[taker, form] = longer
        return known[PODS, FORMS.index("birth")]


def traced() -> Trace:
    """A population up to its first round, in which the member whose report is followed loses."""
    rehearsal = Simulation(spec(DETERMINISTIC), Deterministic())
    while not rehearsal.repository.history.decided:
        rehearsal.step()
    loser = rehearsal.repository.history.newest_round.decisions[0].member
    (report,) = (r for r in rehearsal.repository.history.records(loser) if r.round == 1)
    simulation = Simulation(spec(DETERMINISTIC), Deterministic())
    trace, start = Trace(report), simulation.pods.start

    def start_and_tell(birth: Birth) -> None:
        trace.started(birth)
        start(birth)

    simulation.pods.start = start_and_tell
    sys.setprofile(trace)
    try:
        while sys.getprofile() is not None:
            simulation.step()
    finally:
        sys.setprofile(None)
    return trace


def test_a_report_becomes_a_pod_by_way_of_ten_modules_at_most_and_none_calls_back_up(capsys):
    trace = traced()
    walk = trace.walk()
    beside = {module for hand_over in trace.hand_overs for module in hand_over[:2]}.difference(walk)
    with capsys.disabled():
        print(f"\n{len(walk) - 1} modules: {' -> '.join(walk)}\nbeside: {', '.join(sorted(beside))}")
    assert (walk[0], walk[-1]) == ("records.poller", PODS)
    assert {"core.exploit", "core.births", "control.record"} < set(walk)
    assert len(walk) - 1 <= 10
    assert trace.climbs == set()
