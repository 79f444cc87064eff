"""One hyperparameter in the manifest: its name, its distribution and whether it is explored."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pbt_operator.core.distributions import DISTRIBUTIONS, Distribution
from pbt_operator.core.wire import broken
from pbt_operator.core.wording import all_of, any_of
from pbt_operator.manifest.arms import WithArms, with_arms

NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.-]*$"


class _Named(WithArms):
    """What comes before the distributions."""

    name: str = Field(
        min_length=1,
        max_length=63,
        pattern=NAME_PATTERN,
        description="Its name in the training script, such as `lr`. No two have the same.",
    )


@with_arms(DISTRIBUTIONS, told=all_of(f"`{name}`" for name in DISTRIBUTIONS))
class Hyperparameter(_Named):
    """One dimension of the search, with exactly one of {arms}."""

    explore: Literal["Always", "Never"] = Field(
        default="Always",
        description="With Always, it changes when a member is copied. With Never, it is drawn once and copied with "
        "the weights: for what their shapes depend on, such as a number of layers.",
    )

    @model_validator(mode="after")
    def _has_one_distribution(self) -> Self:
        given = self.given_arms()
        if len(given) != 1:
            found = f"has {' and '.join(given)}" if given else "has no distribution"
            raise broken(((), f"{found}; should have exactly one of {any_of(self.arms)}"))
        return self

    @property
    def distribution(self) -> Distribution:
        """The arm that is given."""
        (found,) = self.given_arms().values()
        assert isinstance(found, Distribution)
        return found
