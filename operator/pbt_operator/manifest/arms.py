"""Mappings of the manifest of which one field, an arm, says what it is: fields that follow from a registry."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar, TypeVar

from pydantic import create_model
from pydantic.alias_generators import to_snake

from pbt_operator.core.wire import Wire


class WithArms(Wire):
    """A mapping with arms.

    Attributes:
        arms: their names in the manifest.
    """

    arms: ClassVar[tuple[str, ...]] = ()

    def given_arms(self) -> dict[str, Any]:
        """The arms that are there, by name."""
        found = {name: getattr(self, _field_of(name)) for name in self.arms}
        return {name: arm for name, arm in found.items() if arm is not None}


@cache
def _field_of(arm: str) -> str:
    return to_snake(arm)


M = TypeVar("M", bound=WithArms)


def with_arms(arms: Mapping[str, type[Wire]], *, told: str = "") -> Callable[[type[M]], type[M]]:
    """Decorates a model with an optional field for each arm, after the inherited fields and before its own.

    Args:
        arms: the models, by the names that they have in the manifest.
        told: what stands for `{arms}` in the docstring, which describes the mapping to users.
    """

    def decorate(model: type[M]) -> type[M]:
        fields = {to_snake(name): (arm | None, None) for name, arm in arms.items()}
        between = _subclass(f"{model.__name__}Arms", model.__bases__, **fields)
        description = (model.__doc__ or "").replace("{arms}", told)
        made: type[M] = _subclass(
            model.__name__, (model, between), __module__=model.__module__, __doc__=description
        )
        made.arms = tuple(arms)
        return made

    return decorate


def _subclass(name: str, bases: Any, **options: Any) -> Any:
    return create_model(name, __base__=bases, **options)
