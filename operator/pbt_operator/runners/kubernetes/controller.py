"""Drives one Population: its resource, its location and its pods, one level-triggered pass after the other.

A pass blocks, so it runs in a thread; no two of the same Population run at once. All that it keeps in memory can be
rebuilt from the resource, the store and the pods.
"""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from pbt_contract.errors import NewerFormat, NotFound, RecordRefused, StoreRefused, StoreUnavailable
from pbt_operator.control.events import Event
from pbt_operator.control.pass_result import PassResult
from pbt_operator.control.reconcile import Looks
from pbt_operator.core.polling import Pace
from pbt_operator.core.status import PopulationPhase
from pbt_operator.manifest.population import PopulationSpec
from pbt_operator.manifest.population_spec import Storage
from pbt_operator.runners.kubernetes.admission import Rejected, examine, try_template
from pbt_operator.runners.kubernetes.api import Api
from pbt_operator.runners.kubernetes.api_errors import ApiRefused, ApiUnavailable
from pbt_operator.runners.kubernetes.cluster_pods import ClusterPods
from pbt_operator.runners.kubernetes.conditions import Condition
from pbt_operator.runners.kubernetes.config import OperatorConfig
from pbt_operator.runners.kubernetes.event_recorder import EventRecorder
from pbt_operator.runners.kubernetes.experiment import Experiment
from pbt_operator.runners.kubernetes.finalizer import clear_pods, is_held, purge, skips_purge, with_finalizer
from pbt_operator.runners.kubernetes.location import Home
from pbt_operator.runners.kubernetes.metrics import Follower, Metrics
from pbt_operator.runners.kubernetes.pod_state import PodState
from pbt_operator.runners.kubernetes.pod_template import POPULATION_UID, Owner, gpus_of
from pbt_operator.runners.kubernetes.run_times import Times
from pbt_operator.runners.kubernetes.status_summary import Overview, conditions_of, look, observe, summarize
from pbt_operator.runners.kubernetes.status_writer import StatusWriter

LONGEST_WAIT_SECONDS = 60.0
OWNER_CHECK_SECONDS = 30.0
LOG = logging.getLogger(__name__)


