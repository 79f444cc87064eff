"""Station "record": everything that a pass decides is written here, once, and what is stored is what counts.

Accounting, deciding and placing each need what is stored before they can go on, for another operator may have written
first: a round's births follow from the stored round, and a process is asked to go on with a stored birth only. So each
of these stations records through this one in the middle of its work, and then follows what it gets back.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from pbt_contract.encoding import decode_report, encode
from pbt_contract.gates import Gate
from pbt_contract.keys import Life, Request
from pbt_contract.records import Birth, Ending, Report
from pbt_contract.yields import LifeName, Yield
from pbt_operator.core.allowance import Allowance
from pbt_operator.core.end_record import End
from pbt_operator.core.outcome import Outcome
from pbt_operator.core.round_record import Round
from pbt_operator.core.spec import Spec
from pbt_operator.core.status import Result
from pbt_operator.records import results, specs
from pbt_operator.records.repository import Repository
from pbt_operator.records.results import Conclusion

NO_TIME: dict[str, Any] = {"seconds": 0.0, "waited": UNSET, "starting": UNSET}
"""What a record has that was made of another one: the time is the other's."""


class Recorder:
    """Writes one population's records."""

    def __init__(self, repository: Repository) -> None:
        """Writes nothing yet."""
        self._repository = repository
        self._conclusion: Conclusion | None = None  # while what it tells is read

    def births(self, wanted: Sequence[Birth]) -> list[Birth]:
        """Orders lives of different members; the only place where births are written.

        Returns:
            What is stored of each: where it differs, another operator was first, and that birth is in force.
        """
        return self._repository.write_births(wanted) if wanted else []

    def round(self, wanted: Round) -> Round:
        """Records a round's decisions; returns the newest round, a later one if another operator is ahead."""
        return self._repository.write_round(wanted)

    def gate(self, wanted: Gate, allowance: Allowance) -> Gate:
        """Records how far members may train; returns what is stored, which another operator may have written first.

        That one may know later rounds and births than this one: they are learned, as far as the allowance goes.
        """
        stored = self._repository.gates.write(wanted)
        if stored != wanted:
            self._repository.learn_rounds()
            for name in allowance.among(stored.without):
                self._repository.learn_birth(*name.life)
        return stored

    def void(self, birth: Birth, *, pod: str) -> None:
        """Makes sure that a process which is over never takes this birth."""
        self._repository.claims.void(birth, pod=pod)

    def ended(self, end: End) -> End:
        """Records how a life ended, before any birth that follows from it; returns what is stored, which counts."""
        return self._repository.ends.write(end)

    def ending(self, report: Report) -> None:
        """Says of a member whose process ended with 0 right after this report that it is done.

        It is one more save of the report's checkpoint. The process that had the claim is over, so nobody else writes
        below it.
        """
        store = self._repository.store
        whole = decode_report(store.read(report.key), key=report.key)
        note = f"the process ended with 0 after step {report.step}, before the last one: the member is done"
        save = replace(
            whole, round=None, metrics={}, effective={}, notes=[note], ending=Ending.LEFT, **NO_TIME
        )
        store.create(save.key, encode(save))
        self._repository.learn_record(save.key)

    def handover(self, request: Request, to: Birth) -> Life | None:
        """Asks the process of a life, by a request that is its next one, to go on with `to`, which must be stored.

        Returns:
            With which life it is to go on; another operator may have asked first. None if nobody can follow what is
            stored.
        """
        heir = LifeName(member=to.member, incarnation=to.incarnation)
        number = request.number if request.number > 1 else UNSET
        asked = Yield(member=request.member, incarnation=request.incarnation, to=heir, number=number)
        return self._repository.yields.write(asked)

    def begin_again(self) -> None:
        """Nothing has ended: another spec is in force."""
        if self._conclusion is not None:
            self._repository.ledgers.begin_again()
        self._conclusion = None

    def end(self, outcome: Outcome, spec: Spec, *, spec_number: int, allowance: Allowance) -> Result | None:
        """Records how the population ended; returns the record under the newest spec, whoever wrote it.

        None if the allowance was spent before all was read that it tells, or that its writer had ordered.
        """
        store = self._repository.store
        newest = specs.newest(store)  # another operator may have accepted a later one
        number = newest.number if newest is not None else spec_number
        ended, found = results.result_under(store, number), None
        if ended is None:
            self._conclusion = self._conclusion or Conclusion(self._repository)
            found = self._conclusion.go_on(spec, outcome, spec_number=number, allowance=allowance)
            ended = results.write_result(store, found) if found is not None else None
        if ended is None:
            return None
        self._conclusion = None
        return ended if self._repository.learn_births(allowance, in_company=ended != found) else None
