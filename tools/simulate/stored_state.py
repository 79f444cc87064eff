"""The checkpoint of a simulated trainer: two files, so that an upload can end half-way."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from pbt_contract.errors import NotFound
from pbt_contract.records import File, Report
from pbt_contract.stores.s3 import S3Store

FILES = ("model.json", "notes.json")


def contents_of(state: dict[str, Any]) -> dict[str, bytes]:
    """The files of a checkpoint, by name."""
    return dict(zip(FILES, (json.dumps(state).encode(), b"{}"), strict=True))


def listed(contents: dict[str, bytes]) -> list[File]:
    """The same as a record lists them."""
    return [File(name=n, size=len(d), sha256=hashlib.sha256(d).hexdigest()) for n, d in contents.items()]


def state_in(
    source: Report, store: S3Store, patiently: Callable[[Callable[[], bytes]], bytes]
) -> dict[str, Any] | None:
    """The state of a checkpoint; None if some of it is gone.

    Args:
        source: the record that committed it.
        store: where it is.
        patiently: repeats a request for a while.
    """
    found = {}
    for file in source.files:
        try:
            data = patiently(lambda name=file.name: store.read(source.checkpoint + name))
        except NotFound:
            return None
        assert hashlib.sha256(data).hexdigest() == file.sha256, "checkpoints are never changed"
        found[file.name] = data
    state: dict[str, Any] = json.loads(found[FILES[0]])
    return state
