"""The GPUs of this machine, shared out to trainers by CUDA_VISIBLE_DEVICES."""

import os
import shutil
import subprocess
from collections import Counter


class Gpus:
    """Hands out the GPUs that are in use the least."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self._taken: Counter[str] = Counter()

    @classmethod
    def of_this_machine(cls) -> "Gpus":
        """Those of CUDA_VISIBLE_DEVICES where it is set, else all that the driver lists."""
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        if visible is not None:
            return cls([name for name in visible.split(",") if name and name != "-1"])
        if shutil.which("nvidia-smi") is None:
            return cls([])
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
        return cls(
            [str(index) for index, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU ")]
        )

    def take(self, count: int) -> tuple[str, ...]:
        """As many of the least used GPUs as there are, `count` at most."""
        chosen = sorted(self.names, key=lambda name: (self._taken[name], self.names.index(name)))[:count]
        self._taken.update(chosen)
        return tuple(chosen)

    def give_back(self, names: tuple[str, ...]) -> None:
        """They are free again."""
        self._taken.subtract(names)
