"""A process that takes a checkpoint over after an exploit, for one script drawn at random, and prints what came of it.

`python -m unit.trainer.fresh_process SEED FOLDER`
"""

import hashlib
import sys
import types
from pathlib import Path

import torch

from unit.trainer.random_scripts import hyperparameters, script, steps_of, train
from unit.trainer.script_facts import portable
from unit.trainer.training import Member


def outcome(member: Member, seed: int) -> str:
    """A digest of everything, just restored and some steps later."""
    drawn, (before, _, after) = script(seed), steps_of(seed)
    restored = portable(member.objects)
    train(member.objects, drawn, after, seed=12, begin=before)
    return hashlib.sha256(restored + portable(member.objects)).hexdigest()


if __name__ == "__main__":
    torch.set_num_threads(1)
    # Nothing is compiled here, and the compiler's import takes longer than the rest.
    stub = types.ModuleType("torch._dynamo")
    stub.disable = lambda function=None, *_, **__: function  # type: ignore[attr-defined]
    stub.graph_break = lambda *_, **__: None  # type: ignore[attr-defined]
    sys.modules["torch._dynamo"] = torch._dynamo = stub
    number, folder = int(sys.argv[1]), Path(sys.argv[2])
    _, _, now = hyperparameters(number)
    newborn = Member(script(number).build, now, seed=3)
    newborn.exploit(folder, now, in_place=False)
    print(outcome(newborn, number))
