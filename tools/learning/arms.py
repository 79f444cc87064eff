"""The arms that the product itself can be: random search, its rules, horizons and moves, and what is asked of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from learning.forms import Annealed, Form, scheduled
from learning.population import Outcome, run, spec_of
from learning.task import Task
from pbt_operator.core.auto import auto_rules
from pbt_operator.core.rules import (
    Bandit,
    BinaryTournament,
    ExploreRule,
    NoExploit,
    Perturb,
    Truncation,
    TTest,
)
from pbt_operator.core.spec import Exploit, Spec
from pbt_operator.core.sub_populations import SubPopulation

OLD = (0.8, 1.25)
"""The factors of the first papers."""


@dataclass(frozen=True, slots=True)
class Arm:
    """Something that trains a population.

    Attributes:
        about: in one line, for the table.
        run: a task in its form, the number of members, and a seed.
    """

    about: str
    run: Callable[[Task, int, int], Outcome]


def arm(
    about: str, exploit: Exploit, explore: ExploreRule | None = None, parts: Sequence[SubPopulation] = ()
) -> Arm:
    """An arm of the core's own rules."""

    def train(task: Task, members: int, seed: int) -> Outcome:
        return run(task, spec_of(task, members, exploit=exploit, explore=explore, parts=parts), seed)

    return Arm(about, train)


def _defaults(task: Task, members: int, seed: int) -> Outcome:
    first = [task.defaults] * members
    return run(task, spec_of(task, members, exploit=NOBODY, first=first), seed)


def _random_cosine(task: Task, members: int, seed: int) -> Outcome:
    return run(annealed(task), spec_of(task, members, exploit=NOBODY), seed)


def _schedule(task: Task, members: int, seed: int) -> Outcome:
    return run(scheduled(task), spec_of(task, members, exploit=NOBODY), seed)


def auto_spec(task: Task, members: int) -> Spec:
    """What a manifest without exploit and explore gets."""
    spec = spec_of(task, members)
    exploit, explore = auto_rules(spec)
    return replace(spec, exploit=exploit, explore=explore)


def _auto(task: Task, members: int, seed: int) -> Outcome:
    return run(task, auto_spec(task, members), seed)


def annealed(task: Task) -> Task:
    """A task whose script anneals; one that does so already is left as it is."""
    if isinstance(task, Annealed):
        return task
    return type(task)(annealed(task.inner)) if isinstance(task, Form) else Annealed(task)


def _parted(about: str, *paces: int, by: ExploreRule | None = None) -> Arm:
    """Sub-populations by their horizons in percent, 0 for every round, with the moves of Auto."""
    parts = [SubPopulation(horizon_percent=pace) for pace in paces]
    return arm(f"sub-populations with Auto's moves: {about}", Exploit(), by or AUTO_MOVES, parts)


NOBODY = Exploit(NoExploit())
AUTO_MOVES = Perturb(reachPercent=20, resamplePercent=50)
AUTO_BANDIT = Bandit(reachPercent=20, resamplePercent=50)
OLD_MOVES = Perturb(factors=OLD)

ARMS: Mapping[str, Arm] = {
    "defaults": Arm("what a script's author would have set, for all members", _defaults),
    "random": arm("random search: nobody copies", NOBODY),
    "random-cosine": Arm("random search, annealed by the script", _random_cosine),
    "schedule": Arm("the best schedule by hand", _schedule),
    "auto": Arm("what a manifest without exploit and explore gets", _auto),
    "truncation-old": arm("truncation in every round, factors 0.8 and 1.25", Exploit(), OLD_MOVES),
    "truncation": arm("truncation in every round", Exploit()),
    "tournament": arm("binary tournament in every round", Exploit(BinaryTournament())),
    "t-test": arm("t-test in every round", Exploit(TTest())),
    "truncation-10": arm("truncation of 10 percent in every round", Exploit(Truncation(percent=10))),
    "bandit": arm("truncation in every round, a bandit chooses", Exploit(), Bandit()),
    "bandit-old": arm("the same, factors 0.8 and 1.25 without evidence", Exploit(), Bandit(factors=OLD)),
    "resample-50": arm("truncation, resampling half", Exploit(), Perturb(resamplePercent=50)),
    "horizon-10": arm("truncation, horizon 10", Exploit(horizon_percent=10)),
    "horizon-20": arm("truncation, horizon 20", Exploit(horizon_percent=20)),
    "horizon-20-old": arm(
        "truncation, horizon 20, factors 0.8 and 1.25", Exploit(horizon_percent=20), OLD_MOVES
    ),
    "horizon-20-resample-50": arm(
        "truncation, horizon 20, resampling half",
        Exploit(horizon_percent=20),
        Perturb(resamplePercent=50),
    ),
    "tournament-horizon-20": arm(
        "binary tournament, horizon 20", Exploit(BinaryTournament(), horizon_percent=20)
    ),
    "parts-0-20": _parted("one in every round, one with horizon 20", 0, 20),
    "parts-0-50": _parted("one in every round, one with horizon 50", 0, 50),
    "parts-10-50": _parted("one with horizon 10, one with horizon 50", 10, 50),
    "parts-30-30-30-0": _parted("three with horizon 30, one in every round", 30, 30, 30, 0),
    "parts-0-20-bandit": _parted(
        "one in every round, one with horizon 20, a bandit chooses", 0, 20, by=AUTO_BANDIT
    ),
    "t-test-horizon-20": arm("t-test, horizon 20", Exploit(TTest(), horizon_percent=20)),
}
"""By name. The peers' arms are run by `learning.peers`, in an environment of their own."""
