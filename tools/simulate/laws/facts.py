"""What has really happened at one location: each record from the moment of its write, and which processes lived then.

The laws are judged by this, not by what an operator knows.
"""

import math
from collections.abc import Iterator
from typing import Any

from pbt_contract import keys
from pbt_contract.encoding import decode, decode_report
from pbt_contract.gates import Gate
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Claim, Report
from pbt_operator.core.end_record import End
from pbt_operator.core.location_records import OwnerRecord, SpecRecord
from pbt_operator.core.pieces import joined, pieces_of, read_head
from pbt_operator.core.round_record import Round
from pbt_operator.core.spec import Spec
from pbt_operator.core.status import Result
from pbt_operator.manifest.population import recorded, to_core
from simulate.apiserver import ApiServer
from simulate.bucket import Bucket
from simulate.trainer import Trainer
from simulate.world import World

JOURNAL = (
    keys.BIRTHS,
    keys.CLAIMS,
    keys.YIELDS,
    keys.ENDS,
    keys.ROUNDS,
    keys.GATES,
    keys.REPORTS,
    keys.SAVES,
    keys.SPECS,
    keys.OWNERS,
    keys.RESULTS,
)


class Facts:
    """One location, its pods and its trainers.

    Attributes:
        world, bucket, server, base: where it happens; `base` is the location's prefix in the bucket.
        trainers: by pod, the process that it runs; the kubelet fills it.
        births, claims, ends: the records by life, in the order in which they were written.
        rounds, gates, specs, owners, results: the records by number, in that order.
        pieces: of rounds and results, by key.
        records: reports and saves by the life that wrote them.
        members: by pod, whose life it claimed last.
        written: by key, when it was written; virtual seconds.
        calm_since: since when nothing goes wrong any more.
        is_lawless: whether two operators (or owners) are or were at work, so that one may act on what it saw before the
            other's last writes. What must hold all the same is still judged.
        had_zombies: whether a process may have written after it was given up.
    """

    def __init__(self, world: World, bucket: Bucket, server: ApiServer, *, base: str) -> None:
        self.world, self.bucket, self.server, self.base = world, bucket, server, base
        self.trainers: dict[str, Trainer] = {}
        self.births: dict[Life, Birth] = {}
        self.claims: dict[Life, Claim] = {}
        self.rounds: dict[int, Round] = {}
        self.specs: dict[int, SpecRecord] = {}
        self.owners: dict[int, OwnerRecord] = {}
        self.results: dict[int, Result] = {}
        self.gates: dict[int, Gate] = {}
        self.ends: dict[Life, End] = {}
        self.pieces: dict[str, bytes] = {}
        self.records: dict[Life, list[Report]] = {}
        self.members: dict[str, int] = {}
        self.written: dict[str, float] = {}
        self.is_lawless = self.had_zombies = False
        self.calm_since = math.inf
        self._cores: dict[int, Spec] = {}
        self._newest: dict[int, int] = {}  # by member, the incarnation up to which there are births
        self._lines: dict[int, list[Report]] = {}  # by member, until anything is learned or forgotten

    def learn(self, key: str, data: bytes) -> object:
        """Takes a record that was written just now; returns it, None for what the laws don't read."""
        kind = key[: key.find("/") + 1]
        self._lines.clear()
        if kind in JOURNAL:
            self.written[key] = self.world.time.now
        match kind:
            case keys.BIRTHS:
                birth = decode(Birth, data, key=key)
                self.births[birth.life] = birth
                return birth
            case keys.CLAIMS:
                claim = decode(Claim, data, key=key)
                if claim.nonce:
                    self.claims[claim.life] = claim
                    self.members[claim.pod] = claim.member
                return claim
            case keys.REPORTS | keys.SAVES:
                record = decode_report(data, key=key)
                self.records.setdefault(record.life, []).append(record)
                return record
            case keys.ENDS:
                end = decode(End, data, key=key)
                return self.ends.setdefault(end.life, end)
        return self._learn_numbered(kind, key, data)

    def _learn_numbered(self, kind: str, key: str, data: bytes) -> object:
        large: dict[str, Any] = {keys.ROUNDS: Round, keys.RESULTS: Result}
        kinds: dict[str, Any] = {keys.SPECS: SpecRecord, keys.OWNERS: OwnerRecord, keys.GATES: Gate}
        if kind == keys.PIECES:
            self.pieces[key] = data
        if kind in large:
            found: object = self._whole(large[kind], key, data)
        elif kind in kinds:
            found = decode(kinds[kind], data, key=key)
        else:
            return None
        self._by_number()[kind][keys.number_in(key)] = found
        return found

    def _whole(self, kind: type[Any], key: str, data: bytes) -> object:
        """A round or result with its pieces, as far as these were stored before it."""
        head = read_head(kind, data, key=key)
        named = [piece for piece in pieces_of(head, key=key) if piece.place in self.pieces]
        return joined(kind, head, [(piece, self.pieces[piece.place]) for piece in named]) if named else head

    def forget(self, key: str) -> None:
        """Forgets what was purged: the location may begin anew."""
        self.pieces.pop(key, None)
        self._lines.clear()
        kind, found = key[: key.find("/") + 1], self._by_number()
        self.written.pop(key, None)
        if kind in found:
            found[kind].pop(keys.number_in(key), None)
            self._cores.clear()
        elif kind in {keys.BIRTHS, keys.CLAIMS, keys.ENDS}:
            self._newest.clear()
            for known in (self.births, self.claims, self.ends):
                for life in [life for life, one in known.items() if one.key == key]:
                    del known[life]
        elif kind in {keys.REPORTS, keys.SAVES}:
            for life, records in self.records.items():
                self.records[life] = [record for record in records if record.key != key]

    def _by_number(self) -> dict[str, dict[int, Any]]:
        return {
            keys.ROUNDS: self.rounds,
            keys.GATES: self.gates,
            keys.SPECS: self.specs,
            keys.OWNERS: self.owners,
            keys.RESULTS: self.results,
        }

    # what follows

    def spec(self, number: int) -> Spec:
        """An accepted spec as decisions take it."""
        if number not in self._cores:
            self._cores[number] = to_core(recorded(self.specs[number]))
        return self._cores[number]

    @property
    def in_force(self) -> Spec | None:
        """The newest accepted spec."""
        return self.spec(max(self.specs)) if self.specs else None

    @property
    def decided(self) -> int:
        """The number of the newest decided round, 0 before the first."""
        return max(self.rounds, default=0)

    def newest_birth(self, member: int) -> Birth | None:
        """The birth that is in force."""
        number = self._newest.get(member, 0)
        while Life(member, number + 1) in self.births:
            number += 1
        self._newest[member] = number
        return self.births.get(Life(member, number))

    def line(self, member: int) -> list[Birth]:
        """The member's newest birth that was no resume, with the resumes since; the newest first."""
        found: list[Birth] = []
        birth = self.newest_birth(member)
        while birth is not None:
            found.append(birth)
            before = self.births.get(Life(member, birth.incarnation - 1))
            birth = before if birth.cause.resumes else None
        return found

    def after(self, life: Life) -> Iterator[Birth]:
        """The births that went on from a life, up to the first that wasn't a resume."""
        number = life.incarnation
        while (birth := self.births.get(Life(life.member, number := number + 1))) is not None:
            yield birth
            if not birth.cause.resumes:
                return

    def counting(self) -> Iterator[Report]:
        """The records that no later birth has thrown away, judged by the births as they were written."""
        for life in self.records:
            yield from self.counting_of(life)

    def counting_of(self, life: Life) -> list[Report]:
        """The records of one life that no later birth has thrown away."""
        closed_at = min((birth.previous_step for birth in self.after(life)), default=math.inf)
        return [record for record in self.records.get(life, ()) if record.step <= closed_at]

    def line_records(self, member: int) -> list[Report]:
        """The records of the member's line that count, by step."""
        if member not in self._lines:
            found = [record for birth in self.line(member) for record in self.counting_of(birth.life)]
            found.sort(key=lambda record: (record.step, record.round is None, record.incarnation))
            self._lines[member] = found
        return self._lines[member]

    def position(self, member: int) -> int:
        """The step that the member has durably reached."""
        birth = self.newest_birth(member)
        records = self.line_records(member)
        return max(birth.start_step if birth is not None else 0, records[-1].step if records else 0)

    def is_through(self, member: int, spec: Spec) -> bool:
        """Whether the member has nothing more to report: its line is at the last step, or said that it is done."""
        birth, total = self.newest_birth(member), spec.schedule.total_steps
        if birth is None:
            return False
        if birth.start_step >= total:
            return True
        return any(one.ends for one in self.counting_of(birth.life)) or any(
            record.round is not None and record.step >= total for record in self.line_records(member)
        )

    def closed_by(self, life: Life, step: int) -> int | None:
        """The later incarnation whose birth says that what `life` recorded at `step` doesn't count, if there is one."""
        return next(
            (
                birth.incarnation
                for birth in sorted(self.births.values(), key=lambda one: one.life)
                if birth.member == life.member
                and birth.incarnation > life.incarnation
                and step > birth.previous_step
            ),
            None,
        )

    def lives_now(self, trainer: Trainer) -> int:
        """Whose life a process lives: it writes nothing of the one before once it has claimed another member's."""
        return self.members.get(trainer.pod, trainer.life.member)

    @property
    def is_at_work(self) -> bool:
        """Whether a population is to be driven here now: accepted, neither suspended, nor deleted, nor over."""
        owner, spec = self.owner, self.in_force
        body = self.server.populations.get(owner.name) if owner is not None else None
        if spec is None or spec.suspend or body is None or "deletionTimestamp" in body["metadata"]:
            return False
        return all(result.spec != max(self.specs) for result in self.results.values())

    @property
    def owner(self) -> OwnerRecord | None:
        """Who drives the location."""
        return self.owners[max(self.owners)] if self.owners else None
