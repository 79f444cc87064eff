"""The protocol of one incarnation over a store: birth, claim, source, commits, successor.

No threads, no processes, no clock: the courier drives it in a trainer, a simulator drives it in virtual time.
"""

from pathlib import Path

from msgspec import UNSET, UnsetType

from pbt_contract import keys
from pbt_contract.encoding import decode, decode_report, encode
from pbt_contract.errors import CorruptCheckpoint, NotFound, RecordRefused
from pbt_contract.limits import MAX_NOTE
from pbt_contract.records import Birth, Claim, File, Report, Started
from pbt_contract.stores import Store
from pbt_contract.stores.verify import verify
from pbt_contract.text import shortened
from pbt_contract.yields import Yield


class ReportedElsewhere(RecordRefused):
    """Another process has written the record of this incarnation and round."""


class Incarnation:
    """One life of one member, as one process lives it.

    Attributes:
        member: whose.
        number: which incarnation this is.
        store: opened at the population's location.
        holder: the claim that is stored, once it was read.
    """

    def __init__(
        self,
        store: Store,
        *,
        member: int,
        incarnation: int,
        pod: str,
        nonce: str,
        ranks: int = 1,
        yields: bool = False,
    ) -> None:
        """Reads and writes nothing yet.

        Args:
            store: opened at the population's location.
            member: whose birth.
            incarnation: which of its births.
            pod: named by the claim.
            nonce: unique to this process; it tells its claim from any other.
            ranks: how many processes train the member together.
            yields: whether this process asks for `yielded`; its claims say so.
        """
        self.store = store
        self.member = member
        self.number = incarnation
        self._pod = pod
        self._nonce = nonce
        self._ranks, self._yields = ranks, yields
        self._birth: Birth | None = None
        self.holder: Claim | None = None

    def open(self) -> Birth:
        """The record that orders this life.

        Raises:
            NotFound: there is none.
            RecordRefused: it is not one that this version can follow.
        """
        if self._birth is None:
            self._birth = self._read_birth(self.number)
        return self._birth

    def claim(self, started: Started | UnsetType = UNSET, *, why: str | UnsetType = UNSET) -> bool:
        """Takes the birth; False if another process has it. May be repeated after a failure of the store.

        Args:
            started: how a process that trained already comes to it.
            why: where it was started anew, what kept the running loop from continuing.
        """
        ours = Claim(
            member=self.member,
            incarnation=self.number,
            pod=self._pod,
            nonce=self._nonce,
            ranks=self._ranks if self._ranks > 1 else UNSET,
            yields=self._yields or UNSET,
            requests=keys.MOST_REQUESTS if self._yields else UNSET,
            started=started,
            why=why if isinstance(why, UnsetType) else shortened(why, MAX_NOTE),
        )
        key = keys.claim(self.member, self.number)
        self.holder = decode(Claim, self.store.create(key, encode(ours)), key=key)
        return self.holder == ours

    def claimed_by_pod(self) -> bool | None:
        """For the other ranks of a pod: whether their pod has the birth; None while it is unclaimed."""
        key = keys.claim(self.member, self.number)
        try:
            self.holder = decode(Claim, self.store.read(key), key=key)
        except NotFound:
            return None
        return self.holder.pod == self._pod and not self.holder.void

    def source(self) -> Report | None:
        """The record that committed the checkpoint to start from; None for a start from scratch.

        Raises:
            NotFound: the record was deleted.
            RecordRefused: it isn't what the birth says, or leaves this location.
        """
        source = self.open().source
        if source is None:
            return None
        report = decode_report(self.store.read(source.record), key=source.record)
        if report.source != source:
            raise RecordRefused(f"{source.record}: not the checkpoint that the birth names")
        return report

    def fetch(self, report: Report, folder: Path) -> Path:
        """The folder with the verified files of a checkpoint: `folder`, or the store's own where it is local.

        Args:
            report: the record that committed it.
            folder: where downloads go; files that lie there already and are right aren't fetched again.

        Raises:
            NotFound: a file was deleted.
            CorruptCheckpoint: a size or checksum differs.
        """
        root = folder
        for file in report.files:
            key = report.checkpoint + file.name
            path = folder / file.name
            if not _holds(path, file, key=key):
                path = self.store.fetch(key, file, folder)
            root = path.parents[file.name.count("/")]
        return root

    def commit(self, report: Report) -> None:
        """Writes the record that makes a checkpoint exist.

        Raises:
            ReportedElsewhere: another process was faster; its record stands.
            RecordRefused: it is too large.
        """
        data = encode(report)
        if self.store.create(report.key, data) != data:
            raise ReportedElsewhere(f"{report.key}: already reported by another process")

    def successor(self) -> Birth | None:
        """The birth that replaces this life, if it was written already.

        Raises:
            RecordRefused: it is not one that this version can follow.
        """
        try:
            return self._read_birth(self.number + 1)
        except NotFound:
            return None

    def yielded(self, number: int = 1) -> "Incarnation | None":
        """The life that this process is asked to continue with, if it is asked: another member's, or its own next one.

        Args:
            number: of the request; after the first one there is another only where the one before came to nothing.

        Raises:
            RecordRefused: the record is not one that this version can follow.
        """
        key = keys.yielded(self.member, self.number, number)
        try:
            to = decode(Yield, self.store.read(key), key=key).to
        except NotFound:
            return None
        if to.member == self.member and to.incarnation <= self.number:
            raise RecordRefused(f"{key}: what a member goes on with is later than this life of its own")
        return self.other(to.member, to.incarnation)

    def next(self) -> "Incarnation":
        """The life that follows this one, for the same process."""
        return self.other(self.member, self.number + 1)

    def other(self, member: int, incarnation: int) -> "Incarnation":
        """Another life, for the same process."""
        return Incarnation(
            self.store,
            member=member,
            incarnation=incarnation,
            pod=self._pod,
            nonce=self._nonce,
            ranks=self._ranks,
            yields=self._yields,
        )

    def _read_birth(self, incarnation: int) -> Birth:
        key = keys.birth(self.member, incarnation)
        birth = decode(Birth, self.store.read(key), key=key)
        if (birth.member, birth.incarnation) != (self.member, incarnation):
            own = keys.birth(birth.member, birth.incarnation)
            raise RecordRefused(f"{key}: the record says that it is {own}")
        return birth


def _holds(path: Path, file: File, *, key: str) -> bool:
    """Whether an earlier image of this process fetched the file already."""
    if not path.is_file():
        return False
    try:
        verify(path, file, key=key)
    except CorruptCheckpoint:
        path.unlink()
        return False
    return True
