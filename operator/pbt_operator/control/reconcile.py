"""One pass of the level-triggered reconcile, station by station: look, know, account, decide, record, place, tell.

It stands on an injected clock, store and set of pods, so the same pass drives a cluster, processes on one machine and a
simulation in virtual time. Everything that must survive is in the store.
"""

from collections.abc import Callable, Collection
from enum import Enum, auto
from typing import NamedTuple

from pbt_operator.control.account import Accounting
from pbt_operator.control.decide import Decisions
from pbt_operator.control.events import Event
from pbt_operator.control.living import Living
from pbt_operator.control.look import Seen, look_at_pods
from pbt_operator.control.notices import StartedAnew, remarks
from pbt_operator.control.pass_result import PassResult
from pbt_operator.control.placement import Placement
from pbt_operator.control.pods import Pods
from pbt_operator.control.record import Recorder
from pbt_operator.control.spending import used_by
from pbt_operator.control.sweep import Retention
from pbt_operator.core.allowance import Allowance, Cursor
from pbt_operator.core.cost import Costs
from pbt_operator.core.denied import refusal_of
from pbt_operator.core.mistakes import mistake_of
from pbt_operator.core.outcome import Outcome, outcome_of
from pbt_operator.core.spec import Restart, Spec
from pbt_operator.core.status import PopulationPhase, Result
from pbt_operator.records.repository import Repository

FEW = 8  # reports that are looked for one by one between two listings


class Active(NamedTuple):
    """Since when a population has been active, in seconds.

    Attributes:
        since: activeDeadlineSeconds and limits.activeSeconds are counted from there; None is now.
        ended_at: since when it has been over, as far as that was told; None if it goes on.
    """

    since: float | None
    ended_at: float | None


class Looks(Enum):
    """How a pass learns of reports."""

    LISTS = auto()  # all that is new
    ASKS = auto()  # the next one of each member, by its key: what that takes doesn't grow with what is stored
    GLANCES = auto()  # the few that a round lacks
    NOT = auto()


