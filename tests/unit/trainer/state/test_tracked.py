"""Tracking: what is accepted, what a checkpoint of it contains, what reports and takeovers are told."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest
import torch
from safetensors import safe_open
from torch.optim import lr_scheduler as schedules

from pbt_contract.errors import RecordRefused, StateError, UsageError
from pbt_trainer.state.optional import optional
from pbt_trainer.state.staging import Staging
from pbt_trainer.state.tracked import Tracked
from unit.trainer.training import SCHEDULED, Member, Net, adam, adamw, scheduled, sgd

HP = {"lr": 0.1, "weight_decay": 0.02, "momentum": 0.8}


class Counting:
    """An object of the user's own."""

    def __init__(self, **state: Any) -> None:
        self.state = state

    def state_dict(self) -> dict[str, Any]:
        return self.state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.state = state


def of(value: object, name: str = "thing") -> Member:
    return Member(lambda _hp: {name: value}, {}, seed=0)


class TestAdd:
    def test_an_object_without_the_two_methods_is_refused_with_the_remedy(self) -> None:
        with pytest.raises(
            UsageError, match=r"track\(loader=\.\.\.\): list has no state_dict\(\)\. Track the model"
        ):
            Tracked(total_steps=9).add("loader", [1])

    @pytest.mark.parametrize("name", ["a b", "", "a.b", "1"])
    def test_a_name_must_be_an_identifier(self, name: str) -> None:
        with pytest.raises(UsageError, match="an identifier"):
            Tracked(total_steps=9).add(name, Counting())

    def test_a_name_is_used_once(self) -> None:
        tracked = Tracked(total_steps=9)
        tracked.add("a", Counting())
        with pytest.raises(UsageError, match="used once"):
            tracked.add("a", Counting())

    def test_an_object_is_tracked_once(self) -> None:
        tracked, thing = Tracked(total_steps=9), Counting()
        tracked.add("a", thing)
        with pytest.raises(UsageError, match="already, as a"):
            tracked.add("b", thing)

    def test_what_cannot_be_kept_is_named_at_once(self) -> None:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        optimizer.state[optimizer.param_groups[0]["params"][0]]["foo"] = object()
        with pytest.raises(StateError, match=r"^optimizer\.state\[0\]\['foo'\] is of type object"):
            Tracked(total_steps=9).add("optimizer", optimizer)

    def test_a_lazy_model_is_told_to_run_a_batch_first(self) -> None:
        with pytest.raises(StateError, match=r"^model\.weight .* Run a batch through the model before track"):
            Tracked(total_steps=9).add("model", torch.nn.LazyLinear(3))

    def test_an_object_that_was_refused_is_not_tracked(self) -> None:
        tracked = Tracked(total_steps=9)
        with pytest.raises(StateError):
            tracked.add("a", Counting(x=object()))
        tracked.add("a", Counting())


def test_the_state_of_own_objects_comes_back(tmp_path: Path) -> None:
    state = {"epoch": 3, "seen": {1, 2}, "order": torch.randperm(9), 4: (None, b"x")}
    folder = of(Counting(inner=state)).save(tmp_path)
    again = of(Counting())
    again.resume(folder)
    kept = again.objects["thing"].state["inner"]
    assert torch.equal(kept.pop("order"), state.pop("order"))
    assert kept == state


class Transition(NamedTuple):
    state: Any
    reward: float


def test_named_tuples_come_back_where_the_object_had_them_when_it_was_tracked(tmp_path: Path) -> None:
    donor = of(Counting(last=Transition(torch.zeros(1), 0.0)))
    donor.objects["thing"].state = {"last": Transition(torch.ones(1), 2.5)}
    again = of(Counting(last=Transition(torch.zeros(1), 0.0)))
    again.resume(donor.save(tmp_path))
    kept = again.objects["thing"].state["last"]
    assert type(kept) is Transition
    assert (kept.state.tolist(), kept.reward) == ([1.0], 2.5)


