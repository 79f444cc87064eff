"""Whose state an optimizer's is: parameters are matched by names and shapes, not by how many there are."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from unit.trainer.training import Member


class Pair(torch.nn.Module):
    def __init__(self, **layers: torch.nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)


def of(names: str, shape: tuple[int, int] = (2, 2), *, tracks_model: bool = True, named: bool = False) -> Any:
    """A build whose optimizer has the layers in this order."""

    def build(_hp: Any) -> dict[str, Any]:
        model = Pair(a=torch.nn.Linear(*shape, bias=False), b=torch.nn.Linear(*shape, bias=False))
        params: Any = [getattr(model, name).weight for name in names]
        if named:
            params = [(f"{name}.weight", getattr(model, name).weight) for name in names]
        optimizer = torch.optim.SGD(params, lr=0.1, momentum=0.9)
        for number, name in enumerate(names):
            weight = getattr(model, name).weight
            optimizer.state[weight]["momentum_buffer"] = torch.full_like(weight, ord(name) + 0 * number)
        return {"optimizer": optimizer, "net": model} if tracks_model else {"optimizer": optimizer}

    return build


def buffers(member: Member) -> list[float]:
    optimizer = member.objects["optimizer"]
    return [float(each["momentum_buffer"].mean()) for each in optimizer.state.values()]


def emptied(build: Any) -> Member:
    member = Member(build, {}, seed=2)
    member.objects["optimizer"].state.clear()
    return member


@pytest.mark.parametrize("known", [{"tracks_model": True}, {"tracks_model": False, "named": True}], ids=str)
def test_parameters_in_another_order_get_their_own_state(known: Any, tmp_path: Path) -> None:
    folder = Member(of("ab", **known), {}, seed=1).save(tmp_path)
    other = emptied(of("ba", **known))
    assert other.resume(folder) == []
    weights = [each for group in other.groups for each in group["params"]]
    state = other.objects["optimizer"].state
    assert [float(state[each]["momentum_buffer"].mean()) for each in weights] == [ord("b"), ord("a")]


def test_other_parameters_start_fresh_and_a_note_names_one(tmp_path: Path) -> None:
    folder = Member(of("a"), {}, seed=1).save(tmp_path)
    other = emptied(of("b"))
    assert other.resume(folder) == [
        "optimizer starts fresh: net.b.weight is not among the checkpoint's parameters of its group"
    ]
    assert buffers(other) == []


def test_other_shapes_start_fresh_and_a_note_names_them(tmp_path: Path) -> None:
    folder = Member(of("ab", tracks_model=False), {}, seed=1).save(tmp_path)
    other = emptied(of("ab", (3, 2), tracks_model=False))
    assert other.resume(folder) == [
        "optimizer starts fresh: parameter 0 has the shape [2, 3], the checkpoint's [2, 2]"
    ]


def test_a_checkpoint_says_whose_state_it_has(tmp_path: Path) -> None:
    folder = Member(of("ba"), {}, seed=1).save(tmp_path)
    content = json.loads((folder / "state.json").read_text())
    assert content["objects"]["optimizer"]["parameters"] == [
        [["net.b.weight", [2, 2]], ["net.a.weight", [2, 2]]]
    ]
    assert content["total_steps"] == 40


@pytest.mark.parametrize("wrapper", ["_orig_mod", "module"])
def test_wrappers_around_a_model_do_not_change_the_names(wrapper: str, tmp_path: Path) -> None:
    folder = Member(of("ab"), {}, seed=1).save(tmp_path)

    def wrapped(hp: Any) -> dict[str, Any]:
        objects = of("ba")(hp)
        return {**objects, "net": Pair(**{wrapper: objects["net"]})}

    other = emptied(wrapped)
    assert other.resume(folder) == []
    assert len(buffers(other)) == 2


def test_implementation_flags_are_those_of_this_process(tmp_path: Path) -> None:
    def build(hp: Any) -> dict[str, Any]:
        model = torch.nn.Linear(2, 2)
        return {"model": model, "optimizer": torch.optim.Adam(model.parameters(), foreach=hp["foreach"])}

    folder = Member(build, {"foreach": True}, seed=1).save(tmp_path)
    for way in ("resume", "exploit"):
        other = Member(build, {"foreach": False}, seed=2)
        notes = other.resume(folder) if way == "resume" else other.exploit(folder, other.hp, in_place=False)
        assert notes == []
        assert other.groups[0]["foreach"] is False
