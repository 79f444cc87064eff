"""Several processes of one member (torchrun): which one leads, and how all of them agree."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pbt_contract.errors import UsageError
from pbt_trainer.session.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process's place among those of its member.

    Attributes:
        rank: from 0, which leads.
        world: how many processes the member has.
    """

    rank: int = 0
    world: int = 1

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Ranks":
        """Reads what torchrun sets.

        Raises:
            UsageError: RANK and WORLD_SIZE are no numbers.
        """
        try:
            return cls(rank=int(environ.get("RANK", "0")), world=int(environ.get("WORLD_SIZE", "1")))
        except ValueError as error:
            raise UsageError(f"RANK and WORLD_SIZE should be whole numbers: {error}") from error

    @property
    def leads(self) -> bool:
        """Whether this is the process that claims, reports and saves."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        """Whether there is only one process."""
        return self.world == 1

    @property
    def connected(self) -> bool:
        """Whether the processes can agree on anything."""
        return self.alone or _distributed() is not None

    def agree(self, verdict: Verdict) -> Verdict:
        """Rank 0's verdict, broadcast as one int64; every rank calls this at the same step.

        Processes that aren't connected decide for themselves.

        Args:
            verdict: of this process.
        """
        distributed = _distributed()
        if self.alone or distributed is None:
            return verdict
        message = _message(distributed, int(verdict))
        distributed.broadcast(message, src=0)
        return Verdict(int(message.item()))

    def all(self, yes: bool) -> bool:
        """Whether every rank says yes; every rank calls this at the same step."""
        distributed = _distributed()
        if self.alone or distributed is None:
            return yes
        message = _message(distributed, int(yes))
        distributed.all_reduce(message, op=distributed.ReduceOp.MIN)
        return bool(message.item())


def _message(distributed: Any, number: int) -> Any:
    """One int64 where the backend takes it."""
    import torch

    on_gpu = distributed.get_backend() == "nccl"
    device = torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")
    return torch.tensor([number], device=device)


def _distributed() -> Any:
    """The module of an initialised process group, if there is one."""
    module = sys.modules.get("torch.distributed")
    return module if module is not None and module.is_available() and module.is_initialized() else None
