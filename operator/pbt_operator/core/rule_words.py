"""The exploit and the explore of a spec in the words of the manifest, as status and records show them."""

from typing import Any

from pbt_operator.core.rules import EXPLOITS, EXPLORES, ExploreRule, Rule
from pbt_operator.core.spec import Exploit


def exploit_words(exploit: Exploit) -> dict[str, Any]:
    """`spec.exploit` with everything written out: the arm by its name, and what all rules share."""
    (arm,) = (name for name, rule in EXPLOITS.items() if rule is type(exploit.rule))
    shared = {
        "minGap": exploit.min_gap,
        "copy": exploit.copy.value,
        "horizonPercent": exploit.horizon_percent,
    }
    return {arm: _fields(exploit.rule), **shared}


def explore_words(rule: ExploreRule) -> dict[str, Any]:
    """`spec.explore` with everything written out: the fields of the default lie in it, another one is an arm."""
    default, *_ = EXPLORES.values()
    fields = _fields(rule)
    if "factors" in fields:  # then the reach isn't used
        fields.pop("reachPercent", None)
    if type(rule) is default:
        return fields
    (arm,) = (name for name, kind in EXPLORES.items() if kind is type(rule))
    return {arm: fields}


def _fields(rule: Rule) -> dict[str, Any]:
    return rule.model_dump(mode="json", by_alias=True, exclude_none=True)
