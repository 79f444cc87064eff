"""How a trainer leaves early: where it says why, with which exit code, or for a fresh process image."""

import atexit
import os
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from pbt_contract.errors import ExitCode

TERMINATION_LOG = "PBT_TERMINATION_LOG"
"""The variable that names the container's termination log, whose end the kubelet puts into the pod's status."""

_MAX_TERMINATION_BYTES = 2048
_START_FOLDER = Path.cwd()  # the script's own path may be relative, and the script may go elsewhere


def leave(code: ExitCode, message: str) -> NoReturn:
    """Ends the process unless somebody catches SystemExit."""
    say(message)
    raise SystemExit(int(code))


def say(message: str) -> None:
    """One line for the log of the pod."""
    with suppress(OSError):  # nobody reads the log any more
        print(f"pbt: {message}", file=sys.stderr, flush=True)


def tell_crash(log: Path) -> None:
    """From now on an uncaught exception of this process also goes to `log`: the last lines of its traceback.

    A container's two streams reach its log in any order, so the last lines of that need not be the error.
    """
    previous, pid = sys.excepthook, os.getpid()

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if os.getpid() == pid:  # a forked child ends alone
            lines = "".join(traceback.format_exception(kind, error, trace)).splitlines()
            told = "\n".join(line for line in lines if line.strip(" ~^"))
            with suppress(OSError):
                log.write_bytes(told.encode(errors="replace")[-_MAX_TERMINATION_BYTES:])
        previous(kind, error, trace)

    sys.excepthook = hook


def start_anew(environment: Mapping[str, str]) -> NoReturn:
    """Replaces this process's image by the same command: same pid, same container, nothing of the old state.

    Exit functions run. Child processes of `multiprocessing` are ended: they watch their parent's pid, which
    stays.
    """
    _end_children()
    atexit._run_exitfuncs()  # noqa: SLF001 - exec runs none, and loggers would lose lines
    sys.stdout.flush()
    sys.stderr.flush()
    os.chdir(_START_FOLDER)
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **environment})  # noqa: S606


def _end_children() -> None:
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is None:
        return
    children = multiprocessing.active_children()
    for child in children:
        child.terminate()
    for child in children:
        child.join(5)
        if child.is_alive():
            child.kill()
            child.join()
