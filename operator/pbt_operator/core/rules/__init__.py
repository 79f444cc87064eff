"""The rules of Population Based Training. Each is one file: its arm in the manifest and what it does.

An exploit says who loses a round and whom each loser may copy, an explore how the copied hyperparameters change. A new
one is a file beside these and a line in `EXPLOITS` or `EXPLORES`: the manifest, the custom resource, the reference,
the audit and the page follow.
"""

from pbt_operator.core.rules.bandit import Bandit
from pbt_operator.core.rules.binary_tournament import BinaryTournament
from pbt_operator.core.rules.no_exploit import NoExploit
from pbt_operator.core.rules.perturb import Perturb
from pbt_operator.core.rules.round_view import RoundView
from pbt_operator.core.rules.rule import ExploitRule, ExploreRule, Loser, Move, Mover, Replay, Rule
from pbt_operator.core.rules.t_test import TTest
from pbt_operator.core.rules.truncation import Truncation

__all__ = [
    "EXPLOITS",
    "EXPLORES",
    "Bandit",
    "BinaryTournament",
    "ExploitRule",
    "ExploreRule",
    "Loser",
    "Move",
    "Mover",
    "NoExploit",
    "Perturb",
    "Replay",
    "RoundView",
    "Rule",
    "TTest",
    "Truncation",
]

EXPLOITS: dict[str, type[ExploitRule]] = {
    "truncation": Truncation,
    "binaryTournament": BinaryTournament,
    "tTest": TTest,
    "none": NoExploit,
}
"""By the name of the arm in the manifest; the first is the default, and all its fields have one."""

EXPLORES: dict[str, type[ExploreRule]] = {
    "perturb": Perturb,
    "bandit": Bandit,
}
"""By the name of the arm; the fields of the first, the default, lie directly in the manifest's `explore`."""
