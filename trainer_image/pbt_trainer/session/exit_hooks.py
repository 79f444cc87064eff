"""What has to happen when a process that has a courier exits or forks."""

import atexit
import os
from collections.abc import Callable
from typing import Self

from pbt_contract.errors import PbtError
from pbt_trainer.courier.link import Link
from pbt_trainer.log import logger
from pbt_trainer.signals import Termination
from pbt_trainer.uncaught import Uncaught


class ExitHooks:
    """Waits for what was handed over when the interpreter exits, and keeps forked workers apart from the courier.

    Attributes:
        before_exit: called first, unless an uncaught exception is the reason.
    """

    def __init__(self, link: Link, termination: Termination) -> None:
        """Use `register`."""
        self._link = link
        self._termination = termination
        self.before_exit: Callable[[], None] = lambda: None

    @classmethod
    def register(cls, link: Link, termination: Termination) -> Self:
        """Registers them, until `close`."""
        hooks = cls(link, termination)
        atexit.register(hooks._at_exit)
        os.register_at_fork(after_in_child=hooks._disown)
        return hooks

    def close(self) -> None:
        """Ends the courier and stops listening to SIGTERM."""
        self._link.close()
        self._termination.uninstall()
        atexit.unregister(self._at_exit)

    def _at_exit(self) -> None:
        try:
            if not Uncaught.seen:
                self.before_exit()
            self._link.flush()
        except (SystemExit, PbtError) as error:  # the reason is in the log; the exit code is settled by now
            if isinstance(error, PbtError):
                logger.error("%s", error)
        finally:
            self.close()

    def _disown(self) -> None:
        """In a forked worker: the courier is its parent's, and SIGTERM ends it as usual."""
        self._termination.uninstall()
        self._link.disown()
