"""Drives one Population: its resource, its location and its pods, one level-triggered pass after the other.

A pass blocks, so it runs in a thread; no two of the same Population run at once. All that it keeps in memory can be
rebuilt from the resource, the store and the pods.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from pbt_operator.control.events import Event
from pbt_operator.control.ownership import AnotherExperiment
from pbt_operator.control.pass_result import PassResult
from pbt_operator.control.reconcile import Looks
from pbt_operator.control.session import Opening, Session
from pbt_operator.core.allowance import Allowance, Cursor
from pbt_operator.core.polling import Pace
from pbt_operator.core.status import PopulationPhase
from pbt_operator.manifest.errors import ManifestError
from pbt_operator.manifest.population import PopulationSpec
from pbt_operator.manifest.population_spec import Storage
from pbt_operator.runners.kubernetes.admission import Generations, Rejected, examine, rejection_of, retry_of
from pbt_operator.runners.kubernetes.api import Api
from pbt_operator.runners.kubernetes.api_errors import ApiRefused, ApiUnavailable
from pbt_operator.runners.kubernetes.cluster_pods import ClusterPods
from pbt_operator.runners.kubernetes.cluster_runner import ClusterRunner, ownership_of
from pbt_operator.runners.kubernetes.conditions import Condition
from pbt_operator.runners.kubernetes.config import OperatorConfig
from pbt_operator.runners.kubernetes.event_recorder import EventRecorder
from pbt_operator.runners.kubernetes.faults import LONGEST_WAIT_SECONDS, Faults
from pbt_operator.runners.kubernetes.finalizer import clear_pods, is_held, purge, skips_purge, with_finalizer
from pbt_operator.runners.kubernetes.following import Follower
from pbt_operator.runners.kubernetes.memory_shares import MemoryShares
from pbt_operator.runners.kubernetes.metrics import Metrics
from pbt_operator.runners.kubernetes.pass_limits import PassLimits
from pbt_operator.runners.kubernetes.pod_state import PodState
from pbt_operator.runners.kubernetes.pod_template import Owner
from pbt_operator.runners.kubernetes.run_times import Times
from pbt_operator.runners.kubernetes.status_summary import NOT_KNOWN, look, observe, summarize, tell
from pbt_operator.runners.kubernetes.status_writer import StatusWriter
from pbt_operator.runners.kubernetes.urgency import hurries, is_over

OWNER_CHECK_SECONDS = 30.0

Body = Mapping[str, Any]


class Controller:
    """One Population.

    Attributes:
        session: its opened location; None before it is opened and after ownership is lost.
    """

    def __init__(
        self,
        owner: Owner,
        *,
        api: Api,
        config: OperatorConfig,
        recorder: EventRecorder,
        metrics: Metrics,
        shares: MemoryShares | None = None,
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
            shares: of the operator's memory; None where nobody else takes any.
            clock: seconds, monotonic.
            now: POSIX time.
        """
        self.session: Session[ClusterPods] | None = None
        self._owner, self._api, self._config, self._metrics = owner, api, config, metrics
        self._runner = ClusterRunner(owner, config=config, api=api, shares=shares, clock=clock, now=now)
        self._follower: Follower | None = None
        self._status_writer = StatusWriter(owner, api=api, recorder=recorder)
        self._faults = Faults(owner, status_writer=self._status_writer, metrics=metrics)
        self._clock, self._now, self._owner_checked = clock, now, clock()
        self._manifest: PopulationSpec | None = None
        self._examined: tuple[int, str | None] | None = None  # the generation, and what asks for a retry
        self._generations = Generations()
        self._changed: int | None = None
        self._examine_again = 0.0  # what was refused may be right later: a missing ServiceAccount, say
        self._opening: Opening[ClusterPods] | None = None
        self._times, self._pace, self._limits = Times(), Pace(config.poll_seconds), PassLimits(clock)
        metrics.observe_phase(owner.namespace, owner.name, PopulationPhase.PENDING)

    def reconcile(self, body: Body, seen: Mapping[str, PodState]) -> float:
        """One pass; what it can't finish, the next one does.

        Args:
            body: the Population's resource as the watch shows it.
            seen: its pods, by uid.

        Returns:
            After how many seconds the next pass is due, if nothing happens before.
        """
        with self._metrics.timed() as began:
            leaves = bool(body["metadata"].get("deletionTimestamp"))
            if leaves:
                with self._faults.shown():
                    self._leave(body, seen)
            elif not self._faults.superseded:
                with self._faults.shown(), self._falling_back(body):
                    manifest, allowance = self._accept(body), self._limits.allowance()
                    if manifest is not None and self.session is None:
                        if self._opening is None or self._opening.manifest is not manifest:
                            self._opening = Opening(self._runner, manifest, **self._terms(manifest, body))
                        self._begin(self._opening, allowance, body)
                    elif self.session is not None:
                        self._check_owner(self.session)
                    if self.session is not None:
                        self._run_pass(self.session, seen, allowance, began)
            if self._faults.has_lost and not leaves:
                self.session = self._opening = None
                with self._faults.shown():
                    clear_pods(self._api, self._owner, seen, now=self._now())
            return self._publish(body)

    # before a pass

    def _accept(self, body: Body) -> PopulationSpec | None:
        """The spec that is in force; None while there is none. The resource is held where what it stores is purged."""
        asked = body["metadata"]["generation"], retry_of(body)
        if asked != self._examined or self._clock() >= self._examine_again:
            self._examine(body, asked)
        if self._manifest is not None:
            patch = with_finalizer(body, purges=self._manifest.retention.on_delete == "Delete")
            if patch is not None:
                with suppress(ApiUnavailable):  # the resource has changed: the next pass sees how
                    self._api.patch_population(self._owner.namespace, self._owner.name, patch)
        return self._manifest

    def _examine(self, body: Body, asked: tuple[int, str | None]) -> None:
        """Looks at a spec that is new; one that is wrong leaves the one before in force."""
        try:
            manifest, changed = examine(body), self._generations.changed(body)
            renderer = self._runner.renderer(manifest)
            self._runner.take_memory(manifest, body)
            self._runner.try_pods(manifest, in_force=self._manifest, body=body)
            if self.session is not None:
                self._replace_spec(self.session, manifest, retry=asked[1], generation=changed)
                self.session.pods.render = renderer  # pods that run keep the template they were made from
        except Rejected as rejected:
            self._examined, self._examine_again = asked, self._clock() + LONGEST_WAIT_SECONDS
            self._faults.refuse(rejected)
            self._manifest = self._manifest or self._runner.recall(body)
            return
        self._manifest, self._examined, self._examine_again = manifest, asked, float("inf")
        self._changed = changed
        self._generations.accept(body)
        self._status_writer.note(Condition("Accepted", "True", "Accepted", "the spec is in force"))

    def _replace_spec(self, session: Session[ClusterPods], manifest: PopulationSpec, **terms: Any) -> None:
        """Raises: Rejected, where the location is for another spec than this."""
        try:
            session.replace_spec(manifest, **terms)
            self._times = self._times.taken_up(retries=session.retries)
        except (AnotherExperiment, ManifestError) as error:
            raise rejection_of(error) from error

    @contextmanager
    def _falling_back(self, body: Body) -> Iterator[None]:
        """Where the location is for another spec than this, the one that was in force there is driven next."""
        try:
            yield
        except (AnotherExperiment, ManifestError):
            self._manifest, self._changed = self._runner.recall(body) or self._manifest, None
            raise

    def _terms(self, manifest: PopulationSpec, body: Body) -> dict[str, Any]:
        """On which the location is opened."""
        times = Times.of(body.get("status") or {})
        return {
            "ownership": ownership_of(self._owner, manifest, body.get("status") or {}),
            "emit": self._status_writer.tell,
            "counts": True,
            "active": times.active(self._clock(), now=self._now()),
            "retry": retry_of(body),
            "generation": self._changed,
        }

    def _begin(self, opening: Opening[ClusterPods], allowance: Allowance, body: Body) -> None:
        """Reads on in what is opened, and drives it from now on if that was all."""
        owner, manifest, session = self._owner, opening.manifest, opening.go_on(allowance)
        if session is None:
            self._note_storage(opening.location, opening.left)
            return
        self._opening = self._changed = None
        for event in session.newest_exploits():  # an operator may have died between the record and the Event
            self._status_writer.tell(event)
        self._follower = self._metrics.follow(owner.namespace, owner.name, session.repository.history)
        if session.is_new and manifest.storage.adopt is None:
            self._runner.tell_of_siblings(manifest.storage, self._status_writer.tell)
        self._times = Times.of(body.get("status") or {}).taken_up(retries=session.retries)
        self.session, self._faults.is_driven, self._faults.is_emptied = session, True, False

    def _check_owner(self, session: Session[ClusterPods]) -> None:
        if self._clock() - self._owner_checked > OWNER_CHECK_SECONDS:
            session.check_owner()
            self._owner_checked = self._clock()

    # what a pass found

    def _run_pass(
        self, session: Session[ClusterPods], seen: Mapping[str, PodState], allowance: Allowance, began: float
    ) -> None:
        lists, glances = self._pace.lists(self._clock()), self._pace.glances(self._clock())
        looks = Looks.LISTS if lists else Looks.GLANCES if glances else Looks.NOT
        with session.pods.during_pass(seen, requests=self._runner.readers):
            done = session.run_pass(looks, allowance)
        self._pace.looked(self._clock(), listed=lists, glanced=not lists and glances, expected=done.awaited)
        names = session.repository.names
        self._note_storage(session.store.url, done.cursor, overrun=names.overrun, held=names.held)
        if done.cursor is None:
            self._show(session, done, began)

    def _note_storage(self, location: str, left: Cursor | None, **exceeded: int | None) -> None:
        for found in self._limits.storage(location, left, **exceeded):
            self._status_writer.note(found)

    def _show(self, session: Session[ClusterPods], done: PassResult, began: float) -> None:
        self._times.keep(done, now=self._now())
        overview = look(session, done)
        tell(overview, self._status_writer)
        found = summarize(overview, poll_seconds=self._config.poll_seconds)
        self._status_writer.show({**NOT_KNOWN, **found, **self._times.to_status()})
        if self._follower is not None:
            observation = observe(overview)
            self._metrics.observe_pass(self._follower, observation, began=began)
        if self._seconds_to_live() <= 0:
            self._status_writer.tell(Event("Expired", "ttlSecondsAfterFinished is over: deleted"))
            self._api.delete_population(self._owner.namespace, self._owner.name, uid=self._owner.uid)

    def _seconds_to_live(self) -> float:
        """Until the Population is to be deleted."""
        ttl = self._manifest.ttl_seconds_after_finished if self._manifest else None
        return self._times.seconds_to_live(ttl, now=self._now())

    def _leave(self, body: Body, seen: Mapping[str, PodState]) -> None:
        """Purges what the deleted Population stored, if it asks for that, and lets it go."""
        if not is_held(body):
            return
        if not skips_purge(body):
            gone = clear_pods(self._api, self._owner, seen, now=self._now())
            if self.session is not None:
                self.session.pods.refresh(seen)
                gone = gone and not self.session.pods.num_unseen
            if not gone:
                return
            storage = Storage.model_validate(body["spec"].get("storage") or {})
            self._status_writer.tell(Event("Purged", purge(self._runner.open_storage(storage), self._owner)))
        patch = with_finalizer(body, purges=False)
        assert patch is not None, "it was held"
        self._api.patch_population(self._owner.namespace, self._owner.name, patch)

    # after a pass

    def _observed(self, body: Body) -> int | None:
        """The generation of the spec that what is told is about: one that could not be looked at yet is not it."""
        if self._faults.superseded or body["metadata"].get("deletionTimestamp"):
            return int(body["metadata"]["generation"])  # whatever it asks, nothing more is done
        return self._examined[0] if self._examined is not None else None

    def _publish(self, body: Body) -> float:
        """Writes what the pass found; returns when the next one is due."""
        try:
            self._status_writer.publish(
                body.get("status") or {},
                generation=self._observed(body),
                now=self._now(),
                version=int(body["metadata"]["resourceVersion"]),
            )
        except (ApiUnavailable, ApiRefused) as error:
            self._faults.count_api(error)
        owner = self._owner
        self._metrics.observe_conditions(owner.namespace, owner.name, self._status_writer.conditions)
        poll = self._config.poll_seconds
        later = self._status_writer.seconds_until_due(self._now())
        back_off = self._faults.wait_seconds(poll)
        if back_off is not None:
            return back_off
        if self.session is None:
            return poll if self._opening is None else 0.0
        if hurries(self.session):
            return 0.0
        if not is_over(self.session):
            return min(self._pace.seconds(self._clock()), later)
        return min(max(poll, self._seconds_to_live()), LONGEST_WAIT_SECONDS, later)
