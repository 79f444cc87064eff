"""Members of the recipe for JAX, in forks of this process, which has imported it and computed nothing."""

from pathlib import Path

import jax
import optax  # noqa: F401  (for the forks)
import sklearn.datasets  # noqa: F401
from flax import nnx  # noqa: F401

from frameworks.lives import EXAMPLES, lives
from frameworks.recipes import RECIPES, assert_lived
from unit.trainer.population import population_in


def test_a_member_goes_back_and_forward_in_place(tmp_path: Path) -> None:
    assert not jax._src.xla_bridge.backends_are_initialized()  # its threads would be missing in a fork
    (example,) = (each for each in RECIPES if each.name == "jax_digits")
    given = {"total_steps": 12, "interval_steps": 2, "objective": "accuracy"}
    script = EXAMPLES / "jax_digits.py"
    with population_in(tmp_path) as population, lives(population, script, **given) as found:
        found.back_and_forward({"lr": 3e-3, "smoothing": 0.1}, changed={"lr": 1e-3}, saves=True)
        assert_lived(found, example)