def test_in_place_another_form_is_refused_before_anything_changes(tmp_path: Path) -> None:
    donor = of(Counting(last=Transition(torch.ones(1), 2.5), epoch=3))
    loser = of(Counting(last=Transition(torch.zeros(1), 0.0), epoch=1))
    loser.objects["thing"].state = {"last": None, "epoch": 2}
    with pytest.raises(
        StateError, match=r"in place: thing: The checkpoint has a \S+Transition .* has a \S*NoneType"
    ):
        loser.tracked.plan(donor.save(tmp_path), exploit=True, rebuilt={})
    assert loser.objects["thing"].state == {"last": None, "epoch": 2}


def test_a_named_tuple_that_no_new_process_could_make_is_refused_by_the_report(tmp_path: Path) -> None:
    memory = of(Counting(memory=[]))
    memory.objects["thing"].state["memory"].append(Transition(torch.ones(1), 2.5))
    with pytest.raises(
        StateError, match=r"^thing\.memory\[0\] is of type \S+Transition, .*make it a plain tuple"
    ):
        memory.save(tmp_path)


def test_a_restored_object_does_not_lie_in_the_file(tmp_path: Path) -> None:
    folder = of(Counting(x=torch.ones(4))).save(tmp_path)
    again = of(Counting())
    again.resume(folder)
    (folder / "state.safetensors").write_bytes(bytes((folder / "state.safetensors").stat().st_size))
    assert again.objects["thing"].state["x"].tolist() == [1, 1, 1, 1]


def test_a_checkpoint_says_what_is_in_it(tmp_path: Path) -> None:
    member = Member(adamw, HP, seed=1)
    member.train(1)
    folder = member.save(tmp_path)
    content = json.loads((folder / "state.json").read_text())
    assert content["format"] == 1
    assert content["objects"]["optimizer"]["class"] == "torch.optim.adamw.AdamW"
    assert content["objects"]["optimizer"]["kind"] == "optimizer"
    assert content["objects"]["optimizer"]["built"][1]["dict"]["lr"] == pytest.approx(0.01)
    with safe_open(folder / "state.safetensors", framework="pt") as file:
        assert "model.last.weight" in file.keys()  # noqa: SIM118  (no mapping)
        assert "optimizer.state.0.exp_avg" in file.keys()  # noqa: SIM118
        assert file.metadata()["model.tied.weight"] == "model.first.weight"


def test_tied_weights_stay_tied(tmp_path: Path) -> None:
    folder = Member(adam, HP, seed=1).save(tmp_path)
    again = Member(adam, HP, seed=2)
    again.resume(folder)
    model = again.objects["model"]
    assert model.tied.weight is model.first.weight


class Wrapped(torch.nn.Module):
    """Like DistributedDataParallel and torch.compile: everything lies below one more name."""

    def __init__(self, name: str, inner: torch.nn.Module) -> None:
        super().__init__()
        self.add_module(name, inner)


WRAPPINGS = {
    "plain": lambda net: net,
    "compiled": lambda net: Wrapped("_orig_mod", net),
    "parallel": lambda net: Wrapped("module", net),
    "both": lambda net: Wrapped("module", Wrapped("_orig_mod", net)),
}


@pytest.mark.parametrize("before", WRAPPINGS)
@pytest.mark.parametrize("after", WRAPPINGS)
def test_wrappers_around_a_model_do_not_matter(before: str, after: str, tmp_path: Path) -> None:
    donor, net = Net(), Net()
    folder = of(WRAPPINGS[before](donor), "model").save(tmp_path)
    of(WRAPPINGS[after](net), "model").resume(folder)
    assert torch.equal(net.last.weight, donor.last.weight)


@pytest.mark.parametrize("in_place", [False, True])
def test_a_compiled_model_that_has_no_length_comes_back(in_place: bool, tmp_path: Path) -> None:
    donor, other = (of(torch.compile(torch.nn.Linear(2, 2), backend="eager"), "model") for _ in range(2))
    donor.objects["model"].bias.data.fill_(7.0)
    other.resume(donor.save(tmp_path), in_place=in_place)
    assert other.objects["model"].bias.tolist() == [7.0, 7.0]


