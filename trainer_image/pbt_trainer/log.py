"""The SDK's log: the logger `pbt`. A script that sets up logging before `join` routes or silences it like any other.

Where the script has set up nothing, each record is a line on stderr: `pbt: message`.
"""

import logging
import sys
from contextlib import suppress

logger = logging.getLogger("pbt")


class StderrHandler(logging.Handler):
    """Prints records to stderr, for as long as the script has set up no handler of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("pbt: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Prints one record and flushes it: it may be the last one of this process."""
        if is_set_up():
            return
        with suppress(OSError):  # the log's reader is gone
            print(self.format(record), file=sys.stderr, flush=True)


def is_set_up() -> bool:
    """Whether the script has set up a handler, for the logger `pbt` or for the root logger."""
    handlers = [*logger.handlers, *(logging.getLogger().handlers if logger.propagate else ())]
    return any(not isinstance(handler, StderrHandler) for handler in handlers)


def set_up_default(level: int = logging.INFO) -> None:
    """Sends the log to stderr where no handler is set up; does nothing a second time.

    Args:
        level: of the logger, where the script has chosen none.
    """
    if logger.hasHandlers():
        return
    logger.addHandler(StderrHandler())
    if logger.level == logging.NOTSET:
        logger.setLevel(level)
