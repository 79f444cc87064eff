"""States of JAX, optax and flax: they come back usable by these libraries as they are, bit for bit."""

from pathlib import Path
from typing import Any, NamedTuple

import flax
import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest
from flax import nnx
from flax.training.train_state import TrainState

from pbt_contract.errors import StateError
from pbt_trainer.state.checkpoint_files import Checkpoint
from unit.trainer.training import Member

INPUTS = jnp.linspace(-1.0, 1.0, 32).reshape(8, 4)


class Holder:
    """How a script tracks values that it replaces: an object with the two methods."""

    def __init__(self, **values: Any) -> None:
        self.values = values

    def state_dict(self) -> dict[str, Any]:
        return self.values

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.values = state


class Network(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.Dense(3)(nn.tanh(nn.Dense(5)(x)))


def holding(holder: Any) -> Member:
    return Member(lambda _hp: {"training": holder}, {}, seed=0)


def through(donor: Any, other: Any, folder: Path) -> Any:
    """What `other` has after a restore from the checkpoint of `donor`."""
    again = holding(other)
    again.resume(holding(donor).save(folder))
    return again.objects["training"].state_dict()


def bits(array: jax.Array) -> bytes:
    typed = jnp.issubdtype(array.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(array) if typed else array).tobytes()


def same(a: Any, b: Any) -> None:
    """Equal in structure, classes, types, placement of types, and bits."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for one, two in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert type(one) is type(two)
        if isinstance(one, jax.Array):
            assert one.aval == two.aval
            assert getattr(one, "weak_type", False) == getattr(two, "weak_type", False)
            assert bits(one) == bits(two)
        else:
            assert one == two


OPTIMIZERS = {
    "chain": optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(optax.cosine_decay_schedule(1e-2, 20))),
    "injected": optax.inject_hyperparams(optax.sgd)(learning_rate=0.1, momentum=0.9),
    "masked": optax.masked(optax.lion(1e-3), {"params": {"Dense_0": True, "Dense_1": False}}),
    "several": optax.MultiSteps(optax.sgd(1e-2, momentum=0.9), every_k_schedule=3),
    "schedule-free": optax.contrib.schedule_free_adamw(1e-2),
    "partitioned": optax.partition(
        {"first": optax.rmsprop(0.1), "second": optax.adafactor(0.1)},
        {"params": {"Dense_0": "first", "Dense_1": "second"}},
    ),
    "plateau": optax.chain(optax.adam(0.1), optax.contrib.reduce_on_plateau(patience=2)),
}


def loss(params: Any, key: jax.Array) -> jax.Array:
    noise = jax.random.normal(key, INPUTS.shape) * 0.01
    return jnp.square(Network().apply(params, INPUTS + noise) - 1.0).mean()


def step(optimizer: Any, values: dict[str, Any]) -> dict[str, Any]:
    key, used = jax.random.split(values["key"])
    value, gradient = jax.value_and_grad(loss)(values["params"], used)
    extra = {"value": value} if "ReduceLROnPlateau" in str(type(values["opt_state"][-1])) else {}
    updates, opt_state = optimizer.update(gradient, values["opt_state"], values["params"], **extra)
    return {"params": optax.apply_updates(values["params"], updates), "opt_state": opt_state, "key": key}


def begun(optimizer: Any, seed: int) -> dict[str, Any]:
    key = jax.random.key(seed)
    params = Network().init(key, INPUTS)
    return {"params": params, "opt_state": optimizer.init(params), "key": key}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_training_with_optax_continues_bit_for_bit(name: str, tmp_path: Path) -> None:
    optimizer = OPTIMIZERS[name]
    donor, other = Holder(**begun(optimizer, 1)), Holder(**begun(optimizer, 2))
    for _ in range(4):
        donor.values = step(optimizer, donor.values)
    through(donor, other, tmp_path)
    same(other.values, donor.values)
    for holder in (donor, other):
        for _ in range(5):
            holder.values = step(optimizer, holder.values)
    same(other.values, donor.values)


def test_a_takeover_in_place_is_that_of_a_new_process(tmp_path: Path) -> None:
    optimizer = OPTIMIZERS["chain"]
    donor, loser = Holder(**begun(optimizer, 1)), Holder(**begun(optimizer, 2))
    donor.values = step(optimizer, donor.values)
    member = holding(loser)
    loser.values = step(optimizer, loser.values)
    member.exploit(holding(donor).save(tmp_path), {}, in_place=True)
    same(loser.values, donor.values)


def trained_state(seed: int, rate: float = 0.01) -> TrainState:
    params = Network().init(jax.random.key(seed), INPUTS)["params"]
    return TrainState.create(apply_fn=Network().apply, params=params, tx=optax.adam(rate))


def test_a_train_state_keeps_the_live_optimizer_and_takes_the_values(tmp_path: Path) -> None:
    donor, other = Holder(state=trained_state(1)), Holder(state=trained_state(2, rate=0.5))
    gradient = jax.tree.map(jnp.ones_like, donor.values["state"].params)
    donor.values["state"] = donor.values["state"].apply_gradients(grads=gradient)
    mine = other.values["state"]
    found = through(donor, other, tmp_path)["state"]
    assert found.tx is mine.tx
    assert found.apply_fn is mine.apply_fn
    same(found.params, donor.values["state"].params)
    same(found.opt_state, donor.values["state"].opt_state)
    assert found.step == 1


def test_a_frozen_dict_comes_back_as_one(tmp_path: Path) -> None:
    donor, other = (Holder(params=flax.core.freeze(begun(optax.sgd(1), seed)["params"])) for seed in (1, 2))
    found = through(donor, other, tmp_path)["params"]
    assert isinstance(found, flax.core.FrozenDict)
    same(found, donor.values["params"])


class Nnx:
    """A model and an optimizer of flax.nnx, which change in place."""

    def __init__(self, seed: int) -> None:
        rngs = nnx.Rngs(seed)
        self.model = nnx.Sequential(
            nnx.Linear(4, 5, rngs=rngs), nnx.BatchNorm(5, rngs=rngs), nnx.Dropout(0.2, rngs=rngs)
        )
        self.optimizer = nnx.Optimizer(self.model, optax.adamw(1e-2), wrt=nnx.Param)

    def state_dict(self) -> dict[str, Any]:
        return {"model": nnx.state(self.model), "optimizer": nnx.state(self.optimizer)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        nnx.update(self.model, state["model"])
        nnx.update(self.optimizer, state["optimizer"])

    def train(self, steps: int) -> None:
        for _ in range(steps):
            gradient = nnx.grad(lambda model: jnp.square(model(INPUTS)).mean())(self.model)
            self.optimizer.update(self.model, gradient)


def test_a_training_with_nnx_continues_bit_for_bit(tmp_path: Path) -> None:
    donor, other = Nnx(1), Nnx(2)
    donor.train(3)
    through(donor, other, tmp_path)
    same(other.state_dict(), donor.state_dict())
    for each in (donor, other):
        each.train(3)
    same(other.state_dict(), donor.state_dict())


@pytest.mark.parametrize("implementation", ["threefry2x32", "rbg", "unsafe_rbg"])
@pytest.mark.parametrize("shape", [(), (3, 2)])
def test_typed_keys_draw_the_same_numbers(
    implementation: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    keys = [jax.random.key(seed, impl=implementation) for seed in (1, 2)]
    donor, other = (Holder(key=jax.random.split(key, shape) if shape else key) for key in keys)
    same(through(donor, other, tmp_path), donor.values)


VALUES = {
    "weak": jnp.full((3,), 2.5),
    "weak number": jnp.asarray(3),
    "bfloat16": jnp.linspace(-3, 3, 7, dtype=jnp.bfloat16),
    "float8": jnp.linspace(-3, 3, 7).astype(jnp.float8_e4m3fn),
    "rare float8": jnp.linspace(-3, 3, 7).astype(jnp.float8_e4m3b11fnuz),
    "int4": jnp.arange(-8, 8).astype(jnp.int4),
    "bool": jnp.array([True, False]),
    "complex": jnp.array([1 + 2j, jnp.nan]),
    "empty": jnp.zeros((0, 3), jnp.bfloat16),
    "number": jnp.float16(1.5),
    "old key": jax.random.PRNGKey(7),
}


@pytest.mark.parametrize("name", VALUES)
def test_an_array_comes_back_with_its_type(name: str, tmp_path: Path) -> None:
    donor, other = Holder(x=VALUES[name], again=[VALUES[name]]), Holder(x=None)
    found = through(donor, other, tmp_path)
    same(found, donor.values)
    assert not found["x"].committed


def test_one_array_in_two_places_is_stored_once(tmp_path: Path) -> None:
    array = jnp.zeros(50_000)
    folder = holding(Holder(a=array, b=array)).save(tmp_path)
    assert (folder / "state.safetensors").stat().st_size < 300_000


def test_arrays_that_are_made_anew_for_each_checkpoint_are_not_taken_for_one(tmp_path: Path) -> None:
    class Fresh:
        def __init__(self, value: float) -> None:
            self.value = value

        def state_dict(self) -> dict[str, Any]:
            return {"x": jnp.full(8, self.value)}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.value = float(state["x"][0])

    names = [f"part{number}" for number in range(50)]
    donor = Member(lambda _hp: {name: Fresh(float(name[4:])) for name in names}, {}, seed=0)
    other = Member(lambda _hp: {name: Fresh(-1.0) for name in names}, {}, seed=0)
    other.resume(donor.save(tmp_path))
    assert [other.objects[name].value for name in names] == list(range(50))


def test_an_array_that_was_placed_comes_back_to_its_place(tmp_path: Path) -> None:
    device = jax.devices()[0]
    donor, other = Holder(x=jnp.ones(3)), Holder(x=jax.device_put(jnp.zeros(3), device))
    found = through(donor, other, tmp_path)["x"]
    assert found.committed
    assert found.sharding == jax.device_put(0, device).sharding


def test_what_is_restored_does_not_lie_in_the_file(tmp_path: Path) -> None:
    found = through(Holder(x=jnp.ones(4096)), Holder(x=jnp.zeros(4096)), tmp_path)["x"]
    file = tmp_path / "state.safetensors"
    file.write_bytes(bytes(file.stat().st_size))
    assert float(found.sum()) == 4096


def test_values_that_would_be_cut_short_are_refused(tmp_path: Path) -> None:
    with jax.enable_x64(True):
        folder = holding(Holder(x=jnp.array(1 / 3, jnp.float64))).save(tmp_path)
    with pytest.raises(StateError, match="jax_enable_x64"):
        holding(Holder(x=None)).resume(folder)


def test_an_array_that_is_being_traced_is_refused() -> None:
    def traced(x: jax.Array) -> jax.Array:
        with pytest.raises(StateError, match=r"^training\.x is of type .*Tracer"):
            holding(Holder(x=x))
        return x

    jax.jit(traced)(jnp.ones(2))


def test_numpy_arrays_of_narrow_types_come_back(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3).astype(ml_dtypes.bfloat16)
    donor = Holder(x=array, y=np.asfortranarray(array), z=np.arange(4).astype(ml_dtypes.int4))
    found = through(donor, Holder(), tmp_path)
    for name, value in donor.values.items():
        assert found[name].dtype == value.dtype
        assert found[name].tolist() == value.tolist()
    assert found["y"].flags.fnc


class Moments(NamedTuple):
    mean: jax.Array
    names: tuple[str, ...]


class Renamed(NamedTuple):
    average: jax.Array
    names: tuple[str, ...]


def test_another_form_is_an_error_that_names_both(tmp_path: Path) -> None:
    folder = holding(Holder(inner=[Moments(jnp.ones(2), ("a",))])).save(tmp_path)
    for inner, told in [
        ([Renamed(jnp.ones(2), ())], r"\(mean, names\) where this object has a .*Renamed \(average, names\)"),
        ([], "has nothing"),
        ([None], "has a builtins.NoneType"),
    ]:
        with pytest.raises(StateError, match=told):
            holding(Holder(inner=inner)).resume(folder)


def test_an_optimizer_of_another_form_is_an_error(tmp_path: Path) -> None:
    params = {"w": jnp.ones(3)}
    folder = holding(Holder(opt_state=optax.adam(0.1).init(params))).save(tmp_path)
    with pytest.raises(
        StateError, match=r"ScaleByAdamState \(count, mu, nu\) where this object has a .*TraceState"
    ):
        holding(Holder(opt_state=optax.sgd(0.1, momentum=0.9).init(params))).resume(folder)


def test_without_the_object_structures_are_read_as_dicts(tmp_path: Path) -> None:
    folder = holding(Holder(state=trained_state(1))).save(tmp_path)
    with Checkpoint(folder) as checkpoint:
        found = checkpoint.state("training")["state"]
    assert set(found) == {".step", ".params", ".opt_state"}
    assert set(found[".opt_state"][0]) == {"count", "mu", "nu"}
