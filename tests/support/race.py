"""Several processes that do the same thing at the same moment."""

import subprocess
import sys
from contextlib import ExitStack

START = "print('ready', flush=True); input()"
"""A script executes this line when it is ready, and goes on when all others are."""


def race(script: str, *arguments: str, num_processes: int = 4) -> list[str]:
    """Runs `script` in several processes, each with `arguments` and its number; returns what they printed."""
    with ExitStack() as stack:
        processes = []
        for number in range(num_processes):
            command = [sys.executable, "-c", script, *arguments, str(number)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            processes.append(process)
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        printed = [process.communicate(timeout=60)[0].strip() for process in processes]
        assert [process.returncode for process in processes] == [0] * num_processes
        return printed
