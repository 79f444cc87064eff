"""The law of the strategy: what a population began with, it keeps, whoever scales it, adopts it or drives it."""

from collections.abc import Callable
from typing import Any

from pbt_contract import keys
from pbt_contract.stores import Store
from pbt_operator.records import specs

STEERED = {"minGap", "copy"}
"""What a manifest may say of an exploit that Auto has chosen."""


def judge_strategy(store: Store, blame: Callable[[str], None]) -> None:
    """All spec records have the strategy of the first one, and with Auto what was chosen then."""
    kept = [(key, _kept(specs.read(store, keys.number_in(key)).spec)) for key in store.names(keys.SPECS)]
    for key, found in kept[1:]:
        if found != kept[0][1]:
            blame(f"11: {key} has {found}, and the population began with {kept[0][1]}")


def _kept(spec: dict[str, Any]) -> dict[str, Any]:
    if spec["strategy"] != "Auto":
        return {"strategy": spec["strategy"]}
    exploit = {name: value for name, value in spec["exploit"].items() if name not in STEERED}
    return {"strategy": spec["strategy"], "exploit": exploit, "explore": spec["explore"]}
