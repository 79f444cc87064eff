"""How a trainer leaves early: a line on stderr and an exit code that tells why, or a fresh process image."""

import atexit
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from pbt_trainer.errors import ExitCode

_START_FOLDER = Path.cwd()  # the script's own path may be relative, and the script may go elsewhere


def leave(code: ExitCode, message: str) -> NoReturn:
    """Ends the process unless somebody catches SystemExit."""
    say(message)
    raise SystemExit(int(code))


def say(message: str) -> None:
    """One line for the log of the pod."""
    with suppress(OSError):  # nobody reads the log any more
        print(f"pbt: {message}", file=sys.stderr, flush=True)


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
