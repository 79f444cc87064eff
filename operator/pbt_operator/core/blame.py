"""What follows from crashes. Whose fault they are decides: the process's bad luck, the hyperparameters', the script's.

- The first crash of a newborn, one without a record of its own since a decision, resumes it unchanged. The second in a
  row blames the hyperparameters, unless something else explains both: they go back to those of the donor, which have
  run, or are drawn again where there is no donor.
- Three crashes within a member's last three intervals blame weights and hyperparameters: both come from a donor.
- What trainers call a mistake is the script's fault until anybody has reported, then the hyperparameters'.
- Where a trainer never ran, as an init container failed, say, its member begins the same life again, up to the limit.
- Hyperparameters are blamed `MOST_BLAMED` times in a row at most, and `backoffLimit` crashes in a row are allowed. Only
  a record of the member's own sets the counters back. So a slot makes so many starts without a record and no more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause, Ending, Report, Source, Value
from pbt_operator.core import births
from pbt_operator.core.births import KEPT, MOST_BLAMED, Counters
from pbt_operator.core.crash_words import fault_of, is_mistake, is_unable
from pbt_operator.core.end_record import End
from pbt_operator.core.explore import sample
from pbt_operator.core.history import History
from pbt_operator.core.spec import Spec

CRASHES_IN_A_ROW = 2  # of a newborn, before its hyperparameters are blamed
CRASHES_EXCUSED = 3  # by a node, or by somebody who kills processes; one more and no excuse counts
CRASHES_LATELY, INTERVALS_LATELY = 3, 3
SIGKILL = 137
LONGEST_BACKOFF_SECONDS = 60.0
MISTAKE_SECONDS, LONGEST_START_SECONDS = 15.0, 120.0  # that who met a mistake waits; while others start


@dataclass(frozen=True, slots=True)
class Setting:
    """What a crash is judged by that isn't the member's own.

    Attributes:
        anyone_reported: whether anybody in the population has reported, which a mistaken script hinders.
        is_bad_node: whether others crash on the node that it crashed on, though their hyperparameters have run.
    """

    anyone_reported: bool
    is_bad_node: bool


def setting_of(end: End, history: History) -> Setting:
    """By what the end of a life is judged now."""
    others = (other for other in history.ends if other.member != end.member and other.node == end.node)
    return Setting(
        anyone_reported=history.has_reported,
        is_bad_node=bool(end.node) and any(_crashed_though_proven(other, history) for other in others),
    )


def _crashed_though_proven(end: End, history: History) -> bool:
    """Whether a life of the member's line ended by its own fault, after that line had recorded something."""
    line = history.line(end.member)
    if end.incarnation < line[-1].incarnation or fault_of(end, has_record=True) is None:
        return False
    return any(record.incarnation <= end.incarnation for record in history.line_records(end.member))


@dataclass(frozen=True, slots=True)
class Crash:
    """The end of a life by its own fault, and what it counts as.

    Attributes:
        end: of the life.
        birth: of the life.
        own: the newest record of the life; None where it has none that counts as progress.
        fault: what it died of, in words.
        counters: this crash included.
        limit: so many crashes in a row a member may have.
    """

    end: End
    birth: Birth
    own: Report | None
    fault: str
    counters: Counters
    limit: int

    @property
    def fails(self) -> bool:
        """It was one too many: the member's line is closed."""
        return self.counters.crashes > self.limit

    @property
    def reason(self) -> str:
        """What its birth, and the Event, say of it."""
        count = self.counters.crashes
        counted = f"crash {count} in a row without a record" if count > 1 else "crashed"
        above = f", above backoffLimit {self.limit}" if self.fails else ""
        return f"{counted}{above}: {self.fault}"


def crash_of(end: End, history: History, spec: Spec) -> Crash | None:
    """What the end of its member's newest life counts as; None if it was nobody's fault."""
    birth, own = history.birth(*end.life), history.own_record(end.member)
    assert birth is not None, "who ended was born"
    if has_failed_after_all(end, own):  # it had left its loop: that record says no more than that
        own = _record_before_it_left(history, birth.life)
    fault = fault_of(end, has_record=own is not None)
    if fault is None:
        return None
    before = Counters() if own is not None else Counters.of(birth)
    counters = before._replace(crashes=before.crashes + 1)
    return Crash(end, birth, own, fault, counters, spec.backoff_limit)


def has_failed_after_all(end: End, newest: Report | None) -> bool:
    """Whether the script had left its loop before the last step, and then its process ended by its own fault."""
    if newest is None or newest.ending is not Ending.LEFT or end.exit_code in {0, None}:
        return False
    return fault_of(end, has_record=True) is not None


def _record_before_it_left(history: History, life: Life) -> Report | None:
    """The newest record of a member's newest life but for those by which it said that it had left its loop."""
    records = (record for record in history.line_records(life.member) if record.ending is not Ending.LEFT)
    return max((r for r in records if r.life == life), key=lambda record: record.step, default=None)


def after_crash(crash: Crash, history: History, spec: Spec, setting: Setting) -> Birth:
    """The birth that a crash calls for: an end, other hyperparameters, a copy of a donor, or a resume.

    The history must know the record that the member's line started from, if it started from one.
    """
    member, decided = crash.end.member, history.decided
    if crash.fails:
        return births.closed(
            crash.birth,
            cause=Cause.FAILED,
            position=history.position(member),
            counters=crash.counters,
            decided=decided,
            reason=crash.reason,
        )
    reborn = None
    if crash.counters.blamed < MOST_BLAMED and crash.end.unstarted is not True:
        if _blames_values(crash, history, setting):
            reborn = _with_other_values(crash, history, spec)
        elif _crashes_lately(history, member, spec) >= CRASHES_LATELY:
            reborn = _from_donor(crash, history, spec)
    if reborn is not None:
        return reborn
    own = history.own_record(member)
    return births.resumed(crash.birth, own, crash=crash.counters, decided=decided, reason=crash.reason)


