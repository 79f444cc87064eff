"""Station "account": each pod that ended is accounted for once, by the restart policy, and then forgotten."""

from collections.abc import Callable, Sequence

from pbt_operator.control import restarts
from pbt_operator.control.events import Event
from pbt_operator.control.pods import Pod, Pods
from pbt_operator.control.record import Recorder
from pbt_operator.core.outcome import finished
from pbt_operator.core.spec import Spec
from pbt_operator.records.repository import Repository


class Accounting:
    """Accounts for the pods of one population that ended.

    Attributes:
        hung: uids of pods that were stopped because no record came in time.
        not_before: by member, when it may start again, by the clock.
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
        self.not_before: dict[int, float] = {}

    def settle(self, ended: Sequence[Pod], spec: Spec) -> None:
        """Draws the consequence of each pod's end. A resume is written later, once a slot is free."""
        for pod in ended:
            self._settle(pod, spec)
            self._pods.forget(pod)

    def _settle(self, pod: Pod, spec: Spec) -> None:
        birth = self._history.newest_birth(pod.member)
        if birth is None or birth.cause.closes:
            return
        claim = self._repository.claim(birth)
        if not restarts.was_in_force(pod, birth, claim):
            return
        self._repository.catch_up(pod.member)
        own, hung = self._history.own_record(pod.member), pod.uid in self.hung
        self.hung.discard(pod.uid)
        failed_after_all = restarts.has_failed_after_all(pod, own, hung=hung)
        if finished(self._history, pod.member, spec) and not failed_after_all:
            return
        if own is not None and restarts.has_stopped_by_itself(pod, own, hung=hung):
            self._recorder.ending(own)
            return
        # Where it had left its loop, the record says no more than that.
        has_record = own is not None and not failed_after_all
        fault = restarts.fault_of(pod, hung=hung, has_record=has_record)
        hopeless = restarts.is_hopeless(pod, hung=hung)
        crash = None
        if fault is not None:
            crash = restarts.crash_of(birth, fault, has_record=has_record, spec=spec, hopeless=hopeless)
        wait = restarts.wait_seconds(pod, crash)
        if wait is not None:
            self.not_before[pod.member] = self._clock() + wait
        if crash is not None and claim is None:
            self._recorder.void(birth, pod=pod.uid)
        event = restarts.blameless_event(pod) if crash is None else self._record(crash, spec)
        if event is not None:
            self._emit(event)

    def _record(self, crash: restarts.Crash, spec: Spec) -> Event:
        """Writes the birth that follows a crash; returns what is told of it."""
        if crash.replaces:
            self._repository.learn_rounds()
        (stored,) = self._recorder.births([restarts.birth_after(crash, history=self._history, spec=spec)])
        return restarts.crash_event(crash, stored)