class Reconciler:
    """Drives one population.

    Attributes:
        spec: what is asked.
        spec_number: the number of the spec record.
    """

    def __init__(
        self,
        *,
        repository: Repository,
        pods: Pods,
        clock: Callable[[], float],
        spec: Spec,
        spec_number: int,
        emit: Callable[[Event], None],
        active: Active | None = None,
    ) -> None:
        """Needs a repository that was loaded.

        Args:
            repository: the population's records.
            pods: its pods.
            clock: seconds, monotonic.
            spec: what is asked.
            spec_number: the number of the spec record.
            emit: takes each event once, at once: what a pass has told stays told if the pass fails later.
            active: since when it has been, by `clock`; None is now. A suspension resets it, and what passes after an
                end doesn't count.
        """
        self.spec, self.spec_number = spec, spec_number
        self._cursor: Cursor | None = None
        self._seen = Seen({}, [])
        self._outcome: Outcome | None = None
        self._result: Result | None = None
        self._failed: Result | None = None
        self._repository, self._history, self._pods = repository, repository.history, pods
        self._clock, self._emit = clock, emit
        since, self._ended_at = Active(None, None) if active is None else active
        self._active_since = clock() if since is None else since
        self._costs, self._living = Costs(), Living(self._history)
        self._retention = Retention(repository, clock=clock)
        self._started_anew = StartedAnew(self._history)
        self._recorder = recorder = Recorder(repository)
        self._accounting = Accounting(repository, pods=pods, recorder=recorder, clock=clock, emit=emit)
        self._decisions = Decisions(repository, recorder=recorder, clock=clock, emit=emit)
        self._placement = Placement(
            repository, pods=pods, accounting=self._accounting, recorder=recorder, clock=clock, emit=emit
        )

    def run_once(self, looks: Looks = Looks.LISTS, allowance: Allowance | None = None) -> PassResult:
        """One pass. What it can't finish, the next one does.

        Args:
            looks: how it learns of reports. What it doesn't look for, a later pass finds.
            allowance: what it may spend; None is as much as it takes.

        Returns:
            How the population stands now.

        Raises:
            StoreUnavailable: the store can't be reached; nothing is lost, try again later.
        """
        self._keep_time()
        allowance = allowance or Allowance()
        self._look(looks, allowance)
        if self._cursor is None:
            self._act(allowance)
        return self._answer()

    def _act(self, allowance: Allowance) -> None:
        """What follows from all that is known; what the allowance has no room for is left, and all that comes after."""
        allowance.watch(self._repository.store)
        seen = self._seen = look_at_pods(
            self._pods, self._repository, late=self._placement.late, allowance=allowance, before=self._seen
        )
        left = seen.num_left
        if self._outcome is None:
            left += self._accounting.settle(seen.ended, self.spec, allowance)
        else:  # whatever became of them, nothing follows from it
            self._accounting.forget(seen.ended)
        self._repository.ledgers.read(allowance)
        self._tell_news()  # also of what was found of processes that have ended
        if left:
            self._cursor = Cursor(ends=left)
            return
        goes_on = self._outcome is None
        if goes_on and (orders := self._decide(seen, allowance)):
            self._cursor = Cursor(orders=orders)
            return
        if self._outcome is not None or self.spec.suspend:
            self._placement.clear(seen, self.spec, ended=self._outcome is not None)
        else:
            self._placement.place(seen, self.spec, allowance)
        if self._outcome is not None and self._result is None and self._is_counted:
            self._conclude(self._outcome, allowance)
        self._retention.sweep(
            self.spec, begins=goes_on, is_last=self._outcome is not None, allowance=allowance
        )

    def _decide(self, seen: Seen, allowance: Allowance) -> int:
        """What is to be decided; returns how much of what follows is left to the next pass."""
        decisions = self._decisions
        decisions.begin_pass(allowance)
        decisions.scale(self.spec)
        if self._failed is not None and not decisions.num_left:
            decisions.retry(self._failed, self.spec)
            if not decisions.num_left:
                self._failed = None
        if not self.spec.suspend:
            living = self._living.members(seen, self.spec, now=self._clock())
            if not decisions.num_left:
                decisions.decide(self.spec, spec_number=self.spec_number, living=living)
            if not decisions.num_left:  # who waits at a gate finds its successor first
                decisions.open(self.spec, spec_number=self.spec_number, living=living)
        if not decisions.num_left:
            self._outcome = self._ended(seen.live)
            self._ended_at = None if self._outcome is None else self._clock()
        return decisions.num_left

    def replace_spec(self, spec: Spec, number: int) -> None:
        """Goes on under another spec, also when the population ended under the one before."""
        self._repository.names.train_to(spec.schedule.total_steps)
        self.spec, self.spec_number = spec, number
        self._outcome = self._result = None
        self._accounting.refused.clear()
        self._recorder.begin_again()

    @property
    def retries(self) -> bool:
        """Whether the next pass continues a population that failed."""
        return self._failed is not None

    def take_up(self, ended: Result | None) -> None:
        """Takes up a population that has ended: under this spec it stays so, under one before it continues.

        If it failed, its failed members come back. Time begins again once: while nothing was done since.
        """
        if ended is None:
            return
        if ended.spec == self.spec_number:
            self._stay(ended)
        elif ended.phase is PopulationPhase.FAILED:
            self._failed = ended
            self._active_since = self._active_since if self._ended_at is None else self._ended_at

    def _stay(self, ended: Result) -> None:
        self._result = ended
        self._ended_at = self._clock() if self._ended_at is None else self._ended_at
        self._outcome = Outcome(ended.phase, ended.reason, ended.message)

    def _keep_time(self) -> None:
        """Counts as active neither what passed after an end nor a suspension, which starts anew."""
        now = self._clock()
        if self._outcome is None and self._ended_at is not None:
            self._active_since, self._ended_at = min(now, self._active_since + now - self._ended_at), None
        if self.spec.suspend:
            self._active_since = now

    def _look(self, looks: Looks, allowance: Allowance | None) -> None:
        """Learns of reports; first of those that the pass before has left unread."""
        left, self._cursor = self._cursor, None  # a look that failed begins again
        self._repository.look_back(self.spec.rounds_needed)
        if left is not None:
            self._cursor = self._repository.read_on(allowance)
        elif looks is Looks.LISTS:
            self._cursor = self._repository.refresh(allowance)
        elif looks is Looks.ASKS:
            self._cursor = self._repository.glance(self._history.members, allowance)
        else:
            members = self._awaited() if looks is Looks.GLANCES else ()
            self._cursor = self._repository.glance(members, allowance)

    def _awaited(self) -> frozenset[int]:
        """The few members whose reports a round lacks; empty if it lacks many, or none waits for any."""
        awaited = self._decisions.awaited if self._decides else frozenset()
        return awaited if len(awaited) <= FEW else frozenset()

    def _tell_news(self) -> None:
        """Tells what is worth knowing about the reports and claims that are new."""
        fresh = self._repository.claims.take_fresh()
        if self.spec.restart is Restart.IN_PLACE:  # else it was to be expected
            for event in self._started_anew.remarks(fresh):
                self._emit(event)
        for news in self._repository.take_fresh():
            self._costs.learn(news)
            birth = self._repository.birth(news.member, news.incarnation)
            source = self._repository.learn_source(birth) if news.unlike else None
            for event in remarks(news, birth, source):
                self._emit(event)

    def _ended(self, live: Collection[int]) -> Outcome | None:
        """How the population has ended, if it has; these members have a process."""
        mistake = mistake_of(self._history, self.spec, running=live, logs=self._accounting.logs)
        refusal = refusal_of(self._history, self.spec, refused=self._accounting.refused)
        used = used_by(self._repository, self.spec, active_seconds=self._clock() - self._active_since)
        return mistake or refusal or outcome_of(self._history, self.spec, used=used)

    @property
    def _concludes(self) -> bool:
        return self._outcome is not None and self._result is None

    @property
    def _is_counted(self) -> bool:
        """Whether the times are known that a result tells: those of a long life are read over several passes."""
        return self._history.ledger is None or self._history.ledger.is_whole

    def _conclude(self, outcome: Outcome, allowance: Allowance) -> None:
        """Records how the population ended. Nothing more is decided, even if the store's answer is lost.

        It may take long to read what the result tells, over several passes, so its pods were stopped before.
        """
        ended = self._recorder.end(outcome, self.spec, spec_number=self.spec_number, allowance=allowance)
        if ended is None:
            return
        self._stay(ended)  # another operator may have found another end before
        failed = ended.phase is PopulationPhase.FAILED
        self._emit(Event(ended.reason, ended.message, warning=failed))

    @property
    def _decides(self) -> bool:
        return self._outcome is None and not self.spec.suspend

    def _answer(self) -> PassResult:
        return PassResult(
            spec=self.spec,
            cursor=self._cursor,
            outcome=None if self._concludes else self._outcome,
            concludes=self._concludes,
            result=self._result,
            active_since=self._active_since,
            awaited=self._awaited(),
            ripe_in=self._decisions.ripe_in if self._decides else None,
            num_left=self._placement.num_left,
            sweeps=self._retention.under_way,
            takes_turns=self._seen.shares if self._seen.is_short and self._decides else None,
            usage=self._costs.usage,
        )
