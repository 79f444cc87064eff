"""The laws of what a spec asks for: a strategy is kept, whoever scales, adopts or drives; a horizon is followed; no
record has a value of `env`."""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import UNSET

from pbt_contract import keys
from pbt_contract.stores import Store
from pbt_operator.core.horizon import due
from pbt_operator.core.round_record import Round
from pbt_operator.manifest.env_values import without_env_values
from pbt_operator.manifest.population import recorded, to_core
from pbt_operator.records import specs

STEERED = {"minGap", "copy"}
"""What a manifest may say of an exploit that Auto has chosen."""


def judge_specs(store: Store, written: Iterable[Round], blame: Callable[[str], None]) -> None:
    """All of them.

    Args:
        store: at the location.
        written: the rounds in the order in which they were written; none where two operators were at work.
        blame: takes each fault.
    """
    _judge_strategy(store, blame)
    _judge_horizon(store, written, blame)
    _judge_values(store, blame)


def _judge_strategy(store: Store, blame: Callable[[str], None]) -> None:
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


def _judge_values(store: Store, blame: Callable[[str], None]) -> None:
    """The values of `env` in a manifest may be secrets, and no spec record has them."""
    for key in store.names(keys.SPECS):
        spec = specs.read(store, keys.number_in(key)).spec
        if without_env_values(spec) != spec:
            blame(f"11: {key} holds values of env")


def _judge_horizon(store: Store, written: Iterable[Round], blame: Callable[[str], None]) -> None:
    """Each round is planned after the newest one that was there, and replaces nobody before it is due.

    The audit can't be as strict, for it doesn't know in which order two operators wrote.
    """
    newest: Round | None = None
    for decided in written:
        spec = to_core(recorded(specs.read(store, decided.spec)))
        percent = spec.exploit.horizon_percent
        planned = due(newest, percent, spec.schedule) if percent else UNSET
        if decided.due != planned:
            blame(f"5: {decided.key} says losers are due in {decided.due}, and was planned for {planned}")
        if decided.decisions and planned is not UNSET and decided.number < planned:
            blame(f"5: {decided.key} replaces losers, who are due in {planned}")
        newest = decided if newest is None or decided.number > newest.number else newest
