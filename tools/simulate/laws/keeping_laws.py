"""The laws of what is deleted: retention keeps what it promises, and only an owner that leaves purges (12, 14)."""

from collections.abc import Iterator

from pbt_contract import keys
from pbt_contract.records import Birth, Report
from pbt_operator.core.spec import Spec
from pbt_operator.runners.kubernetes.pod_state import population_of
from simulate.apiserver import Body
from simulate.laws.facts import Facts
from simulate.laws.judge import Judge

LOSS_SECONDS = 240.0
"""How long an operator may go on at a location that another has taken: until it looks again, and its pass is over."""

DECIDED_BY_OPERATORS = (keys.BIRTHS, keys.ROUNDS, keys.RESULTS, keys.SPECS, keys.GATES)
DRIVES = " drives "


class RetentionLaws(Judge):
    """Which checkpoints go while the population lives."""

    def on_delete(self, key: str) -> None:
        """A checkpoint that somebody may need, or that is promised to stay, does not go."""
        facts, spec = self.facts, self.facts.in_force
        if not key.startswith(keys.CHECKPOINTS) or spec is None:
            return
        record = self._committed(key)
        if record is None or is_leaving(self._owning_resource()):
            return
        if record.step > spec.schedule.step_of(facts.decided):  # another operator may decide about it yet
            self.blame(f"12: {record.checkpoint} is deleted, and lies past round {facts.decided}")
        if not (facts.is_lawless or facts.had_zombies):
            self.blame_all(f"12: {record.checkpoint} is deleted, and", self._needs(record, spec))

    def _owning_resource(self) -> Body | None:
        owner = self.facts.owner
        return None if owner is None else self.facts.server.populations.get(owner.name)

    def _committed(self, key: str) -> Report | None:
        life = keys.parse_life(key.split("/")[1])
        found = (one for one in self.facts.records.get(life, ()) if key.startswith(one.checkpoint))
        return next(found, None)

    def _needs(self, record: Report, spec: Spec) -> Iterator[str]:
        """Why a checkpoint stays."""
        facts, asked = self.facts, spec.retention.checkpoints_per_member
        if record not in facts.counting_of(record.life):
            return
        lives = [life for life in facts.records if life.member == record.member]
        counting = [one for life in sorted(lives) for one in facts.counting_of(life)]
        counting.sort(key=lambda one: (one.incarnation, one.step))
        newest = list(dict.fromkeys((one.life, one.step) for one in reversed(counting)))
        if (record.life, record.step) in newest[:asked]:
            yield f"it is one of the newest {asked} of member {record.member}"
        if record.round is not None and record.round >= facts.decided > 0:
            yield f"round {record.round} is not older than the newest decided one, {facts.decided}"
        for member in {birth.member for birth in facts.births.values()}:
            line: list[Birth] = facts.line(member)
            is_open = line and not line[0].cause.closes and not facts.is_through(member, spec)
            if is_open and any(birth.source == record.source for birth in line):
                yield f"member {member} began from it"


class OwnerLaws(Judge):
    """Who writes and who purges."""

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._purger: str | None = None
        self._purged: Spec | None = None  # what was in force when its purge began

    def on_write(self, key: str, before: bytes | None) -> None:
        """Who has lost the location goes on for a short while only."""
        owner, name = self.facts.owner, self._driven()
        if owner is None or name is None or not key.startswith(DECIDED_BY_OPERATORS):
            return
        taken = self.facts.written[owner.key]
        if name != owner.name and self.now > taken + LOSS_SECONDS:
            self.blame(f"14: {key} is written for {name}; {owner.name} took the location at {taken:.1f} s")

    def _driven(self) -> str | None:
        """The Population that the process which acts now drives."""
        process = self.facts.world.current.name
        return process.partition(DRIVES)[2] if DRIVES in process else None

    def on_delete(self, key: str) -> None:
        """Records go only by the owner, when it is deleted, asks for it, and its pods are gone."""
        if key.startswith((keys.CHECKPOINTS, keys.PROBES)):
            return
        facts, name, owner = self.facts, self._driven(), self.facts.owner
        self._purged = facts.in_force or self._purged
        body = facts.server.populations.get(name or "")
        if owner is None and name == self._purger:
            return  # its owner records are gone already
        self._purger = name
        if owner is None or name != owner.name:
            self.blame(f"14: {key} is purged for {name}, and {owner and owner.name} drives the location")
        elif not (is_leaving(body) or (body is None and self._was_to_be_purged())):
            self.blame(f"14: {key} is purged, and {name} isn't to be")
        elif not (facts.had_zombies or facts.is_lawless):  # another operator may have made a pod just now
            pods = facts.server.pods.values()
            left = [
                p["metadata"]["name"] for p in pods if body and population_of(p) == body["metadata"]["uid"]
            ]
            alive = [trainer.pod for trainer in facts.trainers.values() if trainer.alive]
            if left or alive:
                self.blame(f"14: {key} is purged while the pods {left} and the trainers {alive} are there")

    def _was_to_be_purged(self) -> bool:
        """Whether the Population that is gone asked for it: another operator has let it go meanwhile."""
        spec = self._purged
        return self.facts.is_lawless and spec is not None and spec.retention.on_delete == "Delete"

    def when_deleted(self) -> None:
        """Of what was to be purged nothing is left; of what was to stay, all."""
        facts, spec = self.facts, self.facts.in_force
        left = [key for key in facts.bucket.objects if key.startswith(facts.base)]
        if spec is None or facts.is_lawless or facts.had_zombies:
            return
        if spec.retention.on_delete == "Delete" and left:
            self.blame(f"14: {len(left)} keys are left, {left[0]} among them")


def is_leaving(body: Body | None) -> bool:
    """Whether a Population is deleted and its records are to go with it."""
    if body is None or not body["metadata"].get("deletionTimestamp"):
        return False
    return body["spec"]["retention"]["onDelete"] == "Delete"
