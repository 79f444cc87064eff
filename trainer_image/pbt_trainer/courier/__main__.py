"""The courier's process: `python -m pbt_trainer.courier FD` serves one socket until the trainer closes it or dies."""

import logging
import os
import signal
import socket
import sys
import traceback
from contextlib import suppress

from pbt_trainer.courier.channel import Channel
from pbt_trainer.courier.courier import Courier
from pbt_trainer.courier.messages import Begin, Logged, Order
from pbt_trainer.log import logger, set_up_default


class _Forwarding(logging.Handler):
    """Sends records to the trainer, whose script has set up logging."""

    def __init__(self, channel: Channel[Order]) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):  # the trainer is gone
            self._channel.send(Logged(level=record.levelno, message=self.format(record)))


def main(descriptor: int) -> None:
    """Serves the socket `descriptor`, cleans up, and ends the process without waiting for any thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the trainer decides when to leave
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    channel: Channel[Order] = Channel(socket.socket(fileno=descriptor), Order)
    status = 1
    try:
        begin = channel.receive(None)
        assert isinstance(begin, Begin)
        _set_up_log(begin, channel)
        courier = Courier(channel, begin)
        try:
            courier.serve()
            status = 0
        finally:
            courier.remove_folder()
    except EOFError:  # the trainer died before it sent anything
        pass
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(status)


def _set_up_log(begin: Begin, channel: Channel[Order]) -> None:
    logger.setLevel(begin.log_level)
    if begin.forwards_log:
        logger.addHandler(_Forwarding(channel))
    set_up_default()


if __name__ == "__main__":
    main(int(sys.argv[1]))
