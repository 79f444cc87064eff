"""A process that takes a checkpoint over after an exploit, for one script drawn at random, and prints what came of it.

`python -m unit.trainer.fresh_process SEED FOLDER`
"""

import hashlib
import sys
import types
from pathlib import Path

import torch

# Nothing is compiled here, and its import takes longer than the rest.
_stub = types.ModuleType("torch._dynamo")
_stub.disable = lambda fn=None, **_options: fn  # type: ignore[attr-defined]
sys.modules.setdefault("torch._dynamo", _stub)

from unit.trainer.random_scripts import hyperparameters, portable, script, steps_of, train  # noqa: E402
from unit.trainer.training import Member  # noqa: E402


def outcome(member: Member, seed: int) -> str:
    """A digest of everything, just restored and some steps later."""
    drawn, (before, _, after) = script(seed), steps_of(seed)
    restored = portable(member.objects)
    train(member.objects, drawn, after, seed=12, begin=before)
    return hashlib.sha256(restored + portable(member.objects)).hexdigest()


if __name__ == "__main__":
    torch.set_num_threads(1)
    number, folder = int(sys.argv[1]), Path(sys.argv[2])
    _, _, now = hyperparameters(number)
    newborn = Member(script(number).build, now, seed=3)
    newborn.exploit(folder, now, in_place=False)
    print(outcome(newborn, number))
