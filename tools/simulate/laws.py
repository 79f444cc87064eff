"""What must hold at every moment and at the end: the invariants of the design, judged by what really happened.

The laws see every write at the moment it is made, and every trainer's beginning, so that they can tell what the records
alone can't: who was alive, and what was there at that time.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

from pbt_contract import keys
from pbt_contract.encoding import decode, decode_report
from pbt_contract.records import Birth, Cause, Claim, Report
from pbt_contract.stores.s3 import S3Store
from pbt_operator.core.round_record import Round
from pbt_operator.records import audit
from pbt_operator.records.archive import Archive, read_archive
from pbt_operator.runners.kubernetes.pod_state import read
from pbt_operator.runners.kubernetes.pod_template import MEMBER, POPULATION_UID
from simulate.apiserver import ApiServer, Body
from simulate.bucket import BUCKET, Bucket
from simulate.ending_laws import born_though_done, replaced_though_done
from simulate.result_laws import false_results, lines_of, untrue_ends, wrong_counts, wrong_finals
from simulate.spec_laws import judge_specs
from simulate.trainer import Trainer
from simulate.world import World

JOURNAL = (
    keys.BIRTHS,
    keys.CLAIMS,
    keys.YIELDS,
    keys.ROUNDS,
    keys.REPORTS,
    keys.SAVES,
    keys.SPECS,
    keys.OWNERS,
    keys.RESULTS,
)
Life = tuple[int, int]
LABEL_SECONDS = 120.0
"""How long a pod's labels may tell of its former life, with a working operator and API server."""
MOST_BIRTHS = 500  # with all the faults of the worst climate, seeds have less than a hundred


