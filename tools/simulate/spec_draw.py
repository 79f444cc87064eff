"""The population of one world: its kind is drawn from the seed."""

from random import Random
from typing import Any

from pbt_operator.core.rules.bandit import FEWEST_ROUNDS
from simulate.world import World


def draw_population(world: World, *, is_scarce: bool) -> dict[str, Any]:
    """What is asked in a world.

    Args:
        world: its chances.
        is_scarce: whether the world is one in which members are to take turns for long.
    """
    spec = draw_budget(world.chance("budget"), draw_spec(world.chance("spec")))
    if is_scarce:
        _make_long(world.chance("turns"), spec)
    if not world.knows_room:
        return spec
    seldom = world.chance("seldom drawn")
    if seldom.random() < 0.05 and spec.get("strategy") == "Explicit":
        spec["exploit"] = {"none": {}, "minGap": spec["exploit"]["minGap"]}
    if seldom.random() < 0.05:
        spec.setdefault("limits", {})["activeSeconds"] = seldom.choice((60, 300, 900))
    if world.chance("sub-populations").random() < 0.1 and _may_have_parts(spec):
        _part(world.chance("parts"), spec)
    if world.chance("bandit").random() < 0.03 and _may_have_parts(spec):
        _ask_a_bandit(world.chance("choices"), spec)
    return spec


def _ask_a_bandit(random: Random, spec: dict[str, Any]) -> None:
    """An explore that learns, and as many rounds as it takes to choose something."""
    schedule = spec["schedule"]
    rounds = FEWEST_ROUNDS + random.randint(1, 4)
    schedule |= {"totalSteps": schedule["intervalSteps"] * rounds, "burnInSteps": 0}
    spec["members"] = spec["parallelism"] = max(4, spec["members"])
    spec["exploit"].pop("horizonPercent", None)
    spec["explore"] = {"bandit": {}}
    spec["objective"].pop("target", None)


def _may_have_parts(spec: dict[str, Any]) -> bool:
    return spec.get("strategy") == "Explicit" and "none" not in spec["exploit"]


def _part(random: Random, spec: dict[str, Any]) -> None:
    """Two sub-populations, and enough members for both."""
    members = random.choice((8, 9, 12))
    spec |= {"members": members, "parallelism": random.choice((members, members, members // 2))}
    spec["exploit"].pop("horizonPercent", None)
    slow = random.choice(({"everyRounds": 2}, {"everyRounds": 3}, {"horizonPercent": 30}))
    spec["subPopulations"] = random.choice(([{"everyRounds": 1}, slow], [slow, {"horizonPercent": 0}]))


def _make_long(random: Random, spec: dict[str, Any]) -> None:
    """More members and rounds than a shortage takes to show, and nothing that ends it before."""
    members, schedule = random.randint(3, 6), spec["schedule"]
    spec["members"] = spec["parallelism"] = members
    spec["restart"] = random.choice(("InPlace", "InPlace", "Recreate"))
    schedule["totalSteps"] = schedule["intervalSteps"] * random.randint(8, 16)
    schedule["progressDeadlineSeconds"] = 3600
    for name in ("activeDeadlineSeconds", "limits", "plateau"):
        spec.pop(name, None)
    spec["objective"].pop("target", None)


def draw_spec(random: Random) -> dict[str, Any]:
    """A population of some kind."""
    members = random.randint(2, 5)
    interval = random.choice((2, 3, 5))
    exploit = random.choice(
        (
            {"truncation": {"percent": 25}},
            {"truncation": {"percent": 50}},
            {"binaryTournament": {}},
            {"truncation": {"percent": 30}, "copy": "Weights"},
        )
    )
    spec: dict[str, Any] = {
        "members": members,
        "parallelism": random.choice((members, members, max(1, members // 2))),
        "objective": {"metric": "score", "goal": random.choice(("Maximize", "Minimize"))},
        "schedule": {
            "totalSteps": interval * random.randint(3, 7) + random.choice((0, 0, 1)),
            "intervalSteps": interval,
            "quorumPercent": random.choice((50, 75, 100, 100)),
            "stragglerTimeoutSeconds": random.choice((30, 600)),
            "progressDeadlineSeconds": random.choice((200, 3600)),
        },
        "hyperparameters": [{"name": "rate", "uniform": {"min": 0.0, "max": 1.0}}],
        "retention": {"checkpointsPerMember": random.choice((1, 2)), "onDelete": "Retain"},
        "restart": random.choice(("Recreate", "InPlace")),
        "seed": random.randrange(1000),
        "backoffLimit": random.choice((0, 1, 2, 6)),
        "storage": {},
        "template": {
            "spec": {
                "terminationGracePeriodSeconds": random.choice((1, 20)),
                "containers": [
                    {
                        "name": "trainer",
                        "image": "trainer",
                        "env": [
                            {"name": "PBT_STORE_PATIENCE_SECONDS", "value": random.choice(("60", "3600"))}
                        ],
                    }
                ],
            }
        },
    }
    if random.random() < 0.5:
        spec["hyperparameters"] = [{"name": "rate", "logUniform": {"min": 0.01, "max": 1.0}}]
    rules = _draw_rules(random, exploit)
    _draw_terms(random, spec)
    rules.setdefault("exploit", {})["minGap"] = random.choice((0.0, 0.0, 0.5, 2.0))
    return {**spec, **rules}


def draw_budget(random: Random, spec: dict[str, Any]) -> dict[str, Any]:
    """The spec with a limit, or the rounds after which a plateau is one; without either, mostly."""
    most = spec["members"] * spec["schedule"]["totalSteps"]
    match random.randrange(12):
        case 0:
            spec["limits"] = {"totalMemberSteps": random.randint(1, most)}
        case 1:
            spec["limits"] = {"gpuHours": random.randint(1, 4 * most) / 3600}
            spec["template"]["spec"]["containers"][0]["resources"] = {"limits": {"amd.com/gpu": 2}}
        case 2:
            spec["plateau"] = {"rounds": random.randint(1, 4), "minGain": random.choice((0.0, 0.5))}
    return spec


def _draw_terms(random: Random, spec: dict[str, Any]) -> None:
    """From when on it replaces, when it ends before the last step, and what is left of it when it is deleted."""
    interval = spec["schedule"]["intervalSteps"]
    spec["schedule"]["maxLead"] = random.choice((0, 1, 2, 2, 3))
    spec["schedule"]["burnInSteps"] = random.choice((0, 0, 0, 0, interval, interval + 1))
    target = random.choice((None, None, None, None, None, None, 8.0, 16.0))
    if target is not None:
        spec["objective"]["target"] = target
    seconds = random.choice((None, None, None, None, None, None, 90, 300))
    if seconds is not None:
        spec["activeDeadlineSeconds"] = seconds
    spec["retention"]["onDelete"] = random.choice(("Retain", "Delete"))


def _draw_rules(random: Random, exploit: dict[str, Any]) -> dict[str, Any]:
    """Who chooses exploit and explore, and what is given of them."""
    strategy = random.choice(("Explicit", "Explicit", "Auto", None))
    if strategy == "Explicit":
        horizon, explore = random.choice((0, 0, 10, 50)), random.choice(({}, {"reachPercent": 40}))
        return {"strategy": strategy, "exploit": {**exploit, "horizonPercent": horizon}, "explore": explore}
    asked = {name: exploit[name] for name in ("copy",) if name in exploit}
    return {**({"strategy": strategy} if strategy else {}), **({"exploit": asked} if asked else {})}
