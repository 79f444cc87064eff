"""A script's own options follow the hyperparameters, and who reads them there is seen, or counts as a reader."""

import argparse
import copy
import pickle
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from pbt_trainer import UsageError
from pbt_trainer.session.binding import Binds
from pbt_trainer.session.hyperparameters import Hyperparameters

VALUES = {"lr": 0.5, "dropout": 0.1}


class Script(Binds):
    """A run, as far as this is about it."""

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        self.hp = Hyperparameters(values or VALUES)

    def loops(self) -> None:
        self.hp.looping = True


@pytest.fixture
def script() -> Script:
    return Script()


def namespace(**options: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"lr": 1, "dropout": 1, "data": "digits", **options})


def test_options_have_the_values_now_and_after_each_takeover(script: Script) -> None:
    args = namespace()
    assert script.bind(args) is args
    assert (args.lr, args.dropout, args.data) == (0.5, 0.1, "digits")
    script.hp.replace({"lr": 0.25})
    assert (args.lr, args.dropout) == (0.25, 0.1)
    assert isinstance(args, argparse.Namespace)


def test_what_is_read_in_the_loop_only_can_change_in_place(script: Script) -> None:
    args = script.bind(namespace())
    assert args.data == "digits"
    script.loops()
    assert (args.lr, args.dropout) == (0.5, 0.1)
    assert script.hp.read == {"lr", "dropout"}
    assert script.hp.baked_in(VALUES) is None


def test_what_is_read_before_the_loop_is_baked_in_at_its_place(script: Script) -> None:
    args = script.bind(namespace())
    assert args.dropout == 0.1
    script.loops()
    told = script.hp.baked_in(VALUES)
    assert told is not None
    assert told.startswith("`dropout` was read at ")
    assert "test_binding.py:" in told
    assert script.hp.baked_in(["lr"]) is None


def test_what_a_build_function_reads_reaches_the_loop(script: Script) -> None:
    args = script.bind(namespace())
    with script.hp.reaching():
        assert args.lr == 0.5
    script.loops()
    assert script.hp.baked_in(VALUES) is None


@pytest.mark.parametrize("take", [vars, copy.copy, copy.deepcopy, pickle.dumps, lambda args: {**vars(args)}])
def test_taking_all_options_reads_all(script: Script, take: Any) -> None:
    args = script.bind(namespace())
    take(args)
    script.loops()
    told = script.hp.baked_in(VALUES)
    assert told is not None
    assert "`dropout`" in told
    assert "`lr`" in told


def test_printing_options_reads_none(script: Script) -> None:
    args = script.bind(namespace())
    assert f"{args}" == "Namespace(lr=0.5, dropout=0.1, data='digits')"
    assert script.hp.read == set()


def test_copies_of_options_are_plain_and_keep_their_values(script: Script) -> None:
    args = script.bind(namespace())
    copied = pickle.loads(pickle.dumps(args))
    script.hp.replace({"lr": 0.25})
    assert type(copied) is argparse.Namespace
    assert copied == namespace(lr=0.5, dropout=0.1)


@dataclass
class Optimizer:
    lr: float = 1.0


@dataclass
class Config:
    optimizer: Optimizer = field(default_factory=Optimizer)
    drop_out: float = 1.0


def test_names_with_dots_and_hyphens_find_their_options() -> None:
    script = Script({"optimizer.lr": 0.5, "drop-out": 0.1})
    config = script.bind(Config())
    script.loops()
    assert (config.optimizer.lr, config.drop_out) == (0.5, 0.1)
    script.hp.replace({"optimizer.lr": 0.25})
    assert config.optimizer.lr == 0.25
    assert script.hp.baked_in(["optimizer.lr", "drop-out"]) is None


@pytest.mark.parametrize(
    ("options", "lr"),
    [
        ({"lr": 1, "dropout": 1}, lambda options: options["lr"]),
        (SimpleNamespace(lr=1, dropout=1), lambda options: options.lr),
    ],
)
def test_options_whose_reads_cannot_be_seen_start_the_process_anew(
    script: Script, options: Any, lr: Any
) -> None:
    script.bind(options)
    assert lr(options) == 0.5
    script.loops()
    told = script.hp.baked_in(["lr"])
    assert told is not None
    assert told.startswith("`lr` was bound at ")
    assert told.endswith(f" to a {type(options).__name__}, which doesn't show who reads it")
    script.hp.replace({"lr": 0.25})
    assert lr(options) == 0.25


def test_an_exact_key_with_dots_comes_before_the_parts() -> None:
    options = {"optimizer.lr": 1, "optimizer": {"lr": 1}}
    Script({"optimizer.lr": 0.5}).bind(options)
    assert options == {"optimizer.lr": 0.5, "optimizer": {"lr": 1}}


def test_a_missing_option_is_named_with_the_remedy_and_nothing_is_changed(script: Script) -> None:
    args = argparse.Namespace(lr=1)
    with pytest.raises(UsageError, match=r"Namespace has no option for dropout; .* names=\["):
        script.bind(args)
    assert args == argparse.Namespace(lr=1)
    assert script.bind(args, names=["lr"]).lr == 0.5


def test_an_unknown_hyperparameter_is_named(script: Script) -> None:
    with pytest.raises(UsageError, match="no hyperparameter momentum"):
        script.bind(namespace(momentum=1), names=["momentum"])


@dataclass(frozen=True)
class Frozen:
    lr: float = 1.0
    dropout: float = 1.0


def test_options_that_take_no_value_are_refused(script: Script) -> None:
    with pytest.raises(UsageError, match=r"lr = 0.5 is not taken: FrozenInstanceError"):
        script.bind(Frozen())


def test_options_are_bound_before_the_loop(script: Script) -> None:
    script.loops()
    with pytest.raises(UsageError, match="before the first step"):
        script.bind(namespace())