def test_a_model_whose_names_would_collide_without_the_wrappers_parts_is_kept(tmp_path: Path) -> None:
    class Odd(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = torch.nn.Linear(2, 2)
            self.weight = torch.nn.Parameter(torch.randn(3))

    donor, other = Odd(), Odd()
    of(other, "model").resume(of(donor, "model").save(tmp_path))
    assert torch.equal(other.weight, donor.weight)
    assert torch.equal(other.module.weight, donor.module.weight)


def test_extra_state_of_a_module_comes_back(tmp_path: Path) -> None:
    class Extra(torch.nn.Module):
        def __init__(self, extra: Any) -> None:
            super().__init__()
            self.inner, self.extra = torch.nn.Linear(1, 1), extra

        def get_extra_state(self) -> Any:
            return self.extra

        def set_extra_state(self, extra: Any) -> None:
            self.extra = extra

    other = Extra(None)
    of(other, "model").resume(of(Extra({"calls": 3, "seen": (1, 2)}), "model").save(tmp_path))
    assert other.extra == {"calls": 3, "seen": (1, 2)}


def test_another_architecture_is_an_error_with_both_shapes(tmp_path: Path) -> None:
    folder = of(Net(6), "model").save(tmp_path)
    with pytest.raises(StateError, match=r"(?s)model: .*first\.weight.*\[6, 4\].*\[5, 4\].*`explore: Never`"):
        of(Net(5), "model").resume(folder)


def test_an_object_that_the_checkpoint_lacks_is_an_error_unless_it_is_optional(tmp_path: Path) -> None:
    folder = of(Counting(a=1), "before").save(tmp_path)
    with pytest.raises(StateError, match=r"after is not in the checkpoint, which has before\. .*optional\("):
        of(Counting(b=2), "after").resume(folder)
    after = of(optional(Counting(b=2)), "after")
    assert after.resume(folder) == [
        "after starts fresh: it is not in the checkpoint",
        "before is in the checkpoint, but not tracked",
    ]
    assert after.objects["after"].value.state == {"b": 2}


@pytest.mark.parametrize(
    ("name", "data", "complaint"),
    [
        ("state.json", None, "has no state.json"),
        ("state.json", b"{", "no JSON"),
        ("state.json", b"[]", "formats 1 to 2"),
        ("state.json", b'{"format":3,"objects":{},"random":{}}', "format 3, and this version reads format 2"),
        (
            "state.json",
            b'{"format":0,"objects":{},"random":{}}',
            "format 0 doesn't exist, the first one is 1",
        ),
        ("state.json", b'{"format":1,"objects":[],"random":{}}', "lacks"),
        ("state.json", b'{"format":1,"objects":{"thing":{}},"random":{}}', "lacks one of"),
        ("state.safetensors", None, "state.safetensors"),
        ("state.safetensors", b"", "state.safetensors"),
        ("state.safetensors", b"\xff" * 64, "state.safetensors"),
        ("state.safetensors", b"\x02\0\0\0\0\0\0\0{}", "thing.x"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_malformed_checkpoint_is_refused(
    name: str, data: bytes | None, complaint: str, tmp_path: Path
) -> None:
    folder = of(Counting(x=torch.ones(3))).save(tmp_path)
    (folder / name).unlink()
    if data is not None:
        (folder / name).write_bytes(data)
    with pytest.raises(RecordRefused, match=complaint):
        of(Counting()).resume(folder)


def test_state_that_is_too_large_for_json_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pbt_trainer.state.tracked.MAX_STATE_BYTES", 10_000)
    tracked = Tracked(total_steps=9)
    tracked.add("loader", Counting(order=list(range(10_000))))
    with pytest.raises(StateError, match="keep large tables as numpy arrays"):
        tracked.capture(Staging.create())


class TestEffective:
    def test_it_is_what_the_groups_use(self) -> None:
        member = Member(adamw, HP, seed=1)
        effective = member.tracked.effective(HP)
        assert effective == {"lr": [0.1, pytest.approx(0.01)], "weight_decay": [0.02, 0.0]}

    def test_annealing_shows(self) -> None:
        member = Member(SCHEDULED["multi-step"], HP, seed=1)
        member.train(3)
        assert member.tracked.effective({"lr": 0.1}) == {"lr": [0.05, pytest.approx(0.005)]}

    def test_a_tensor_rate_is_a_number_and_another_name_is_known(self) -> None:
        parameter = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.Adam([parameter], lr=torch.tensor(0.5), foreach=False)
        tracked = Tracked(total_steps=9)
        tracked.add("optimizer", optimizer)
        assert tracked.effective({"learning_rate": 0.5, "dropout": 0.1}) == {"learning_rate": 0.5}


def test_an_option_that_happens_to_have_the_value_is_left_alone(tmp_path: Path) -> None:
    """Both scripts built 0.0 in the second group, though only one was given 0.0."""
    member = Member(adamw, HP | {"weight_decay": 0.0}, seed=1)
    donor = Member(adamw, HP, seed=2)
    member.exploit(donor.save(tmp_path), HP | {"weight_decay": 0.3}, in_place=True)
    assert [group["weight_decay"] for group in member.groups] == [0.3, 0.0]


def test_an_optimizer_with_a_state_of_its_own_kind_is_restored_as_it_was(tmp_path: Path) -> None:
    class Odd(Counting):
        param_groups: ClassVar[list[dict[str, Any]]] = [{"lr": 0.1}]

    folder = of(Odd(shard=1), "optimizer").save(tmp_path)
    again = of(Odd(), "optimizer")
    assert again.resume(folder) == []
    assert again.objects["optimizer"].state == {"shard": 1}


class Wrapper:
    """A wrapper around a scheduler that looks like one."""

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler
        self.optimizer = scheduler.optimizer
        self.step = scheduler.step

    def state_dict(self) -> dict[str, Any]:
        return self.scheduler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.scheduler.load_state_dict(state)


def test_a_wrapped_scheduler_is_an_object_and_gets_what_it_gave(tmp_path: Path) -> None:
    def make(optimizer: torch.optim.Optimizer, _hp: Mapping[str, Any]) -> Any:
        return Wrapper(schedules.StepLR(optimizer, 2))

    build = scheduled(sgd, make)
    donor = Member(build, HP, seed=1)
    donor.train(5)
    newborn = Member(build, HP | {"lr": 0.2}, seed=2)
    newborn.exploit(donor.save(tmp_path), HP | {"lr": 0.2}, in_place=False)
    assert newborn.objects["scheduler"].state_dict() == donor.objects["scheduler"].state_dict()


PLAIN = """
import random, sys
from pathlib import Path
{imports}
from pbt_trainer.state.optional import optional
from pbt_trainer.state.staging import Staging
from pbt_trainer.state.tracked import Tracked

class Thing:
    def __init__(self, state): self.state = state
    def state_dict(self): return self.state
    def load_state_dict(self, state): self.state = state

folder = Path(sys.argv[1])
thing, tracked, staging = Thing({state}), Tracked(total_steps=9), Staging.create()
tracked.add("thing", thing)
captured = tracked.capture(staging)
(folder / "state.json").write_bytes(captured.tree)
if captured.num_bytes:
    (folder / "state.safetensors").write_bytes(open(staging.fd, "rb", closefd=False).read())
expected, drawn = repr(thing.state), random.random()
thing.state = None
tracked.restore(folder, exploit=False, random_state="restore")
assert repr(thing.state) == expected, thing.state
assert random.random() == drawn
tracked.plan(folder, exploit=True, rebuilt={{}}).apply((1, 2))
assert random.random() != drawn
print(*sorted({{"torch", "numpy"}} & set(sys.modules)), captured.num_bytes > 0)
"""


@pytest.mark.parametrize(
    ("imports", "state", "printed"),
    [("", "{1: (2.5, {'x'})}", "False"), ("import numpy", "{1: numpy.arange(3)}", "numpy True")],
    ids=["plain", "numpy"],
)
@pytest.mark.process
def test_a_script_without_torch_loads_none(imports: str, state: str, printed: str, tmp_path: Path) -> None:
    script = PLAIN.format(imports=imports, state=state)
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    assert done.stdout.strip() == printed


@pytest.mark.process
def test_a_donor_with_torch_state_is_no_burden_to_a_script_without(tmp_path: Path) -> None:
    folder = Member(adam, HP, seed=1).save(tmp_path)
    script = (
        "import sys; from pathlib import Path; from pbt_trainer.state.tracked import Tracked\n"
        "tracked = Tracked(total_steps=9)\n"
        "notes = tracked.restore(Path(sys.argv[1]), exploit=False, random_state='restore')\n"
        "print(len(notes), 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["2", "False"]
