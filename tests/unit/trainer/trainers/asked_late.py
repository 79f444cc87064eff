"""A trainer that is asked to leave right when it has said that it starts anew."""

import logging
import os
import runpy
import signal
import sys
from pathlib import Path


class Asks(logging.Filter):
    def filter(self, record):
        if "starting anew" in record.getMessage():
            os.kill(os.getpid(), signal.SIGTERM)
        return True


logging.getLogger("pbt").addFilter(Asks())
runpy.run_path(str(Path(sys.argv[0]).with_name("plain.py")))
