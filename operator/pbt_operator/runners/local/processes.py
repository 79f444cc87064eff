"""Pods as processes of this machine: started, stopped and watched through the warden."""

import os
import select
import signal
import socket
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pbt_contract import keys
from pbt_contract.assignment import TERMINATION_LOG, Assignment
from pbt_contract.records import Birth
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.manifest.template import TrainerContainer, trainer_container
from pbt_operator.runners.local.doorbell import Doorbell
from pbt_operator.runners.local.gpus import Gpus
from pbt_operator.runners.local.log_tail import disk_trouble, end_of, store_trouble
from pbt_operator.runners.local.run_folder import open_log
from pbt_operator.runners.local.starts import Starts
from pbt_operator.runners.local.warden_link import WardenLink

NOT_EXECUTABLE, NOT_FOUND = 126, 127  # as shells have it, for a program that can't be started
LOOK_SECONDS = 2.0  # between two looks at the ends of the logs


@dataclass
class Process:
    """One trainer process: how the warden starts it, and when it is to be killed, should it not end after SIGTERM."""

    pod: Pod
    log: Path
    log_begins: int
    grace_seconds: float
    gpus: tuple[str, ...]
    order: Mapping[str, Any]
    kill_at: float = field(default=float("inf"))


class LocalPods:
    """The trainers of one population on this machine, which has a place for each.

    Attributes:
        refused_for: see `Pods.refused_for`.
    """

    refused_for: float | None = None

    def __init__(
        self,
        *,
        warden: WardenLink,
        template: Mapping[str, Any],
        source: str,
        assign: Callable[..., Assignment],
        parallelism: int,
        logs: Path,
        check_home: Callable[[], None],
        gpus: Gpus,
        doorbell: Doorbell,
        starts: Starts,
    ) -> None:
        """Starts nothing yet.

        Args:
            warden: starts and ends the processes.
            template: the pod template; its trainer container is what runs.
            source: where the manifest was read from.
            assign: what the trainer of a birth is told, in a pod: takes the birth and `pod`.
            parallelism: among how many trainers the cores are shared out.
            logs: a folder for one log for each member.
            check_home: raises where the run's folder isn't there any more.
            gpus: the machine's.
            doorbell: rings when a trainer has made a record.
            starts: says whose process may start.
        """
        self._warden, self._doorbell, self._starts = warden, doorbell, starts
        self._template, self._source, self._assign = template, source, assign
        self._logs, self._check_home, self._gpus = logs, check_home, gpus
        self._threads = max(1, (os.cpu_count() or 1) // parallelism)
        self._processes: dict[str, Process] = {}
        self._look_at = time.monotonic() + LOOK_SECONDS

    def wait(self, wake: socket.socket, seconds: float) -> None:
        """See `WaitingPods.wait`."""
        # `select` takes no descriptor above 1023, and a process that trains from a notebook may have that many open.
        waits = select.poll()
        for each in (self._warden, self._doorbell, wake):
            waits.register(each.fileno(), select.POLLIN)
        waits.poll(seconds * 1000)
        self._doorbell.clear()

    def close(self) -> None:
        """See `WaitingPods.close`."""
        self._warden.close()
        self._doorbell.close()

    # the verbs

    def observe(self) -> Sequence[Pod]:
        """See `Pods.observe`.

        Raises:
            WardenLost: the warden is gone.
            FolderLost: the run's folder is.
        """
        self._check_home()
        for message in self._warden.receive():
            self._learn(message)
        now = time.monotonic()
        for process in self._processes.values():
            if now >= process.kill_at and not process.pod.ended:
                self._warden.send(do="signal", name=process.pod.name, signal=signal.SIGKILL)
        self._start_due()
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self._look_for_trouble()
        return [process.pod for process in self._processes.values()]

    def _look_for_trouble(self) -> None:
        """What trainers say of a store that doesn't take their records, as a full one: only they find out."""
        full = disk_trouble(self._logs.parent)  # then no log says so
        for process in self._processes.values():
            if process.pod.phase is Phase.RUNNING:
                told = store_trouble(process.log, process.log_begins) or full
                process.pod = replace(process.pod, message=told)

    def look_again(self) -> Sequence[Pod]:
        """See `Pods.look_again`: the warden tells of every process at once."""
        return self.observe()

    def start(self, birth: Birth) -> None:
        """See `Pods.start`."""
        name = keys.life(birth.member, birth.incarnation)
        known = self._processes.get(name)
        if known is not None and not known.pod.ended:
            return
        pod = replace(
            Pod.pending(birth, uid=f"local-{uuid.uuid4().hex[:12]}"), log=str(self._log(birth.member))
        )
        assigned = self._assign(birth, pod=pod.uid).to_environment()
        container = trainer_container(self._template, env=assigned, source=self._source)
        log = self._note(birth.member, name)
        self._words(name).unlink(missing_ok=True)
        gpus = self._gpus.take(container.gpus)
        order = {
            "name": name,
            "command": list(container.command),
            "directory": directory_of(container),
            "environment": {
                **self._machine(gpus),
                TERMINATION_LOG: str(self._words(name)),
                **container.env,
                **assigned,
            },
            "log": str(log),
            "mark": f"PBT_POD={pod.uid}",
        }
        self._processes[name] = Process(pod, log, log.stat().st_size, container.grace_seconds, gpus, order)
        self._starts.wait(name, pod.life)
        self._start_due()

    def relabel(self, pod: Pod, *, member: int, incarnation: int) -> None:
        """See `Pods.relabel`. The process goes on writing to the log that it has; the member's own says which."""
        process = self._processes[pod.name]
        process.pod = replace(process.pod, member=member, incarnation=incarnation)
        self._note(member, f"{keys.life(member, incarnation)} goes on in {process.log.name}")

    def readdress(self, pod: Pod, birth: Birth) -> None:
        """See `Pods.readdress`."""
        raise AssertionError(f"{pod.name} has a place, and is not for {birth.key}")

    def stop(self, pod: Pod) -> None:
        """See `Pods.stop`."""
        process = self._processes[pod.name]
        if process.pod.stopping or process.pod.ended:
            return
        process.pod = replace(process.pod, stopping=True)
        if self._starts.drop(pod.name):
            process.pod = replace(process.pod, phase=Phase.ENDED)  # it never ran
            return
        process.kill_at = time.monotonic() + process.grace_seconds
        self._warden.send(do="signal", name=pod.name, signal=signal.SIGTERM)

    def forget(self, pod: Pod) -> None:
        """See `Pods.forget`."""
        self._gpus.give_back(self._processes.pop(pod.name).gpus)

    def _start_due(self) -> None:
        for name in self._starts.due():
            self._warden.send(do="start", **self._processes[name].order)

    def _note(self, member: int, told: str) -> Path:
        """Begins a paragraph in the member's log, and says where that is."""
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._log(member)
        with os.fdopen(open_log(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "a", encoding="utf-8") as lines:
            lines.write(f"--- {told}\n")
        return log

    def _words(self, name: str) -> Path:
        """Where the process of that name says why it failed."""
        return self._logs / f"{name}.end"

    def _log(self, member: int) -> Path:
        return self._logs / f"{member:0{keys.MEMBER_DIGITS}}.log"

    def _machine(self, gpus: tuple[str, ...]) -> dict[str, str]:
        """What the machine contributes to a trainer's environment: the template may override it."""
        return {
            **os.environ,
            "PATH": search_path(),
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": str(self._threads),
            **({"CUDA_VISIBLE_DEVICES": ",".join(gpus)} if gpus else {}),
        }

    def _learn(self, message: dict[str, Any]) -> None:
        process = self._processes.get(message["name"])
        if process is None:
            return
        if "pid" in message:
            process.pod = replace(process.pod, phase=Phase.RUNNING)
            return
        self._starts.drop(process.pod.name)
        if "error" in message:
            code = NOT_FOUND if message["missing"] else NOT_EXECUTABLE
            process.pod = replace(process.pod, phase=Phase.ENDED, exit_code=code, message=message["error"])
        else:
            code = message["code"]
            process.pod = replace(
                process.pod,
                phase=Phase.ENDED,
                exit_code=128 - code if code < 0 else code,  # as a container's: 137 for SIGKILL
                message=end_of(self._words(process.pod.name), process.log, process.log_begins),
            )


def directory_of(container: TrainerContainer) -> str:
    """The container's working directory where this machine has it, else the current one."""
    directory = container.working_dir
    return directory if directory and Path(directory).is_dir() else str(Path.cwd())


def search_path() -> str:
    """PATH of the trainers. The interpreter that runs us comes first, so that `python` is the one with the SDK."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
