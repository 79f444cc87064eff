"""A checkpoint outside of a population: of a location, as `pbt fetch` chooses it, or of a folder that it has filled."""

import os
import tempfile
import weakref
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import msgspec

from pbt_contract.errors import NotFound, RecordRefused, UsageError
from pbt_contract.keys import CARDS
from pbt_contract.records import Report, Value
from pbt_contract.stores import Store, open_store
from pbt_contract.text import quoted
from pbt_trainer.state.checkpoint_files import STATE, TENSORS
from pbt_trainer.state.checkpoint_files import Checkpoint as Files
from pbt_trainer.state.structures import PLAIN


class _Card(msgspec.Struct, frozen=True):
    """What is read of a card that `pbt fetch` has written."""

    member: int
    step: int
    hyperparameters: dict[str, Value]


class Checkpoint:
    """Reads what a script had tracked.

        best = pbt_trainer.Checkpoint("pbt-runs/digits", "best")
        model.load_state_dict(best.state("model"))

    Every file of a location is verified before it is read, and nothing in it can run code. Every question raises
    `NotFound` where there is no population, folder or such checkpoint, `StoreUnavailable` where the store can't be
    reached, and `RecordRefused` where what is stored is malformed.
    """

    def __init__(self, place: str | os.PathLike[str], which: str | int | None = None) -> None:
        """Reads nothing yet: the first question does, and later ones are about the checkpoint that it found.

        Args:
            place: with `which`, a population's location: a folder such as `pbt-runs/NAME`, or `s3://BUCKET/PREFIX`,
                whose endpoint and credentials come from the usual AWS_* variables and files. Without, a folder
                that `pbt fetch` has filled.
            which: `best`: ever; `final`: at the end; a number: that member's newest.

        Raises:
            UsageError: `which` is nothing of that.
        """
        if not (which in {None, "best", "final"} or (isinstance(which, int) and not isinstance(which, bool))):
            raise UsageError(f"Checkpoint(..., {which!r}): it is 'best', 'final' or a member's number")
        self._place = os.fspath(place)
        self._which = which
        self._opened = ExitStack()
        weakref.finalize(self, self._opened.close)

    @property
    def step(self) -> int:
        """The step that it was written at."""
        return self._about.step

    @property
    def hyperparameters(self) -> Mapping[str, Value]:
        """Those that it was trained with last."""
        return self._about.hyperparameters

    @property
    def member(self) -> int:
        """The number of the member that wrote it."""
        return self._about.member

    @property
    def names(self) -> list[str]:
        """What the script had tracked, by the names that it gave."""
        return self._files.names

    def state(self, name: str, *, like: Any = PLAIN) -> Any:
        """What `state_dict()` of a tracked object had returned, on the CPU.

        Args:
            name: that the script tracked it by.
            like: the `state_dict()` of such an object here, which named tuples and pytrees get their classes from.
                Without it they are dicts.

        Raises:
            NotFound: the script tracked nothing of this name, or retention has deleted the files.
            CorruptCheckpoint: a file isn't what its record says.
            StateError: `like` has another form.
        """
        if name not in self.names:
            raise NotFound(f"the checkpoint has no {name!r}; it has {', '.join(self.names) or 'nothing'}")
        return self._files.state(name, like=like)

    def close(self) -> None:
        """Removes what was downloaded; states that were read stay."""
        self._opened.close()
        self.__dict__.pop("_files", None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @cached_property
    def _store(self) -> Store:
        return open_store(self._place)

    @cached_property
    def _about(self) -> Report | _Card:
        if self._which is None:
            return _card_in(_existing(self._place))
        from pbt_contract.chosen import choose

        return choose(self._store, self._which)

    @cached_property
    def _files(self) -> Files:
        if self._which is None:
            folder = _existing(self._place)
        else:
            temporary = self._opened.enter_context(tempfile.TemporaryDirectory())
            folder = _fetched(self._store, self._about, Path(temporary))
        return self._opened.enter_context(Files(folder))


def _existing(place: str) -> Path:
    folder = Path(place)
    if not folder.is_dir():
        raise NotFound(
            f"there is no folder {place}; of a population's location say which: 'best', for example"
        )
    return folder


def _fetched(store: Store, record: Any, temporary: Path) -> Path:
    """The folder that then has the SDK's files of a checkpoint: the store's own where it is local."""
    kept = [file for file in record.files if file.name in {STATE, TENSORS}]
    if STATE not in {file.name for file in kept}:
        raise NotFound(
            f"{record.checkpoint} has no {STATE}: nothing was tracked. `pbt fetch` copies its files"
        )
    try:
        found = [store.fetch(record.checkpoint + file.name, file, temporary) for file in kept]
    except NotFound:
        raise NotFound(
            f"{record.checkpoint} is gone: retention keeps only the newest checkpoints, and the best"
        ) from None
    return found[0].parent


def _card_in(folder: Path) -> _Card:
    card = next((folder / name for name in CARDS if (folder / name).is_file()), None)
    if card is None:
        raise NotFound(
            f"{folder} has no {CARDS[-1]}, which tells member, step and hyperparameters: use `pbt fetch`"
        )
    try:
        return msgspec.json.decode(card.read_bytes(), type=_Card)
    except (msgspec.MsgspecError, ValueError) as error:
        raise RecordRefused(f"{card}: {quoted(str(error))}") from error
