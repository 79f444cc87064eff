"""How a trainer leaves early: with an exit code and its reason, or for a fresh process image."""

import atexit
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from pbt_contract.errors import ExitCode
from pbt_trainer.log import logger
from pbt_trainer.uncaught import Uncaught

_START_FOLDER = Path.cwd()  # the script's own path may be relative, and the script may change its folder
_LEVELS = {
    ExitCode.DONE: logging.WARNING,  # SIGTERM came before what was to be done
    ExitCode.UNCLAIMED: logging.INFO,
    ExitCode.STORAGE: logging.ERROR,
    ExitCode.ACCESS: logging.ERROR,
}


def leave(code: ExitCode, message: str) -> NoReturn:
    """Logs why and ends the process, unless the script catches SystemExit.

    Raises:
        SystemExit: with the code.
    """
    Uncaught.seen = True  # the script has not ended by itself
    logger.log(_LEVELS[code], "%s", message)
    raise SystemExit(int(code))


def restart(environment: Mapping[str, str]) -> NoReturn:
    """Replaces this process's image by the same command: same pid, same container, nothing of the old state.

    Exit functions run. Child processes of `multiprocessing` are ended: they watch their parent's pid, which
    stays.

    Args:
        environment: variables to set, beside those that the process has.
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
