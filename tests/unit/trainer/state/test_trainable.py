"""A model whose base is frozen: what its checkpoints hold, and when they fit."""

from pathlib import Path
from typing import Any

import pytest
import torch

import pbt_trainer
from pbt_contract.errors import StateError, UsageError
from unit.trainer.training import Member, kept

WIDTH = 256


class Adapted(torch.nn.Module):
    """A frozen linear layer with a low-rank update beside it."""

    def __init__(self, base: torch.nn.Linear, rank: int = 2) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = torch.nn.Linear(base.in_features, rank, bias=False)
        self.up = torch.nn.Linear(rank, base.out_features, bias=False)
        torch.nn.init.zeros_(self.up.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.base(x) + self.up(self.down(x))


class Model(torch.nn.Module):
    """A pretrained base, equal for equal `pretrained`; adapters differ; a norm has buffers; the head is tied."""

    def __init__(self, pretrained: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(pretrained)
            layers = [torch.nn.Linear(WIDTH, WIDTH) for _ in range(3)]
        self.layers = torch.nn.ModuleList(Adapted(layer) for layer in layers)
        self.norm = torch.nn.BatchNorm1d(WIDTH).requires_grad_(False)
        self.head = torch.nn.Linear(WIDTH, WIDTH, bias=False).requires_grad_(False)
        self.head.weight = self.layers[0].base.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return self.head(self.norm(x))

    @property
    def last(self) -> torch.nn.Linear:
        return self.layers[2].base


class Training(Member):
    """A member with such a model, and Adam over what trains of it."""

    def __init__(self, model: Model, *, seed: int, wrap: Any = lambda model: model) -> None:
        self.model = model
        torch.manual_seed(seed)
        for layer in model.layers:
            torch.nn.init.normal_(layer.down.weight)

        def build(_hp: Any) -> dict[str, Any]:
            trained = [each for each in model.parameters() if each.requires_grad]
            optimizer = torch.optim.Adam(trained, lr=0.01)
            return {
                "model": kept("model", lambda: pbt_trainer.trainable(wrap(model))),
                "optimizer": optimizer,
            }

        super().__init__(build, {"lr": 0.01}, seed=seed)

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.objects["optimizer"].zero_grad()
            self.model(torch.randn(16, WIDTH)).square().mean().backward()
            self.objects["optimizer"].step()


def model_of(seed: int = 0) -> Model:
    torch.manual_seed(seed)
    return Model()


def equal(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    one, two = a.state_dict(), b.state_dict()
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def test_a_checkpoint_is_as_large_as_what_trains(tmp_path: Path) -> None:
    training = Training(model_of(), seed=1)
    training.steps(1)
    small = size(training.save(tmp_path / "small"))
    whole = sum(each.numel() * 4 for each in training.model.parameters())
    trained = 3 * sum(each.numel() * 4 for each in training.model.parameters() if each.requires_grad)
    assert trained < small < trained + 40_000 < whole / 5


def test_training_continues_bit_for_bit(tmp_path: Path) -> None:
    donor, other = Training(model_of(1), seed=1), Training(model_of(2), seed=2)
    donor.steps(4)
    assert not equal(other.model, donor.model)
    assert other.resume(donor.save(tmp_path)) == []
    assert equal(other.model, donor.model)
    for each in (donor, other):
        torch.manual_seed(3)
        each.steps(5)
    assert equal(other.model, donor.model)


def test_another_base_model_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = Training(model_of(), seed=1).save(tmp_path)
    other = Training(Model(pretrained=1), seed=1)
    with pytest.raises(
        StateError, match=r"other weights lie below it: head\.weight, .* and \d+ more.* is tracked whole"
    ):
        other.resume(folder)


def test_one_changed_weight_of_the_base_is_another_base(tmp_path: Path) -> None:
    folder = Training(model_of(), seed=1).save(tmp_path)
    model = model_of()
    with torch.no_grad():
        model.last.bias[7] += 1e-6
    with pytest.raises(StateError, match=r"lie below it: layers\.2\.base\.bias\. Load the same base model"):
        Training(model, seed=1).resume(folder)


def test_a_model_with_other_parameters_is_an_error(tmp_path: Path) -> None:
    folder = Training(model_of(), seed=1).save(tmp_path)
    model = model_of()
    model.layers.append(Adapted(torch.nn.Linear(WIDTH, WIDTH)))
    with pytest.raises(StateError, match=r"other parameters: layers\.3\.base\.bias"):
        Training(model, seed=1).resume(folder)


def test_buffers_are_kept_though_nothing_of_their_module_trains(tmp_path: Path) -> None:
    donor, other = Training(model_of(), seed=1), Training(model_of(), seed=1)
    donor.steps(3)
    other.resume(donor.save(tmp_path))
    assert other.model.norm.num_batches_tracked == 3
    assert torch.equal(other.model.norm.running_mean, donor.model.norm.running_mean)


def unfreeze(training: Training, steps: int) -> None:
    training.model.last.requires_grad_(True)
    training.objects["optimizer"].add_param_group({"params": [training.model.last.weight]})
    training.steps(steps)


def test_what_is_unfrozen_later_is_kept_by_scripts_that_have_not_unfrozen_it_yet(tmp_path: Path) -> None:
    donor, other = Training(model_of(), seed=1), Training(model_of(), seed=2)
    unfreeze(donor, 3)
    [note] = other.resume(donor.save(tmp_path))
    assert note.startswith("optimizer starts fresh")
    assert equal(other.model, donor.model)
    assert "layers.2.base.weight" in other.objects["model"].state_dict()["state"]


def test_what_was_trained_and_frozen_again_between_two_checkpoints_is_kept() -> None:
    donor, other = Training(model_of(), seed=1), Training(model_of(), seed=2)
    unfreeze(donor, 3)
    donor.model.last.requires_grad_(False)
    for each in donor.model.parameters():
        each.grad = None
    kept = donor.objects["model"].state_dict()["state"]
    assert "layers.2.base.weight" in kept
    other.objects["model"].load_state_dict(donor.objects["model"].state_dict())
    assert equal(other.model, donor.model)


def test_a_process_that_trained_what_the_checkpoint_leaves_out_does_not_take_it_over() -> None:
    donor, other = Training(model_of(), seed=1), Training(model_of(), seed=2)
    unfreeze(other, 3)
    with pytest.raises(StateError, match=r"lie below it: layers\.2\.base\.(bias, layers\.2\.base\.)?weight"):
        other.objects["model"].load_state_dict(donor.objects["model"].state_dict())


def test_a_takeover_in_place_is_exact(tmp_path: Path) -> None:
    donor, loser = Training(model_of(1), seed=1), Training(model_of(2), seed=2)
    donor.steps(3)
    loser.steps(2)
    weight = loser.model.layers[0].up.weight
    loser.exploit(donor.save(tmp_path), {"lr": 0.01}, in_place=True)
    assert equal(loser.model, donor.model)
    assert loser.model.layers[0].up.weight is weight


def test_in_place_a_checkpoint_that_does_not_fit_is_refused_before_anything_changes(tmp_path: Path) -> None:
    donor, loser = Training(model_of(1), seed=1), Training(model_of(2), seed=2)
    donor.steps(3)
    with torch.no_grad():
        loser.model.last.weight.mul_(2)
    before = {name: value.clone() for name, value in loser.model.state_dict().items()}
    with pytest.raises(StateError, match=r"in place: model: .*lie below it: layers\.2\.base\.weight"):
        loser.tracked.plan(donor.save(tmp_path), exploit=True, rebuilt=loser.built_again())
    assert all(torch.equal(value, before[name]) for name, value in loser.model.state_dict().items())


def test_another_rank_of_the_adapters_is_an_error(tmp_path: Path) -> None:
    folder = Training(model_of(), seed=1).save(tmp_path)
    model = model_of()
    model.layers[1] = Adapted(model.layers[1].base, rank=3)
    with pytest.raises(StateError, match=r"other shapes: layers\.1\.down\.weight, layers\.1\.up\.weight"):
        Training(model, seed=1).resume(folder)


def test_a_tied_parameter_that_trains_is_kept_under_both_names() -> None:
    model = model_of()
    model.head.weight.requires_grad_(True)
    kept = pbt_trainer.trainable(model).state_dict()["state"]
    assert {"head.weight", "layers.0.base.weight"} <= kept.keys()


def test_a_model_that_is_moved_is_still_frozen() -> None:
    part = pbt_trainer.trainable(model := model_of())
    before = part.state_dict()
    for each in model.parameters():
        each.data = each.data.clone()  # what `model.to(device)` does
    assert part.state_dict()["fingerprints"] == before["fingerprints"]


def test_wrappers_around_the_model_do_not_matter(tmp_path: Path) -> None:
    class Wrapped(torch.nn.Module):
        def __init__(self, module: torch.nn.Module) -> None:
            super().__init__()
            self.module = module

    donor, other = Training(model_of(1), seed=1, wrap=Wrapped), Training(model_of(2), seed=2)
    other.resume(donor.save(tmp_path))
    assert equal(other.model, donor.model)


def test_a_base_that_is_not_loaded_yet_is_refused() -> None:
    with torch.device("meta"):
        model = Model()
    with pytest.raises(StateError, match="load the base model before track"):
        pbt_trainer.trainable(model)


def test_anything_but_a_module_is_a_mistake() -> None:
    with pytest.raises(UsageError, match=r"trainable\(list\): only a torch"):
        pbt_trainer.trainable([])
