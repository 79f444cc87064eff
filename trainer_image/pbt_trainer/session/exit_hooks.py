"""What has to happen when a process that has a courier exits or forks."""

import atexit
import os
from typing import Self

from pbt_trainer.courier.link import Link
from pbt_trainer.signals import Termination


class ExitHooks:
    """Waits for what was handed over when the interpreter exits, and keeps forked workers apart from the courier."""

    def __init__(self, link: Link, termination: Termination) -> None:
        """Use `register`."""
        self._link = link
        self._termination = termination

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
            self._link.flush()
        except SystemExit:  # the reason is in the log; the exit code is settled by now
            pass
        finally:
            self.close()

    def _disown(self) -> None:
        """In a forked worker: the courier is its parent's, and SIGTERM ends it as usual."""
        self._termination.uninstall()
        self._link.disown()