class Controller:
    """One Population.

    Attributes:
        experiment: its opened location; None until it could be opened, and once it isn't this Population's any more.
    """

    def __init__(
        self,
        owner: Owner,
        *,
        api: Api,
        config: OperatorConfig,
        recorder: EventRecorder,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Touches nothing yet.

        Args:
            owner: the Population.
            api: the API server.
            config: of the operator.
            recorder: takes the events of each pass.
            metrics: count what the passes do.
            clock: seconds, monotonic.
            now: POSIX time.
        """
        self.experiment: Experiment | None = None
        self._owner, self._api, self._config, self._metrics = owner, api, config, metrics
        self._home = Home(owner, config=config)
        self._follower: Follower | None = None
        self._status_writer = StatusWriter(owner, api=api, recorder=recorder)
        self._clock, self._now = clock, now
        self._manifest: PopulationSpec | None = None
        self._examined: int | None = None  # the generation
        # What was refused may be right later: a ServiceAccount that was missing, say.
        self._examine_again = 0.0
        self._superseded = False
        self._times, self._pace = Times(), Pace(config.poll_seconds)
        metrics.observe_phase(owner.namespace, owner.name, PopulationPhase.PENDING)
        self._failures = 0
        self._owner_checked = clock()

    def run_pass(self, body: Mapping[str, Any], seen: Mapping[str, PodState]) -> float:
        """One pass; what it can't finish, the next one does.

        Args:
            body: the Population's resource as the watch shows it.
            seen: its pods, by uid.

        Returns:
            After how many seconds the next pass is due, if nothing happens before.
        """
        with self._metrics.timed() as began:
            self._try_pass(body, seen, began)
            return self._publish(body)

    def _try_pass(self, body: Mapping[str, Any], seen: Mapping[str, PodState], began: float) -> None:
        try:
            if body["metadata"].get("deletionTimestamp"):
                self._leave(body, seen)
            elif self._superseded:
                clear_pods(self._api, self._owner, seen, now=self._now())
            else:
                self._examine(body)
                if self._manifest is not None:
                    self._drive(self._manifest, body, seen, began)
            self._failures = 0
        except Rejected as rejected:
            self._failures += 1
            self._refuse(rejected)
            if rejected.reason == "NotOwner":
                self._try_pass(body, seen, began)  # its pods go at once
        except (StoreUnavailable, RecordRefused, NotFound) as error:
            self._tell_of_store(error)
        except (ApiUnavailable, ApiRefused) as error:
            self._tell_of_api(error)

    # accept

    def _examine(self, body: Mapping[str, Any]) -> None:
        """Looks at the spec if it is new; one that is wrong leaves the one before in force."""
        generation = body["metadata"]["generation"]
        if generation == self._examined and self._clock() < self._examine_again:
            return
        try:
            manifest = examine(body)
            renderer = self._home.renderer(manifest)
            try_template(manifest, api=self._api, namespace=self._owner.namespace, render=renderer)
        except Rejected as rejected:
            self._examined, self._examine_again = generation, self._clock() + LONGEST_WAIT_SECONDS
            self._refuse(rejected)
            self._manifest = self._manifest or self._home.recall(body)
            return
        if self.experiment is not None:
            self.experiment.replace_spec(manifest, render=renderer)
        self._manifest, self._examined, self._examine_again = manifest, generation, float("inf")
        self._status_writer.note(Condition("Accepted", "True", "Accepted", "the spec is in force"))

    # drive

    def _drive(
        self, manifest: PopulationSpec, body: Mapping[str, Any], seen: Mapping[str, PodState], began: float
    ) -> None:
        patch = with_finalizer(body, purges=manifest.retention.on_delete == "Delete")
        if patch is not None:
            with suppress(ApiUnavailable):  # the resource has changed: the next pass sees how
                self._api.patch_population(self._owner.namespace, self._owner.name, patch)
        if self.experiment is None:
            self.experiment = self._open(manifest, body.get("status") or {})
        elif self._clock() - self._owner_checked > OWNER_CHECK_SECONDS:
            self.experiment.check_owner()
            self._owner_checked = self._clock()
        done = self._run(self.experiment, seen)
        self._times.keep(done, now=self._now())
        self._status_writer.note(Condition("StorageReady", "True", "Ready", self.experiment.store.url))
        overview = look(self.experiment, done)
        for condition in conditions_of(overview):
            self._status_writer.note(condition)
        found = summarize(overview, poll_seconds=self._config.poll_seconds)
        self._status_writer.show({**found, **self._times.to_status()})
        self._measure(manifest, overview, began)
        self._expire()

    def _run(self, experiment: Experiment, seen: Mapping[str, PodState]) -> PassResult:
        """One pass of the reconcile, which looks for reports when it is time."""
        now = self._clock()
        lists, glances = self._pace.lists(now), self._pace.glances(now)
        looks = Looks.LISTS if lists else Looks.GLANCES if glances else Looks.NOT
        done = experiment.run_once(seen, looks)
        self._pace.looked(self._clock(), listed=lists, glanced=glances, expected=done.awaited)
        return done

    def _open(self, manifest: PopulationSpec, status: Mapping[str, Any]) -> Experiment:
        times = Times.of(status)
        active = None if times.start is None else max(0.0, self._now() - times.start)
        experiment = Experiment(
            self._owner,
            manifest,
            store=self._home.open(manifest.storage),
            pods=ClusterPods(
                self._api,
                namespace=self._owner.namespace,
                selector=f"{POPULATION_UID}={self._owner.uid}",
                render=self._home.renderer(manifest),
                now=self._now,
            ),
            clock=self._clock,
            emit=self._status_writer.tell,
            active_since=None if active is None else self._clock() - active,
        )
        owner = self._owner
        self._follower = self._metrics.follow(owner.namespace, owner.name, experiment.repository.history)
        if experiment.is_new and not experiment.adopts:
            self._home.tell_of_siblings(manifest.storage, self._status_writer.tell)
        self._times = times
        return experiment

    def _measure(self, manifest: PopulationSpec, overview: Overview, began: float) -> None:
        if self._follower is not None:
            seen = observe(overview, gpus=gpus_of(manifest.template))
            self._metrics.observe_pass(self._follower, seen, began=began)

    def _seconds_to_live(self) -> float:
        """Until the Population is to be deleted."""
        ttl = self._manifest.ttl_seconds_after_finished if self._manifest else None
        if ttl is None or self._times.completion is None:
            return float("inf")
        return self._times.completion + ttl - self._now()

    def _expire(self) -> None:
        if self._seconds_to_live() <= 0:
            self._status_writer.tell(Event("Expired", "ttlSecondsAfterFinished is over: deleted"))
            self._api.delete_population(self._owner.namespace, self._owner.name, uid=self._owner.uid)

    # what can't go on

    def _refuse(self, rejected: Rejected) -> None:
        """Shows why; an experiment that is another's now is left alone."""
        self._status_writer.note(Condition("Accepted", "False", rejected.reason, rejected.message))
        self._status_writer.tell(Event(rejected.reason, rejected.message, warning=True))
        if rejected.reason == "NotOwner":
            self.experiment, self._superseded = None, True
            self._status_writer.note(Condition("Failed", "True", "NotOwner", rejected.message))
            self._status_writer.show({"phase": PopulationPhase.FAILED.value})
            self._metrics.observe_phase(self._owner.namespace, self._owner.name, PopulationPhase.FAILED)
        if self.experiment is None:
            self._status_writer.note(Condition("Progressing", "False", rejected.reason, rejected.message))

    def _tell_of_store(self, error: StoreUnavailable | RecordRefused | NotFound) -> None:
        """A store that can't be reached is nobody's fault: trainers go on and the next pass tries again."""
        self._failures += 1
        told = str(error)
        match error:
            case StoreRefused():
                reason = "Refused"
            case StoreUnavailable():
                reason = "Unreachable"
            case NotFound():
                reason = "RecordMissing"
                told += "; records are never deleted one by one: restore it"
            case NewerFormat():
                reason = "RecordRefused"
            case _:
                reason = "RecordRefused"
                told += "; restore what the operator wrote there, or delete it if that was never anything"
        self._metrics.count_error(f"Storage{reason}")
        self._status_writer.note(Condition("StorageReady", "False", reason, told))
        self._status_writer.tell(Event(f"Storage{reason}", told, warning=True))

    def _tell_of_api(self, error: ApiUnavailable | ApiRefused) -> None:
        self._failures += 1
        self._metrics.count_error("ApiRefused" if isinstance(error, ApiRefused) else "ApiUnavailable")
        LOG.warning("%s", error)

    def _leave(self, body: Mapping[str, Any], seen: Mapping[str, PodState]) -> None:
        """Purges what the deleted Population stored, if it asks for that, and lets it go."""
        if not is_held(body):
            return
        if not skips_purge(body):
            gone = clear_pods(self._api, self._owner, seen, now=self._now())
            if self.experiment is not None:
                self.experiment.pods.refresh(seen)
                gone = gone and not self.experiment.pods.num_unseen
            if not gone:
                return
            storage = Storage.model_validate(body["spec"].get("storage") or {})
            self._status_writer.tell(Event("Purged", purge(self._home.open(storage), self._owner)))
        patch = with_finalizer(body, purges=False)
        assert patch is not None, "it was held"
        self._api.patch_population(self._owner.namespace, self._owner.name, patch)

    # tell

    def _publish(self, body: Mapping[str, Any]) -> float:
        """Writes what the pass found; returns when the next one is due."""
        try:
            self._status_writer.publish(
                body.get("status") or {},
                generation=body["metadata"]["generation"],
                now=self._now(),
                version=int(body["metadata"]["resourceVersion"]),
            )
        except (ApiUnavailable, ApiRefused) as error:
            self._tell_of_api(error)
        poll = self._config.poll_seconds
        later = self._status_writer.seconds_until_due(self._now())
        if self._failures:
            return float(min(poll * 2 ** min(self._failures, 8), LONGEST_WAIT_SECONDS))
        if self._superseded:
            return LONGEST_WAIT_SECONDS
        if self.experiment is None:
            return poll
        if self.experiment.hurries:
            return 0.0
        if not self.experiment.is_over:
            return min(self._pace.seconds(self._clock()), later)
        return min(max(poll, self._seconds_to_live()), LONGEST_WAIT_SECONDS, later)
