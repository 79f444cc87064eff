"""What strategy Auto chooses: exploit and explore, from the spec that a population starts with."""

from typing import NamedTuple

from pbt_operator.core.rules import ExploreRule, Perturb, Truncation
from pbt_operator.core.spec import Exploit, Spec


class AutoRules(NamedTuple):
    """Exploit and explore; `min_gap` and `copy` of the exploit are the manifest's to say."""

    exploit: Exploit
    explore: ExploreRule


def auto_rules(spec: Spec) -> AutoRules:  # noqa: ARG001
    """Chooses exploit and explore for a population that is about to start.

    It is asked once in a population's time; what it answers is recorded, so that another answer of a later version
    is for populations that begin later. Pure, and the same on every machine.

    Args:
        spec: what it starts with: members, rounds and space may count; its own exploit and explore don't.
    """
    # Of the rules that end below random search nowhere, under a script's own cosine either, the one that learns most
    # (docs/learning.md). A shorter horizon learns more where rates don't anneal and adapts faster; with an annealing
    # script it replaces members that would have won.
    exploit = Exploit(Truncation(percent=25), horizon_percent=30)
    return AutoRules(exploit, Perturb(reachPercent=20, resamplePercent=50))
