"""`pbt operator` as a process of this machine, with its probes and metrics."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from support.servers import free_port

SECONDS = 90
# Both HTTP clients that block, boto3's and Kubernetes', are http.client underneath; kopf's own isn't.
SCRIPT = """
import sys, threading
threads = set()
def note(event, _):
    name = threading.current_thread().name.rstrip("0123456789")
    if event == "http.client.send" and name not in threads:
        threads.add(name)
        print("blocking request on", name, file=sys.stderr, flush=True)
sys.addaudithook(note)
from pbt_operator.cli.main import main
main(sys.argv[1:])
"""

T = TypeVar("T")


def until(found: Callable[[], T], *, seconds: float = SECONDS) -> T:
    """What `found` returns as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < deadline, f"not in time; the last answer was {answer!r}"
        time.sleep(0.1)
    return answer


class Operator:
    """`pbt operator` as a process.

    Attributes:
        port: of its probes and metrics.
        log: what all its processes have printed.
    """

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any],
        kubeconfig: Path,
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Makes its folder; `environment` holds variables that it has in addition."""
        folder.mkdir()
        self._folder, self._config, self._kubeconfig = folder, config, kubeconfig
        self.port, self.log, self._file = free_port(), folder / "operator.log", folder / "config.yaml"
        self._file.write_text(yaml.safe_dump({**config, "port": self.port}))
        self._environment = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(kubeconfig),
            "AWS_EC2_METADATA_DISABLED": "true",
            **(environment or {}),
        }
        self._extra = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        command = [sys.executable, "-c", SCRIPT, "operator", "--config", str(self._file)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        until(lambda: self.get("/readyz")[0] == 200)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends it by a signal; returns its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(60)

    def ended(self) -> int:
        """Its exit code, when it has ended by itself."""
        assert self._process is not None
        return self._process.wait(SECONDS)

    def twin(self, name: str = "twin", **config: Any) -> "Operator":
        """Another one like it, but for these settings."""
        settings = {**self._config, **config}
        return Operator(self._folder / name, settings, self._kubeconfig, environment=self._extra)

    def close(self) -> None:
        """Ends it if it runs."""
        if self._process is not None and self._process.poll() is None:
            self.end()

    def get(self, path: str) -> tuple[int, str]:
        """The answer of its HTTP server: status (0 where nothing listens) and text."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str, **labels: str) -> float:
        """The sum of what its metrics show under a name with these labels."""
        wanted = {f'{label}="{value}"' for label, value in labels.items()}
        lines = [
            line
            for line in self.get("/metrics")[1].splitlines()
            if line.startswith((f"{name}{{", f"{name} "))
        ]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if all(label in line for label in wanted))
