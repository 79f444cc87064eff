"""Population Based Training: the operator, the local runner, the command line, and the Python API.

    import pbt_operator as pbt

    result = pbt.fit(train, hyperparameters={"lr": pbt.LogUniform(1e-4, 1)}, metric="val_accuracy",
                     members=8, total_steps=4000, interval_steps=200)

Importing it loads nothing: each name below is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pbt_contract.errors import PbtError
    from pbt_operator.api.declared import Population
    from pbt_operator.api.fitting import fit
    from pbt_operator.api.function_file import FunctionRefused
    from pbt_operator.api.result import Best, Result, load
    from pbt_operator.api.spaces import Choice, Integer, LogUniform, OneMinus, Uniform
    from pbt_operator.api.training import Interrupted, PopulationFailed
    from pbt_operator.manifest.errors import ManifestError

__all__ = [
    "Best",
    "Choice",
    "FunctionRefused",
    "Integer",
    "Interrupted",
    "LogUniform",
    "ManifestError",
    "OneMinus",
    "PbtError",
    "Population",
    "PopulationFailed",
    "Result",
    "Uniform",
    "fit",
    "load",
]

_HOMES = {
    "pbt_contract.errors": ["PbtError"],
    "pbt_operator.api.declared": ["Population"],
    "pbt_operator.api.fitting": ["fit"],
    "pbt_operator.api.function_file": ["FunctionRefused"],
    "pbt_operator.api.result": ["Best", "Result", "load"],
    "pbt_operator.api.spaces": ["Choice", "Integer", "LogUniform", "OneMinus", "Uniform"],
    "pbt_operator.api.training": ["Interrupted", "PopulationFailed"],
    "pbt_operator.manifest.errors": ["ManifestError"],
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