def _blames_values(crash: Crash, history: History, setting: Setting) -> bool:
    """Whether the hyperparameters of its line explain a crash, or a second one in a row."""
    end = crash.end
    if is_mistake(end):
        return setting.anyone_reported
    crashed = _crashed(history, end.member)
    in_a_row = 1 + len(crashed)
    if history.line_records(end.member) or in_a_row < CRASHES_IN_A_ROW:
        return False
    before = history.ends.get(_life_before(crashed[0]))
    if before is None or in_a_row > CRASHES_EXCUSED:
        return True
    is_killed = _is_killed_by_others(end) and _is_killed_by_others(before)
    return not (is_killed or (setting.is_bad_node and before.node == end.node))


def _is_killed_by_others(end: End) -> bool:
    """Whether somebody killed the process: neither the operator nor, as far as anybody knows, the kernel."""
    return end.exit_code == SIGKILL and not (end.out_of_memory or end.stopped)


def _crashes_lately(history: History, member: int, spec: Spec) -> int:
    """How many crashes there were in the last few intervals of a member's line, the newest one included."""
    since = history.position(member) - INTERVALS_LATELY * spec.schedule.interval_steps
    return 1 + sum(birth.start_step >= since for birth in _crashed(history, member))


def _crashed(history: History, member: int) -> Sequence[Birth]:
    """The births of a line that follow from crashes of trainers that ran, the newest first."""
    return [
        birth
        for birth in history.line(member)
        if birth.cause is Cause.CRASH
        and not ((end := history.ends.get(_life_before(birth))) is not None and end.unstarted is True)
    ]


def _life_before(birth: Birth) -> Life:
    return Life(birth.member, birth.incarnation - 1)


def _with_other_values(crash: Crash, history: History, spec: Spec) -> Birth | None:
    """The line again from its start, with the donor's hyperparameters unchanged; drawn again without a donor.

    Who has recorded something since would lose it, and takes a donor of the newest round instead.
    """
    member = crash.end.member
    begun = history.line(member)[-1]
    if history.line_records(member):
        return _from_donor(crash, history, spec)
    donor = history.record(begun.source.member, begun.source.record) if begun.source is not None else None
    if begun.source is None:
        again = crash.counters.blamed + 1
        values = sample(spec, member=member, round_number=begun.seed_round or 0, again=again)
        return _again(
            crash, history, begun, values, operation="resampled", why="drawn again: there is no donor"
        )
    if donor is None or donor.hyperparameters == begun.hyperparameters:
        return _from_donor(crash, history, spec, other_than=begun.source)
    why = f"goes back to the hyperparameters of member {donor.member} at step {donor.step}, which have run"
    return _again(crash, history, begun, donor.hyperparameters, operation=KEPT, why=why)


def _again(
    crash: Crash,
    history: History,
    begun: Birth,
    hyperparameters: Mapping[str, Value],
    *,
    operation: str,
    why: str,
) -> Birth:
    """A line that begins again where it began."""
    blamed = crash.counters._replace(blamed=crash.counters.blamed + 1)
    return Birth(
        member=crash.end.member,
        incarnation=crash.birth.incarnation + 1,
        cause=Cause.REPLACE,
        hyperparameters=dict(hyperparameters),
        start_step=begun.start_step,
        previous_step=history.position(crash.end.member),
        source=begun.source,
        seed_round=begun.seed_round,
        crashes=blamed.crashes,
        blamed=blamed.recorded_blame,
        decided=history.decided,
        sub_population=crash.birth.sub_population,
        operations=dict.fromkeys(hyperparameters, operation),
        reason=f"{crash.reason}; {why}",
    )


def _from_donor(
    crash: Crash, history: History, spec: Spec, *, other_than: Source | None = None
) -> Birth | None:
    """A copy of a donor of the newest round, unchanged, but for one of its records; None where nobody is copied."""
    if spec.exploit.rule.never_replaces:
        return None
    return births.from_donor(
        history,
        spec=spec,
        member=crash.end.member,
        cause=Cause.REPLACE,
        explores=False,
        other_than=other_than,
        counters=crash.counters._replace(blamed=crash.counters.blamed + 1),
        decided=history.decided,
        reason=crash.reason,
    )


def waits_for_others(crash: Crash, setting: Setting) -> bool:
    """Whether the script may be mistaken, so that its member waits for others to meet that mistake too."""
    may_be = is_mistake(crash.end) or is_unable(crash.end)
    return may_be and not setting.anyone_reported and not crash.fails


def wait_seconds(crash: Crash, setting: Setting) -> float:
    """How long the member waits before it starts again."""
    return MISTAKE_SECONDS if waits_for_others(crash, setting) else backoff_seconds(crash.counters.crashes)


def backoff_seconds(crashes: int) -> float:
    """How long a member waits after so many crashes in a row: none at first, then 1 s, doubled each time."""
    return 0.0 if crashes <= 1 else min(2.0 ** (crashes - 2), LONGEST_BACKOFF_SECONDS)
