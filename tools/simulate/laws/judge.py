"""What all judges of laws have in common: they see each thing when it happens, and blame what breaks a law."""

from collections.abc import Iterable
from typing import Any

from pbt_contract.records import Birth, Claim, Report
from pbt_operator.core.round_record import Round
from pbt_operator.core.status import Result
from simulate.apiserver import Body
from simulate.laws.facts import Facts
from simulate.trainer import Trainer


class Judge:
    """Judges some laws. What a judge doesn't look at, it leaves as it is here."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.blame = facts.world.blame

    @property
    def now(self) -> float:
        """Virtual seconds."""
        return self.facts.world.time.now

    def blame_all(self, about: str, faults: Iterable[str]) -> None:
        """Somebody broke these laws."""
        self.facts.world.blame_all(about, faults)

    def on_write(self, key: str, before: bytes | None) -> None:
        """Anything was written; `before` is what was there."""

    def on_birth(self, birth: Birth) -> None:
        """A birth was written."""

    def on_claim(self, claim: Claim) -> None:
        """A claim was written."""

    def on_round(self, decided: Round) -> None:
        """A round was decided."""

    def on_record(self, record: Report) -> None:
        """A report or a save was written."""

    def on_result(self, result: Result) -> None:
        """The population has ended."""

    def on_delete(self, key: str) -> None:
        """A key was deleted, which was there."""

    def on_begin(self, trainer: Trainer, birth: Birth, state: dict[str, Any] | None) -> None:
        """A process begins an incarnation, with what it fetched."""

    def on_step(self, trainer: Trainer) -> None:
        """A process has trained for one step."""

    def on_pod(self, pod: Body, *, gone: bool) -> None:
        """A pod has changed."""

    def on_tick(self) -> None:
        """Some seconds have passed, and nothing goes wrong any more."""

    def when_deleted(self) -> None:
        """The resource of a population that had ended is gone."""

    def at_end(self, population: Body) -> None:
        """All is over."""
