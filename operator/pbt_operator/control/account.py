"""Station "account": each pod that ended is accounted for once, by the restart policy, and then forgotten."""

import math
from collections.abc import Callable, Iterable, Sequence

from msgspec import UNSET

from pbt_contract.errors import ExitCode
from pbt_contract.records import Birth, Claim
from pbt_operator.control import restarts
from pbt_operator.control.brake import Brake
from pbt_operator.control.events import Event
from pbt_operator.control.occupancy import is_starting
from pbt_operator.control.pods import Pod, Pods
from pbt_operator.control.record import Recorder
from pbt_operator.core.allowance import Allowance
from pbt_operator.core.blame import (
    LONGEST_START_SECONDS,
    MISTAKE_SECONDS,
    Crash,
    after_crash,
    crash_of,
    has_failed_after_all,
    setting_of,
    wait_seconds,
    waits_for_others,
)
from pbt_operator.core.crash_words import last_words
from pbt_operator.core.denied import is_refused
from pbt_operator.core.end_record import End
from pbt_operator.core.outcome import finished
from pbt_operator.core.spec import Spec
from pbt_operator.records.repository import Repository


class Accounting:
    """Accounts for the pods of one population that ended.

    Attributes:
        hung: uids of pods that were stopped because no record came in time.
        unstarted: uids of those of them whose trainer had never run.
        asked: uids of pods that this operator asked to stop; a restart forgets them, which only slows starts down.
        not_before: by member, when it may start again, by the clock.
        logs: by member, where the output of its newest process that ended is.
        refused: by member, the newest end of a process of it, if the store had refused that one. In memory only: after
            a restart it takes another minute to know.
    """

    def __init__(
        self,
        repository: Repository,
        *,
        pods: Pods,
        recorder: Recorder,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
    ) -> None:
        """Takes a repository that was loaded, a monotonic clock in seconds, and what takes each event."""
        self._repository, self._history, self._pods = repository, repository.history, pods
        self._recorder, self._clock, self._emit = recorder, clock, emit
        self.hung: set[str] = set()
        self.unstarted: set[str] = set()
        self.asked: set[str] = set()
        self.not_before: dict[int, float] = {}
        self.logs: dict[int, str] = {}
        self.refused: dict[int, End] = {}
        self._brake = Brake(clock)
        self._mistaken: dict[int, float] = {}  # until when each may be held back; forgotten by a restart

    def settle(self, ended: Sequence[Pod], spec: Spec, allowance: Allowance) -> int:
        """Draws the consequence of each pod's end. A resume is written later, once a slot is free.

        Returns:
            How many ends the allowance leaves to the next pass; one of them at least is accounted for.
        """
        left = len(ended)
        for pod in allowance.among(ended):
            self._settle(pod, spec)
            self._forget(pod)
            left -= 1
        return left

    def waits(self, member: int) -> bool:
        """Whether the member may not start yet."""
        return self._clock() < self.not_before.get(member, -math.inf)

    def hold_back(self, live: Iterable[Pod], allowance: Allowance) -> None:
        """Lets who met a mistake wait while others start: they are to meet it too, and nobody need start twice.

        Who can't be looked for within the allowance may be starting.
        """
        now = self._clock()
        held = {} if self._history.has_reported else self._mistaken
        self._mistaken = {member: until for member, until in held.items() if now < until}
        if self._mistaken and any(allowance.is_spent or is_starting(self._repository, pod) for pod in live):
            self.not_before |= dict.fromkeys(self._mistaken, now + MISTAKE_SECONDS)

    def forget(self, ended: Sequence[Pod]) -> None:
        """Looks no more at pods that ended, of a population that has ended too."""
        for pod in ended:
            self._forget(pod)

    def _forget(self, pod: Pod) -> None:
        self.hung.discard(pod.uid)
        self.unstarted.discard(pod.uid)
        self.asked.discard(pod.uid)
        self._pods.forget(pod)

    def _settle(self, pod: Pod, spec: Spec) -> None:
        birth = self._history.newest_birth(pod.member)
        if birth is None or birth.cause.closes:
            return
        claim = self._repository.claim(birth)
        if not restarts.was_in_force(pod, birth, claim):
            if pod.disrupted:  # no record tells of it: the life that it lived was over
                self._emit(restarts.loss_event(pod, birth))
            return
        self._repository.catch_up(pod.member)
        own, end = self._history.own_record(pod.member), self._end_of(pod, birth, claim)
        self.refused.pop(pod.member, None)
        if is_refused(end):
            self.refused[pod.member] = end
        failed_after_all = has_failed_after_all(end, own)
        is_through = finished(self._history, pod.member, spec) and not failed_after_all
        if is_through and (end.exit_code == 0 or claim is None):
            return
        if own is not None and not is_through and restarts.has_stopped_by_itself(end, own):
            self._recorder.ending(own)
            return
        if claim is None:
            if crash_of(end, self._history, spec) is None:  # the birth stands
                self._excuse(end, pod)
                return
            self._recorder.void(birth, pod=pod.uid)
        self.logs[end.member] = pod.log
        end = self._recorder.ended(end)
        if not is_through:
            self._conclude(end, pod, spec)

    def _end_of(self, pod: Pod, birth: Birth, claim: Claim | None) -> End:
        """What is to be recorded of the end of a pod in which a birth was lived, or was to be."""
        return End(
            member=birth.member,
            incarnation=birth.incarnation,
            pod=pod.uid,
            exit_code=pod.exit_code,
            out_of_memory=pod.out_of_memory,
            disrupted=pod.disrupted,
            stopped=pod.stopping,
            hung=pod.uid in self.hung,
            node=pod.node,
            message=last_words(pod.message),
            unstarted=(claim is None and (pod.unstarted or pod.uid in self.unstarted)) or UNSET,
        )

    def _conclude(self, end: End, pod: Pod, spec: Spec) -> None:
        """Draws the consequence of what is recorded of a life that is over."""
        crash = crash_of(end, self._history, spec)
        if crash is None:
            self._excuse(end, pod)
        else:
            self.answer(crash, spec)

    def answer(self, crash: Crash, spec: Spec) -> None:
        """Records the birth that follows from a crash, tells of it, and lets its member wait before the next start."""
        end = crash.end
        self._brake.release(end.member)
        if not crash.fails:
            # What it may begin again from, and what it has recorded to another operator's knowledge.
            self._repository.learn_rounds()
            line = self._history.line(end.member)
            self._repository.ends.learn_crash(line)
            for birth in (line[0], line[-1]):
                self._repository.learn_source(birth)
        setting = setting_of(end, self._history)
        (stored,) = self._recorder.births([after_crash(crash, self._history, spec, setting)])
        if not crash.fails:
            self.not_before[end.member] = self._clock() + wait_seconds(crash, setting)
        if waits_for_others(crash, setting):
            self._mistaken[end.member] = self._clock() + LONGEST_START_SECONDS
        self._emit(restarts.crash_event(crash, stored, setting))

    def _excuse(self, end: End, pod: Pod) -> None:
        """Tells of an end that was nobody's fault, and slows its member down if that happens again and again."""
        event = restarts.blameless_event(end, pod.name)
        if event is not None:
            self._emit(event)
        away = end.exit_code in {ExitCode.STORAGE, ExitCode.ACCESS}
        seconds = restarts.STORAGE_SECONDS if away else 0.0
        if self._history.own_record(end.member) is not None:
            self._brake.release(end.member)
        elif pod.uid not in self.asked:
            pause = self._brake.pause(end.member)
            seconds = max(seconds, pause.seconds)
            if pause.is_worth_a_warning:
                self._emit(restarts.slowed_event(end, ends=pause.ends, seconds=seconds))
        if seconds:
            self.not_before[end.member] = self._clock() + seconds
