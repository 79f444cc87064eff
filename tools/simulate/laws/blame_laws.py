"""The laws of crashes: each follows an end, counters tell the truth, no slot starts for ever or is lost (13)."""

from collections.abc import Iterator

from msgspec import UNSET

from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause, Ending, Report
from pbt_operator.core.budget import Limits
from pbt_operator.core.end_record import End
from pbt_operator.core.round_record import Round
from pbt_operator.core.spec import Spec
from pbt_operator.core.status import PopulationPhase, Result
from simulate.apiserver import Body
from simulate.laws.facts import Facts
from simulate.laws.judge import Judge
from simulate.script import MISTAKE, Script
from simulate.trainer import Trainer

AFTER_CRASHES = frozenset({Cause.CRASH, Cause.REPLACE, Cause.FAILED})
MOST_BLAMED, MOST_EXCUSED = 3, 3
RETURN_SECONDS = 400.0
"""How long a slot that failed may stay so after a decided round, with a working operator."""

STOP_SECONDS = 120.0
"""How long ago a process that was stopped for hanging may have saved its member after all."""

PROMPT_SECONDS = 120.0
"""How long that may take where another round is decided."""


class BlameLaws(Judge):
    """Births after crashes, and ends for a mistake."""

    def __init__(self, facts: Facts, script: Script) -> None:
        """Knows of the script what its world made of it."""
        super().__init__(facts)
        self._script = script
        self._again: dict[int, int] = {}  # by member, births after crashes since a record of its own
        self._returned: set[int] = set()  # members that came back and haven't recorded anything since
        self._failed_since: dict[int, tuple[int, float]] = {}

    def on_record(self, record: Report) -> None:
        """It sets its member's counts back."""
        self._again.pop(record.member, None)
        self._returned.discard(record.member)

    def on_birth(self, birth: Birth) -> None:
        """Judges what follows from a crash, and what comes back after too many."""
        facts, spec = self.facts, self.facts.in_force
        previous = facts.births.get(Life(birth.member, birth.incarnation - 1))
        if previous is None or spec is None or facts.is_lawless or facts.had_zombies:
            return
        if birth.cause in AFTER_CRASHES:
            self.blame_all(f"13: {birth.key}", self._wrong_ends(birth, previous, spec))
        if birth.cause in AFTER_CRASHES or birth.cause is Cause.RESUME:
            self.blame_all(f"13: {birth.key}", self._wrong_counts(birth, previous, spec))
        if birth.cause in {Cause.CRASH, Cause.REPLACE}:
            self._count_start(birth, spec)
        if birth.cause is Cause.CRASH and self._script.is_pure and not self._script.is_mistaken:
            self.blame_all(f"13: {birth.key}", self._unblamed(birth, previous))
        if birth.cause is Cause.SCALE and previous.cause is Cause.FAILED:
            self._again.pop(birth.member, None)
            if birth.blamed == MOST_BLAMED:
                self._returned.add(birth.member)
            self.blame_all(f"13: {birth.key}", self._wrong_returns(birth, previous, spec))
        if birth.cause is Cause.REPLACE and birth.source is not None:
            self.blame_all(f"13: {birth.key}", self._changed_values(birth))
        elif birth.cause is Cause.REPLACE and birth.hyperparameters == previous.hyperparameters:
            self.blame(f"13: {birth.key} blames its values and keeps them")

    def _wrong_ends(self, birth: Birth, previous: Birth, spec: Spec) -> Iterator[str]:
        """Faults of the end that it follows."""
        end = self.facts.ends.get(previous.life)
        if end is None:
            yield f"is {birth.cause}, and no end of {previous.key} is recorded"
            return
        claim = self.facts.claims.get(previous.life)
        trainer = self.facts.trainers.get(claim.pod) if claim is not None else None
        if trainer is not None:
            yield from self._untrue(end, trainer, spec)

    def _untrue(self, end: End, trainer: Trainer, spec: Spec) -> Iterator[str]:
        """Where a process is called guilty that isn't."""
        if trainer.alive:
            yield f"{trainer.pod} crashed, and it is alive"
        if end.hung:
            waited = trainer.gates.seconds
            if trainer.waits_since is not None:
                yield f"{trainer.pod} is said to hang, and it waits at a gate since {trainer.waits_since:.1f} s"
            elif (
                STOP_SECONDS
                < self.now - trainer.recorded_at - waited
                < spec.schedule.progress_deadline_seconds
            ):
                yield f"{trainer.pod} is said to hang before its deadline"
        elif trainer.code in {81, 82}:
            yield f"{trainer.pod} ended blamelessly, with exit code {trainer.code}"

    def _wrong_counts(self, birth: Birth, previous: Birth, spec: Spec) -> Iterator[str]:
        """Faults of its counters: only an own record sets them back, and above the limit the line is closed."""
        # A crash after the record by which a script left its loop says that this was no end, and no progress.
        own = [one for one in self.facts.records.get(previous.life, []) if one.ending is not Ending.LEFT]
        before = (0, 0) if own else (previous.crashes, blamed_of(previous))
        crashes = before[0] + (birth.cause in AFTER_CRASHES)
        blamed = before[1] + (birth.cause is Cause.REPLACE)
        if (birth.crashes, blamed_of(birth)) != (crashes, blamed):
            found = (birth.crashes, blamed_of(birth))
            yield f"counts {found} crashes and blamed; it should be {(crashes, blamed)}"
        is_above = crashes > spec.backoff_limit
        if birth.cause in AFTER_CRASHES and is_above != (birth.cause is Cause.FAILED):
            yield f"is {birth.cause} after {crashes} crashes, backoffLimit is {spec.backoff_limit}"
        if blamed > MOST_BLAMED and birth.cause is Cause.REPLACE:
            yield f"blames the values for the {blamed}th time in a row"

    def _unblamed(self, birth: Birth, previous: Birth) -> Iterator[str]:
        """Where a newborn's second crash in a row doesn't blame its values, which alone crash in this world."""
        line = self.facts.line(birth.member)
        records = any(self.facts.records.get(one.life) for one in line)
        crashes = sum(one.cause is Cause.CRASH for one in line)
        ends = [self.facts.ends.get(Life(birth.member, birth.incarnation - back)) for back in (1, 2)]
        nodes = {end.node for end in ends if end is not None}
        if len(nodes) == 1 and crashes <= MOST_EXCUSED:
            return  # the node may be to blame
        if not records and crashes > 1 and line[-1].source is None and blamed_of(previous) < MOST_BLAMED:
            yield f"is the {crashes}th crash of a newborn with the same values"

    def _count_start(self, birth: Birth, spec: Spec) -> None:
        count = self._again[birth.member] = self._again.get(birth.member, 0) + 1
        most = (
            min(1, spec.backoff_limit)
            if birth.member in self._returned
            else spec.backoff_limit + MOST_BLAMED - 1
        )
        if count > most:
            self.blame(f"13: {birth.key} is start {count + 1} without a record; {most + 1} are allowed")

    def _wrong_returns(self, birth: Birth, previous: Birth, spec: Spec) -> Iterator[str]:
        if any(result.phase is PopulationPhase.FAILED for result in self.facts.results.values()):
            return  # somebody asked a population that had failed to try again
        since = previous.decided if isinstance(previous.decided, int) else 0
        if self.facts.decided <= since:
            yield f"comes back, and no round was decided since {since}"
        if (birth.crashes, blamed_of(birth)) != (max(0, spec.backoff_limit - 1), MOST_BLAMED):
            yield f"comes back with {birth.crashes} crashes and {blamed_of(birth)} blamed"
        yield from self._changed_values(birth)

    def _changed_values(self, birth: Birth) -> Iterator[str]:
        """Where the hyperparameters are not those that its source was trained with."""
        found = [r for records in self.facts.records.values() for r in records if r.source == birth.source]
        if found and dict(found[0].hyperparameters) != dict(birth.hyperparameters):
            yield f"is to train {birth.hyperparameters}, and its donor had {found[0].hyperparameters}"

    # slots that are lost

    def _lost(self, spec: Spec) -> Iterator[Birth]:
        """The closing births of slots that are failed though a round has been decided since that isn't the last."""
        for member in range(spec.members):
            birth = self.facts.newest_birth(member)
            if birth is None or birth.cause is not Cause.FAILED:
                continue
            since = birth.decided if isinstance(birth.decided, int) else 0
            newest = self.facts.rounds.get(self.facts.decided)
            is_early = (
                newest is not None and newest.number > since and newest.step < spec.schedule.total_steps
            )
            if (
                newest is not None
                and is_early
                and any(one.score is not None and one.member != member for one in newest.entries)
            ):
                yield birth

    def on_tick(self) -> None:
        """With a working operator a slot comes back, once after each decided round."""
        facts, spec = self.facts, self.facts.in_force
        lost = {b.member: b for b in self._lost(spec)} if spec is not None and facts.is_at_work else {}
        self._failed_since = {m: found for m, found in self._failed_since.items() if m in lost}
        for member, birth in lost.items():
            number, since = self._failed_since.setdefault(member, (birth.incarnation, self.now))
            if number != birth.incarnation:
                self._failed_since[member] = (birth.incarnation, self.now)
            elif self.now > since + RETURN_SECONDS and spec is not None and spec.slots >= spec.members:
                self.blame(f"13: member {member} failed, and doesn't come back since {since:.1f} s")

    def on_round(self, decided: Round) -> None:
        """Who had failed before the round before came back then; and it tells who has crashed since."""
        before = max((number for number in self.facts.rounds if number < decided.number), default=0)
        self._judge_returns(before, self.facts.spec(decided.spec))
        if not (self.facts.is_lawless or self.facts.had_zombies):
            self.blame_all(f"13: {decided.key}", self._untold(decided, before))

    def _untold(self, decided: Round, before: int) -> Iterator[str]:
        """Lives that crashed since the round before, and of which this one says nothing, though its operator knew."""
        told = set() if decided.crashed is UNSET else {crashed.life for crashed in decided.crashed}
        for birth in self.facts.births.values():
            life = Life(birth.member, birth.incarnation - 1)
            if birth.cause in AFTER_CRASHES and birth.decided == before and life not in told:
                yield f"says nothing of {life}, which crashed after round {before}"

    def _judge_returns(self, newest: int, spec: Spec) -> None:
        """Slots that are still failed, though this round was decided long before, with a working operator."""
        facts, known = self.facts, self.facts.rounds.get(newest)
        if known is None or facts.is_lawless or facts.had_zombies or known.step >= spec.schedule.total_steps:
            return
        if self.now - max(facts.calm_since, facts.written[known.key]) < PROMPT_SECONDS:
            return
        for member in range(spec.members):
            birth = facts.newest_birth(member)
            others = (one for one in known.entries if one.member != member and one.score is not None)
            if birth is not None and birth.cause is Cause.FAILED and next(others, None) is not None:
                since = birth.decided if isinstance(birth.decided, int) else 0
                if since < newest:
                    self.blame(
                        f"13: member {member} failed after round {since}, and isn't back after {newest}"
                    )

    def on_result(self, result: Result) -> None:
        """A mistake ends what has recorded nothing, and all that have failed have failed."""
        facts, spec = self.facts, self.facts.spec(result.spec)
        if facts.is_lawless or facts.had_zombies:
            return
        self._judge_returns(facts.decided, spec)
        is_cut_short = result.reason == "NoFiniteScore" and (spec.finish or spec.limits != Limits())
        others = {"Mistake", "DeadlineExceeded", "TooManyFailedMembers"}
        if self._script.is_mistaken and not is_cut_short and result.reason not in others:
            self.blame(f"13: all members met a mistake, and it ended with {result.reason}")
        if result.reason == "Mistake":
            if any(facts.records.values()):
                self.blame("13: it ended for a mistake, and somebody has recorded something")
            said = sum(trainer.code == MISTAKE for trainer in facts.trainers.values())
            crashed = sum(trainer.code not in {0, 81, 82} for trainer in facts.trainers.values())
            if said < min(2, spec.members) and crashed < 2 * spec.members:
                self.blame(f"13: it ended for a mistake, and {said} processes said so")
        if result.reason == "AllMembersFailed":
            births = [facts.newest_birth(member) for member in range(spec.members)]
            left = [b.member for b in births if b is not None and b.cause is not Cause.FAILED]
            if left:
                self.blame(f"13: all members are said to have failed, and {left} haven't")

    def at_end(self, population: Body) -> None:
        """Where only a region of the search space crashes, no slot is lost."""
        facts, spec = self.facts, self.facts.in_force
        phase = population["status"].get("phase")
        if (
            spec is None
            or not self._script.is_pure
            or phase != "Complete"
            or facts.is_lawless
            or facts.had_zombies
        ):
            return
        for birth in self._lost(spec):
            self.blame(f"13: member {birth.member} is failed at the end, and only a region crashes")


def blamed_of(birth: Birth) -> int:
    """How many births in a row had their hyperparameters blamed."""
    return 0 if birth.blamed is UNSET else birth.blamed
