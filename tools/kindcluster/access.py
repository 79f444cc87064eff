"""The way into a cluster: a context of a kubeconfig, and the programs that follow it."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kindcluster.machine import ClusterError
from programs.build import binary, cache


@dataclass(frozen=True)
class Access:
    """One context of a kubeconfig."""

    kubeconfig: Path
    context: str

    @property
    def folder(self) -> Path:
        """What programs keep about this cluster; nothing of it is needed."""
        return cache() / "clusters" / self.context

    @property
    def environment(self) -> dict[str, str]:
        """For programs that look for the cluster themselves; helm's own files stay out of the user's home."""
        kinds = ("CACHE", "CONFIG", "DATA")
        helm = {f"HELM_{kind}_HOME": str(self.folder / "helm" / kind.lower()) for kind in kinds}
        return {**os.environ, **helm, "KUBECONFIG": str(self.kubeconfig)}

    def kubectl_command(self, *arguments: str) -> list[str]:
        """The words that start kubectl here, with `environment`."""
        return [
            str(binary("kubectl")),
            f"--context={self.context}",
            f"--cache-dir={self.folder / 'kubectl'}",
            *arguments,
        ]

    def kubectl(
        self, *arguments: str, input: str | None = None, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Runs kubectl.

        Raises:
            ClusterError: it failed and `check` is set; the message holds what it printed.
        """
        return self._run(self.kubectl_command(*arguments), input=input, check=check)

    def helm(
        self, *arguments: str, input: str | None = None, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Runs helm.

        Raises:
            ClusterError: it failed and `check` is set; the message holds what it printed.
        """
        command = [str(binary("helm")), f"--kube-context={self.context}", *arguments]
        return self._run(command, input=input, check=check)

    def _run(
        self, command: list[str], *, input: str | None, check: bool
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            command, input=input, capture_output=True, text=True, check=False, env=self.environment
        )
        if check and done.returncode:
            shown = " ".join([Path(command[0]).name, *command[1:]])
            raise ClusterError(f"{shown} failed: {(done.stderr or done.stdout).strip()}")
        return done
