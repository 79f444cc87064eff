"""Runs a script whose process, in its first life, waits after step 6 for the birth that it is to continue with."""

import runpy
import sys
from importlib import import_module
from typing import Any

from pbt_trainer.session.session import Session
from pbt_trainer.session.verdict import Verdict

STEP = 6
running = import_module("pbt_trainer.run")
consult = running.consult  # type: ignore[attr-defined]


def held(member: Session, *, step: int, **named: Any) -> Verdict:
    if member.birth.incarnation == 1 and step == STEP:
        member.link.await_offer()
    verdict: Verdict = consult(member, step=step, **named)
    return verdict


running.consult = held  # type: ignore[attr-defined]
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