class Laws:
    """Watches one location and the pods.

    Attributes:
        trainers: by pod, the process that it runs; the kubelet fills it.
        calm_since: since when nothing goes wrong any more.
        is_lawless: whether two operators (or owners) are or were at work, so that one may act on what it saw before the
            other's last writes. What must hold all the same is still judged.
    """

    def __init__(self, world: World, bucket: Bucket, server: ApiServer, *, base: str) -> None:
        self.trainers: dict[str, Trainer] = {}
        self.births: dict[Life, Birth] = {}
        self.claims: dict[Life, Claim] = {}
        self.rounds: dict[int, Round] = {}
        self.records: dict[Life, list[Report]] = {}
        self.is_lawless = False
        self.had_zombies = False
        self.calm_since = math.inf
        self._members: dict[str, int] = {}  # by pod, whose life it claimed last
        self._late: dict[str, float] = {}  # by pod whose labels are late, since when
        self.most_slots = 0
        self._world, self._bucket, self._server, self._base = world, bucket, server, base
        bucket.on_write = self._on_write
        self._next_on_pod = server.on_pod
        server.on_pod = self._on_pod

    # at every write

    def _on_write(self, key: str, data: bytes, before: bytes | None) -> None:
        key = key.removeprefix(self._base)
        if before is not None and key.startswith(JOURNAL):
            self._world.blame(f"5: {key} was overwritten")
        judge: dict[str, Callable[[str, bytes], None]] = {
            keys.BIRTHS: self._on_birth,
            keys.CLAIMS: self._on_claim,
            keys.ROUNDS: self._on_round,
            keys.REPORTS: self._on_record,
            keys.SAVES: self._on_record,
        }
        kind = key[: key.find("/") + 1]
        if kind in judge:
            judge[kind](key, data)

    def _on_birth(self, key: str, data: bytes) -> None:
        birth = decode(Birth, data, key=key)
        life = (birth.member, birth.incarnation)
        previous = self.births.get((birth.member, birth.incarnation - 1))
        self.births[life] = birth
        if len(self.births) == MOST_BIRTHS:
            self._world.blame(f"7: {MOST_BIRTHS} births, and no end")
        if birth.incarnation > 1 and previous is None:
            self._world.blame(f"2: {key} before the birth before it")
        if birth.round is not None and birth.round not in self.rounds:
            self._world.blame(f"5: {key} is born of round {birth.round}, which isn't recorded")
        if birth.cause.resumes and previous is not None:
            self._on_resume(key, birth, previous)
        if previous is not None and not (self.had_zombies or self.is_lawless):
            self._world.blame_all(f"9: {key}", born_though_done(birth, self.records.get(previous.life, [])))

    def _on_resume(self, key: str, birth: Birth, previous: Birth) -> None:
        records = self.records.get((previous.member, previous.incarnation), [])
        newest = max(records, key=lambda record: (record.step, record.round is not None), default=None)
        claim = self.claims.get((previous.member, previous.incarnation))
        writer = self.trainers.get(claim.pod) if claim is not None else None
        step = newest.step if newest is not None else previous.start_step
        if self.had_zombies:
            pass  # what they write after the resume is lost
        elif writer is not None and writer.alive and self._member_of(writer) == birth.member:
            self._world.blame(f"1: {key} while the writer before it is alive")
        elif birth.start_step < step:
            self._world.blame(f"3: {key} resumes at step {birth.start_step}; its newest record is at {step}")
        told = [record.source for record in records] + [previous.source]
        if birth.source not in told:
            self._world.blame(f"3: {key} resumes from {birth.source}, which isn't the former life's")
        if birth.hyperparameters != previous.hyperparameters:
            self._world.blame(f"3: {key} resumes with other hyperparameters")

    def _on_claim(self, key: str, data: bytes) -> None:
        claim = decode(Claim, data, key=key)
        if claim.nonce:
            self.claims[claim.member, claim.incarnation] = claim
            self._members[claim.pod] = claim.member

    def _on_round(self, key: str, data: bytes) -> None:
        decided = self.rounds[keys.number_in(key)] = decode(Round, data, key=key)
        for entry in decided.entries:
            closed = self._closed_by((entry.member, entry.incarnation), entry.source.step)
            if closed is not None and not self.is_lawless:
                self._world.blame(
                    f"1: {key} counts {entry.source.record}, which incarnation {closed} closed before"
                )
        self._world.blame_all(f"9: {key}", replaced_though_done(decided, self.records.values()))
        is_late = any(number > decided.number for number in self.rounds)  # nobody follows it any more
        for decision in [] if is_late else decided.decisions:
            if decision.source is not None and not self._bucket.has(self._base + decision.source.checkpoint):
                self._world.blame(f"2: {key} has a donor whose checkpoint is gone")

    def _closed_by(self, life: tuple[int, int], step: int) -> int | None:
        """The later incarnation whose birth says that what `life` recorded at `step` doesn't count, if there is one."""
        member, incarnation = life
        return next(
            (
                later
                for (other, later), birth in sorted(self.births.items())
                if other == member and later > incarnation and step > birth.previous_step
            ),
            None,
        )

    def _on_record(self, key: str, data: bytes) -> None:
        record = decode_report(data, key=key)
        life = (record.member, record.incarnation)
        claim = self.claims.get(life)
        process = self._world.current.name
        writer = self.trainers.get(claim.pod) if claim is not None else None
        # Of a process that ended with 0 right after a report, the operator says that the member is done.
        is_said_for_it = record.ends and writer is not None and not writer.alive
        if (claim is None or claim.pod != process) and not is_said_for_it:
            self._world.blame(f"1: {key} is written by {process}, which has no claim on it")
        self.records.setdefault(life, []).append(record)
        # What a zombie commits past the step at which its incarnation was closed, is never read. It may be deleted, but
        # nothing past the newest round: another operator may not know of the birth yet.
        decided = max((one.step for one in self.rounds.values()), default=0)
        is_needed = self._closed_by(life, record.step) is None or record.step > decided
        for file in record.files if is_needed else []:
            if self._base + record.checkpoint + file.name not in self._bucket.objects:
                self._world.blame(f"4: {key} commits {file.name}, which isn't stored")

    # at every beginning of a life

    def on_begin(self, trainer: Trainer, birth: Birth, state: dict[str, Any] | None) -> None:
        """A process begins an incarnation, with what it fetched."""
        name = keys.birth(birth.member, birth.incarnation)
        if trainer.step > trainer.recorded and birth.member != trainer.lived:
            self._world.blame(
                f"3: {name} is begun by a process whose former member is at step {trainer.step}, unsaved"
            )
        trainer.lived = birth.member
        if birth.source is not None and (state is None or state["step"] != birth.start_step):
            self._world.blame(f"2: {name} starts at step {birth.start_step} with {state}")
        claim = self.claims.get((birth.member, birth.incarnation))
        if claim is None or claim.pod != trainer.pod:
            self._world.blame(f"1: {name} is lived by {trainer.pod}, which has no claim on it")

    # at every change of a pod

    def _on_pod(self, pod: Body, gone: bool) -> None:
        self._next_on_pod(pod, gone)
        if self.is_lawless:
            return  # two owners have pods of their own for a while
        live = [
            found
            for found in self._server.pods.values()
            if (seen := read(found)) is not None and not seen.pod.ended
        ]
        if len(live) > self.most_slots:
            self._world.blame(f"8: {len(live)} live pods, {self.most_slots} slots")
        members = [self._members.get(found["metadata"]["uid"], _labelled(found)) for found in live]
        if len(set(members)) < len(members):
            self._world.blame(f"8: two live pods of a member: {sorted(members)}")

    def _member_of(self, trainer: Trainer) -> int:
        """Whose life a process lives: it writes nothing of the one before once it has claimed another member's."""
        return self._members.get(trainer.pod, trainer.life.member)

    # at every step

    def on_step(self, trainer: Trainer) -> None:
        """A process trains: its pod's labels say whose life it lives, but for a while after it went on as another."""
        pod = self._server.pod(trainer.pod)
        seen = read(pod) if pod is not None else None
        if seen is None or seen.pod.member == trainer.life.member or seen.pod.stopping:
            self._late.pop(trainer.pod, None)
            return
        since = max(self.calm_since, self._late.setdefault(trainer.pod, self._world.time.now))
        if self._world.time.now > since + LABEL_SECONDS:
            self._world.blame(
                f"10: {seen.pod.name} is labelled as member {seen.pod.member}'s and lives member {trainer.life.member}"
            )

    # at the end

    def judge_end(self, population: Body) -> None:
        """When all is over: the audit of the records, and what the resource and the pods say."""
        store = S3Store(BUCKET, self._base.rstrip("/"), client=self._bucket)  # type: ignore[arg-type]
        told = read_archive(store)
        for wrong in audit.violations(store, told):
            if not (wrong.invariant == 3 and (self.had_zombies or self.is_lawless)):
                self._world.blame(f"{wrong.invariant}: {wrong}")
        judge_specs(store, () if self.is_lawless else self.rounds.values(), self._world.blame)
        self._judge_births()
        uid = population["metadata"]["uid"]
        left = [p for p in self._server.pods.values() if p["metadata"]["labels"][POPULATION_UID] == uid]
        for pod in left:
            seen = read(pod)
            if seen is not None and not seen.pod.ended:
                self._world.blame(f"7: {pod['metadata']['name']} still runs")
        shown, best = population["status"].get("best"), told.best
        if best is not None and (shown is None or shown["score"] != best.score):
            self._world.blame(
                f"4: the status shows {shown and shown['score']}, the records' best is {best.score}"
            )
        counting = [record.score("score") for record in self._counting() if record.round is not None]
        if self.is_lawless:  # one owner may close a life after the other has counted a report of it
            counting += [decided.best.score for decided in self.rounds.values() if decided.best is not None]
        goal = max if population["spec"]["objective"]["goal"] == "Maximize" else min
        really = goal((score for score in counting if score is not None), default=None)
        if really != (shown and shown["score"]):
            self._world.blame(
                f"4: the status shows {shown and shown['score']}, the best that counts is {really}"
            )
        self._judge_result(told, population, is_scored=really is not None)

    def _judge_result(self, told: Archive, population: Body, *, is_scored: bool) -> None:
        """What is said of the end."""
        self._world.blame_all("7:", false_results(told.result, population["status"]))
        if told.result is not None and not self.is_lawless:
            members, births = told.spec.members, self.births.values()
            ends = untrue_ends(told.result, members=members, births=births, is_scored=is_scored)
            self._world.blame_all("12:", ends)
            if not self.had_zombies:
                goal, lines = population["spec"]["objective"]["goal"], lines_of(births, self._counting())
                self._world.blame_all("12:", wrong_finals(told.result, goal=goal, lines=lines))
                self._world.blame_all("12:", wrong_counts(told.result, told, population["status"]))

    def _counting(self) -> Iterator[Report]:
        """The records that no later birth has thrown away, judged by the births as they were written."""
        for life, records in self.records.items():
            closed_at = min((birth.previous_step for birth in self._after(life)), default=float("inf"))
            yield from (record for record in records if record.step <= closed_at)

    def _after(self, life: Life) -> Iterator[Birth]:
        """The births that went on from a life, up to the first that wasn't a resume."""
        member, incarnation = life
        while (birth := self.births.get((member, incarnation := incarnation + 1))) is not None:
            yield birth
            if not birth.cause.resumes:
                return

    def _judge_births(self) -> None:
        """Each loser is born once from its decision, and nobody else from any."""
        for birth in self.births.values():
            if birth.cause not in {Cause.EXPLOIT, Cause.ROLLBACK} or birth.round is None:
                continue
            decided = self.rounds[birth.round]
            judged_late = all(entry.member != birth.member for entry in decided.entries)
            if not judged_late and all(d.member != birth.member for d in decided.decisions):
                self._world.blame(
                    f"3: member {birth.member} is reborn by round {birth.round}, which it didn't lose"
                )
        newest = max(self.rounds, default=0)
        for number, decided in self.rounds.items():
            for decision in decided.decisions:
                born = [b for b in self.births.values() if (b.member, b.round) == (decision.member, number)]
                if (
                    not born
                    and number < newest
                    and not self._is_excused(decision.member, decision.incarnation)
                ):
                    self._world.blame(f"5: member {decision.member} was never born from round {number}")

    def _is_excused(self, member: int, incarnation: int) -> bool:
        """Whether something else closed the line that lost: another decision, a crash too many, its removal."""
        later = (b for (m, i), b in self.births.items() if m == member and i > incarnation)
        return self.is_lawless or any(not birth.cause.resumes for birth in later)


def _labelled(pod: Body) -> int:
    return int(pod["metadata"]["labels"][MEMBER])
