"""What the rules said about a round, for its record and from it."""

from collections.abc import Iterable, Mapping
from functools import cached_property

from msgspec import UNSET, UnsetType

from pbt_contract.records import Value
from pbt_operator.core.round_record import Beaten, Entry, Proposal, ProposedMove, Recorded
from pbt_operator.core.rules import Loser, Move, Mover, Replay, RoundView
from pbt_operator.core.spec import Spec


class Transcript:
    """Asks the rules. A rule whose replay is recorded is not asked again where its answer is on record.

    Attributes:
        view: of the round.
    """

    def __init__(self, view: RoundView, spec: Spec, recorded: Recorded | UnsetType = UNSET) -> None:
        """Asks nothing yet.

        Args:
            view: of the round.
            spec: what is asked; its rules are those that answer.
            recorded: what the rules said when the round was decided.
        """
        self.view, self._spec = view, spec
        self._answer = UNSET if recorded is UNSET else recorded.exploit
        self._answers = {} if recorded is UNSET else {move.member: move for move in recorded.explore}
        self._proposal: Proposal | UnsetType = UNSET
        self._moves: list[ProposedMove] = []
        self._endings: dict[int, str] = {}

    def beaten(self) -> Iterable[Loser]:
        """Who loses."""
        rule = self._spec.exploit.rule
        view = self.view.looking_back(rule.looks_back(self._spec.members))
        if rule.replay is Replay.EXACT:
            return rule.beaten(view)
        self._proposal = self._answer
        if self._proposal is UNSET:
            losers = [
                Beaten(member=entry.member, donors=[donor.member for donor in donors], why=why)
                for entry, donors, why in rule.beaten(view)
            ]
            self._proposal = Proposal(inputs=rule.inputs(view), beaten=losers)
        finite = {entry.member: entry for entry in view.finite}
        return [Loser(*found) for loser in self._proposal.beaten if (found := _read(loser, finite))]

    def beaten_within(self, view: RoundView) -> Iterable[Loser]:
        """Who loses among the members of one sub-population, which are all that `view` shows."""
        rule = self._spec.exploit.rule
        # No exploit is recorded yet; the first one has to say how its record is to be read here.
        if rule.replay is Replay.RECORDED:
            raise NotImplementedError(f"{type(rule).__name__} can't be used with sub-populations yet")
        return rule.beaten_within(view.looking_back(rule.looks_back(self._spec.members)))

    def move(self, copied: Mapping[str, Value], *, member: int) -> Move:
        """How what a member copied changes."""
        move = self._moved(copied, member)
        self._endings[member] = f"; {move.why}" if move.why else ""
        return move

    def ending(self, member: int) -> str:
        """What is added to the reason of a member that was moved."""
        return self._endings[member]

    def _moved(self, copied: Mapping[str, Value], member: int) -> Move:
        if self._spec.explore.replay is Replay.EXACT:
            return self._mover(copied, member=member)
        known = self._answers.get(member)
        if known is None or known.copied != copied:
            values, operations, inputs, why = self._mover(copied, member=member)
            known = ProposedMove(
                member=member,
                copied=dict(copied),
                inputs=dict(inputs),
                hyperparameters=dict(values),
                operations=dict(operations),
                why=why or UNSET,
            )
        self._moves.append(known)
        why = "" if known.why is UNSET else known.why
        return Move(known.hyperparameters, known.operations, known.inputs, why)

    @cached_property
    def _mover(self) -> Mover:
        rule = self._spec.explore
        return rule.mover(self.view.looking_back(rule.looks_back(self._spec.members)))

    def recorded(self) -> Recorded | UnsetType:
        """What goes on record."""
        earlier = [decided.number for decided in self.view.earlier]
        if not earlier and self._proposal is UNSET and not self._moves:
            return UNSET
        return Recorded(earlier=earlier, exploit=self._proposal, explore=self._moves)


def _read(loser: Beaten, finite: Mapping[int, Entry]) -> tuple[Entry, list[Entry], str] | None:
    """A loser on record; None where it names a member that the round didn't compare."""
    if not {loser.member, *loser.donors} <= finite.keys():
        return None
    return finite[loser.member], [finite[donor] for donor in loser.donors], loser.why
