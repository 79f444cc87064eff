"""Runs a function as a member: `python -m pbt_trainer.function FILE`, which `pbt_operator.fit` has the members run.

The file is a line of JSON and then a pickle, which runs whatever its writer wants. So it is for the machine and the
user that wrote it, and anything else is refused before it is read.
"""

import os
import pickle
import platform
import stat
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from pbt_contract.errors import UsageError
from pbt_contract.records import Count, Value
from pbt_contract.text import quoted
from pbt_trainer.joining import join


class Header(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What stands before the pickle.

    Attributes:
        python: the interpreter that wrote it, as `python_here` names it.
        path: its `sys.path`, where the modules are found that the function imports.
        fingerprint: of its code, by which a changed function is noticed.
        hyperparameters: a value for each, of a run alone.
        total_steps: as of a run alone.
        interval_steps: likewise.
    """

    python: str
    path: list[str]
    fingerprint: str
    hyperparameters: dict[str, Value]
    total_steps: Count
    interval_steps: Count


def python_here() -> str:
    """This interpreter, as far as code of another one doesn't run in it: `CPython 3.11`."""
    return f"{platform.python_implementation()} {sys.version_info[0]}.{sys.version_info[1]}"


def main(file: str) -> None:
    """Joins the population and calls the function.

    Raises:
        UsageError: the file isn't this user's, or another Python has written it.
    """
    header, pickled = read(file)
    if header.python != python_here():
        raise UsageError(f"{file} was written by {quoted(header.python)}; this is {python_here()}")
    sys.path += [folder for folder in header.path if folder not in sys.path]
    function: Callable[[Any], None] = pickle.loads(pickled)  # noqa: S301 - this user's own, see `read`
    run = join(header.hyperparameters, total_steps=header.total_steps, interval_steps=header.interval_steps)
    function(run)


def read(file: str) -> tuple[Header, bytes]:
    """What is in a file, the pickle as it is.

    Raises:
        UsageError: it is a link, somebody else's, others could write it, or it is no such file.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as stream:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UsageError(f"{file} could have been written by somebody else: it is not run")
        line, pickled = stream.readline(), stream.read()
    try:
        return msgspec.json.decode(line, type=Header), pickled
    except (msgspec.MsgspecError, ValueError) as error:
        raise UsageError(f"{file} holds no function: {quoted(str(error))}") from error


if __name__ == "__main__":
    main(sys.argv[1])
