"""What an uncaught exception does to the process of a member.

A mistake of the script, which no retry can mend, ends it with an exit code of its own. An exception that ends the
thread with the loop ends the process as one in the main thread does, for nothing goes on without the loop.
"""

import atexit
import os
import sys
import sysconfig
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn
from weakref import WeakSet

import pbt_contract
from pbt_contract.errors import ExitCode, StateError, UsageError

MISTAKES = (UsageError, StateError)
_MAX_TERMINATION_BYTES = 2048

_LIBRARIES = (
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
    *(str(Path(file).parent) for file in (__file__, pbt_contract.__file__)),
)

_loops: "WeakSet[threading.Thread]" = WeakSet()


class Uncaught:
    """What is known of this process's exceptions.

    Attributes:
        seen: one that nobody caught is ending the process, or the SDK does: the script doesn't end by itself.
    """

    seen = False


def note_loop() -> None:
    """The thread that calls this runs the loop, or a part of it."""
    _loops.add(threading.current_thread())


def watch(log: Path | None) -> None:
    """From now on uncaught exceptions of this process are noted, and some end it with an exit code that says why.

    Tracebacks are printed by whatever printed them before, exit functions run.

    Args:
        log: gets the last lines of the traceback as well. A container's two streams reach its own log in any order, so
            the last lines of that need not be the error.
    """
    _watch_main(log, os.getpid())
    _watch_threads(log, os.getpid())


def _watch_main(log: Path | None, pid: int) -> None:
    previous = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if os.getpid() == pid:  # a forked child ends alone
            Uncaught.seen = True
            _write(log, kind, error, trace)
        previous(kind, error, trace)
        if os.getpid() == pid and issubclass(kind, MISTAKES):
            _end(ExitCode.MISTAKE)

    sys.excepthook = hook


def _watch_threads(log: Path | None, pid: int) -> None:
    previous = threading.excepthook

    def hook(args: Any) -> None:
        is_loop = os.getpid() == pid and threading.current_thread() in _loops
        if is_loop and args.exc_type is not SystemExit:
            Uncaught.seen = True
            _write(log, args.exc_type, args.exc_value, args.exc_traceback)
        previous(args)
        if is_loop:
            _end(_code_of(args.exc_type, args.exc_value))

    threading.excepthook = hook


def _code_of(kind: type[BaseException], error: BaseException | None) -> int:
    """The exit code that the exception would have had in the main thread."""
    if not isinstance(error, SystemExit):
        return ExitCode.MISTAKE if issubclass(kind, MISTAKES) else 1
    if error.code is None or isinstance(error.code, int):
        return int(error.code or 0)
    print(error.code, file=sys.stderr)
    return 1


def _write(
    log: Path | None, kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    if log is None:
        return
    told = _until_script(trace) if issubclass(kind, MISTAKES) else trace
    lines = "".join(traceback.format_exception(kind, error, told)).splitlines()
    text = "\n".join(line for line in lines if line.strip(" ~^"))
    with suppress(OSError):
        if os.environ.get("WORLD_SIZE", "1") != "1" and log.exists() and log.stat().st_size:
            return  # another rank was first, and this one may have failed only since that one is gone
        log.write_bytes(text.encode(errors="replace")[-_MAX_TERMINATION_BYTES:])


def _until_script(trace: TracebackType | None) -> TracebackType | None:
    """Without the frames of libraries at its end: the last one is the line of the script that is to be mended."""
    frames = []
    while trace is not None:
        frames.append(trace)
        trace = trace.tb_next
    own = [at for at, each in enumerate(frames) if not _is_library(each.tb_frame.f_code.co_filename)]
    found = None
    for each in reversed(frames[: own[-1] + 1] if own else frames):
        found = TracebackType(found, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return found


def _is_library(file: str) -> bool:
    return file.startswith("<frozen") or any(Path(file).is_relative_to(each) for each in _LIBRARIES)


def _end(code: int) -> NoReturn:
    """As the interpreter ends, but with this exit code, and whatever other threads do."""
    atexit._run_exitfuncs()  # noqa: SLF001 - `os._exit` runs none, and loggers would lose lines
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
