"""The distributions that a hyperparameter can have. Each is one file: its arm in the manifest and what it does.

A new one is a file beside these and a line in `DISTRIBUTIONS`: the manifest, the custom resource, the reference and
the page follow.
"""

from pbt_operator.core.distributions.choice import Choice
from pbt_operator.core.distributions.distribution import Distribution
from pbt_operator.core.distributions.integer import Integer
from pbt_operator.core.distributions.log_uniform import LogUniform
from pbt_operator.core.distributions.uniform import Uniform

__all__ = ["DISTRIBUTIONS", "Choice", "Distribution", "Integer", "LogUniform", "Uniform"]

DISTRIBUTIONS: dict[str, type[Distribution]] = {
    "logUniform": LogUniform,
    "uniform": Uniform,
    "integer": Integer,
    "choice": Choice,
}
"""By the name of its arm in the manifest, in the order in which the manifest's texts list them."""
