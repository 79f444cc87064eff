"""`pbt fetch`: a checkpoint, verified, in a folder of one's own."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from pbt_contract.encoding import encode
from pbt_contract.errors import NotFound, RecordRefused
from pbt_contract.keys import CARDS
from pbt_contract.records import Count, File, IncarnationNumber, MemberNumber, Record, Report, Value
from pbt_contract.stores import Store
from pbt_contract.stores.verify import destination
from pbt_operator.cli.output import Mistake, file_stem, open_location, read_population, say
from pbt_operator.core.round_record import Standing
from pbt_operator.page.words import counted, life_text, score_text, size_text
from pbt_operator.records.archive import Archive


class CheckpointCard(Record, frozen=True, kw_only=True):
    """What was fetched, beside its files."""

    population: str
    metric: str
    member: MemberNumber
    incarnation: IncarnationNumber
    step: Count
    score: float | None
    hyperparameters: dict[str, Value]
    checkpoint: str
    files: list[File]


class _State(msgspec.Struct, frozen=True):
    """The part of the SDK's `state.json` that names what it holds."""

    objects: dict[str, msgspec.Raw]


def fetch_checkpoint(location: str, *, member: int | None, final: bool, to: Path | None, force: bool) -> None:
    """Copies a checkpoint's files into a folder, all of them or none.

    Args:
        location: of the population.
        member: whose newest checkpoint; None for the best.
        final: the best of the members' newest scores instead of the best ever.
        to: the folder; by default NAME-best, NAME-final or NAME-member-N here.
        force: replace what was fetched there before.

    Raises:
        Mistake: there is no such checkpoint, or the folder is not free.
        CorruptCheckpoint: a file is not what its record says.
        NotFound: retention has deleted it.
    """
    store, archive = open_location(location), read_population(location)
    report = _chosen(archive, member=member, final=final)
    which = ("final" if final else "best") if member is None else f"member-{member}"
    folder = (to or Path(f"{file_stem(archive)}-{which}")).resolve()
    _check_free(folder, force=force)
    card = _card(archive, report)
    with _incoming(folder) as incoming:
        for file in report.files:
            _fetch_file(store, report.checkpoint + file.name, file, incoming)
        own = next(path for name in reversed(CARDS) if not (path := incoming / name).exists())
        own.write_bytes(msgspec.json.format(encode(card), indent=2))
        _put_in_place(incoming, folder)
    _tell(card, folder)


def _chosen(archive: Archive, *, member: int | None, final: bool) -> Report:
    if member is not None:
        newest = archive.history.newest_record(member)
        if newest is None:
            raise Mistake(f"member {member} has no checkpoint")
        return newest
    standing: Standing | None = archive.final if final else archive.best
    if standing is None:
        raise Mistake(
            f"no member has reported a finite {archive.spec.objective.metric} yet: there is nothing to fetch"
        )
    try:
        return archive.reports[standing.source.record]
    except KeyError:
        raise RecordRefused(
            f"{standing.source.record}: the record of that checkpoint can't be read"
        ) from None


def _card(archive: Archive, report: Report) -> CheckpointCard:
    return CheckpointCard(
        population=archive.record.name,
        metric=archive.spec.objective.metric,
        member=report.member,
        incarnation=report.incarnation,
        step=report.step,
        score=report.score(archive.spec.objective.metric),
        hyperparameters=report.hyperparameters,
        checkpoint=report.checkpoint,
        files=report.files,
    )


def _check_free(folder: Path, *, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise Mistake(f"{folder} is not a folder")
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not force:
        raise Mistake(f"{folder} is not empty; choose another one with --to, or replace it with --force")
    if not any((folder / name).is_file() for name in CARDS):
        raise Mistake(f"{folder} holds no {CARDS[-1]}: it was not fetched, and --force deletes nothing else")


@contextmanager
def _incoming(folder: Path) -> Iterator[Path]:
    """A folder beside `folder`, gone in the end."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f".{folder.name}-", dir=folder.parent, ignore_cleanup_errors=True
    ) as temporary:
        incoming = Path(temporary) / "checkpoint"
        incoming.mkdir()
        yield incoming


def _fetch_file(store: Store, key: str, file: File, incoming: Path) -> None:
    target = destination(incoming, file)
    try:
        verified = store.fetch(key, file, incoming)
    except NotFound:
        raise NotFound(f"{key} is gone: retention keeps only the newest checkpoints, and the best") from None
    if verified != target:  # a folder's own file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(verified, target)


def _put_in_place(incoming: Path, folder: Path) -> None:
    replaced = incoming.parent / "replaced"
    if folder.exists():
        folder.rename(replaced)
    try:
        incoming.rename(folder)
    except OSError:
        if replaced.exists():
            replaced.rename(folder)
        raise


def _tell(card: CheckpointCard, folder: Path) -> None:
    score = "" if card.score is None else f", {card.metric} {score_text(card.score)}"
    say(f"member {life_text(card.member, card.incarnation)} at step {card.step:,}{score}")
    size = size_text(sum(file.size for file in card.files))
    say(f"{counted(len(card.files), 'file')}, {size}, verified: {folder}")
    lines = _loading(card, folder)
    if lines:
        say()
        say("load it with")
        for line in lines:
            say(f"  {line}")


def _loading(card: CheckpointCard, folder: Path) -> list[str]:
    """The lines of Python that load what was fetched."""
    names = {file.name for file in card.files}
    if "state.json" in names and (tracked := _tracked(folder / "state.json")):
        lines = ["import pbt_trainer", f"checkpoint = pbt_trainer.Checkpoint({str(folder)!r})"]
        return [*lines, *(f'{name}.load_state_dict(checkpoint.state("{name}"))' for name in tracked)]
    tensors = sorted(name for name in names if name.endswith(".safetensors"))
    if not tensors:
        return []
    return ["from safetensors.torch import load_file", f"tensors = load_file({str(folder / tensors[0])!r})"]


def _tracked(state: Path) -> list[str]:
    """What the script had tracked, as far as the SDK's file says it; nothing else of it is read."""
    try:
        objects = msgspec.json.decode(state.read_bytes(), type=_State).objects
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return []
    # A name is an identifier, or some other tool has written the file.
    return list(objects) if all(map(str.isidentifier, objects)) else []
