"""Scripts drawn at random: a resume is torch's own reload, and a takeover in place is a fresh process, bit for bit."""

import copy
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from pbt_trainer.state import families, optimizer_options, pour
from unit.trainer.fresh_process import outcome
from unit.trainer.random_scripts import (
    Script,
    flags,
    hyperparameters,
    rates,
    rates_after,
    reloaded,
    script,
    set_flags,
    steps_of,
    train,
)
from unit.trainer.script_facts import facts
from unit.trainer.training import Member

ORDINARY, MANY, PROCESSES = 200, 2000, 100
TESTS = Path(__file__).parents[3]


def difference(one: dict[str, object], other: dict[str, object]) -> str:
    for name, fact in one.items():
        if fact != other[name]:
            return f"{name}: {_first(fact, other[name])}"
    return ""


def _first(a: object, b: object, way: str = "") -> str:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *(b.keys() - a.keys())]:
            if a.get(key) != b.get(key):
                return _first(a.get(key), b.get(key), f"{way}.{key}")
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return next(_first(x, y, f"{way}[{n}]") for n, (x, y) in enumerate(zip(a, b, strict=True)) if x != y)
    return f"{way}: {str(a)[:90]} and {str(b)[:90]}"


def resumed(drawn: Script, folder: Path) -> str:
    """How a resume differs from torch's own reload; empty where it doesn't."""
    donors, _, _ = hyperparameters(drawn.seed)
    hp = donors | {"machine": 0}
    before, _, after = steps_of(drawn.seed)
    donor = Member(drawn.build, donors, seed=1)
    train(donor.objects, drawn, before, seed=11)
    donor.save(folder)
    saved = {name: copy.deepcopy(value.state_dict()) for name, value in donor.objects.items()}
    ours, torchs = Member(drawn.build, hp, seed=2), Member(drawn.build, hp, seed=3)
    notes = ours.resume(folder)
    own = {name: flags(torchs.objects[name]) for name in drawn.schedules}
    reloaded(torchs.objects, saved)
    for name in drawn.schedules:
        set_flags(torchs.objects[name], own[name])
    found = [f"notes {notes}"] if notes else []
    found.append(difference(dict(facts(ours.objects)), dict(facts(torchs.objects))))
    for member in (ours, torchs):
        train(member.objects, drawn, after, seed=12, begin=before)
    found.append(difference(dict(facts(ours.objects)), dict(facts(torchs.objects))))
    return "; then ".join(filter(None, found))


def exploited(drawn: Script, folder: Path) -> str:
    """How a takeover in place differs from a fresh process; empty where it doesn't."""
    donors, losers, now = hyperparameters(drawn.seed)
    before, lost, after = steps_of(drawn.seed)
    donor = Member(drawn.build, donors, seed=1)
    train(donor.objects, drawn, before, seed=11)
    donor.save(folder)
    live = Member(drawn.build, losers, seed=2)
    train(live.objects, drawn, lost, seed=13)
    fresh = Member(drawn.build, now, seed=3)
    notes = [fresh.exploit(folder, now, in_place=False), live.exploit(folder, now, in_place=True)]
    found = [] if notes[0] == notes[1] else [f"notes {notes}"]
    found += unexpected_rates(drawn, donor.objects, live.objects, before)
    found += ["checkpoints differ"] if live.bytes() != fresh.bytes() else []
    found.append(difference(dict(facts(live.objects)), dict(facts(fresh.objects))))
    for member in (live, fresh):
        train(member.objects, drawn, after, seed=12, begin=before)
    found.append(difference(dict(facts(live.objects)), dict(facts(fresh.objects))))
    return "; then ".join(filter(None, found))


def unexpected_rates(drawn: Script, donors: dict[str, Any], lives: dict[str, Any], steps: int) -> list[str]:
    """The rates after an exploit, computed here once more: by schedules that knew no other values, or by the ratio."""
    then, _, now = hyperparameters(drawn.seed)
    by_schedule = rates_after(drawn, now, steps)
    built, new = drawn.build(then), drawn.build(now)
    found = []
    for name, own in drawn.schedules.items():
        wanted = by_schedule[name]
        if not own:
            parts = zip(*(each[name].param_groups for each in (donors, built, new)), strict=True)
            wanted = [_by_ratio(*(group["lr"] for group in groups)).hex() for groups in parts]
        if wanted is not None and wanted != rates(lives[name]):
            found.append(f"{name} has the rates {rates(lives[name])} and not {wanted}")
    return found


def _by_ratio(current: Any, then: Any, now: Any) -> float:
    if then == now:
        return float(current)
    if then in (current, 0):
        return float(now)
    rate = float(current) * (float(now) / float(then))
    return float(torch.tensor(rate)) if isinstance(now, torch.Tensor) else rate


def differences(numbers: range, folder: Path) -> dict[str, str]:
    found = {}
    for number in numbers:
        drawn = script(number)
        for way in (resumed, exploited):
            if told := way(drawn, folder / f"{number}{way.__name__}"):
                found[f"{way.__name__} {number} ({drawn.kinds})"] = told
    return found


def test_in_place_is_fresh_and_a_resume_is_torchs_own_reload(tmp_path: Path) -> None:
    assert differences(range(ORDINARY), tmp_path) == {}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_thousands_of_scripts_differ_nowhere(tmp_path: Path) -> None:
    assert differences(range(ORDINARY, ORDINARY + MANY), tmp_path) == {}
    kinds = Counter(kind for number in range(MANY) for kind in script(ORDINARY + number).kinds.split())
    print(f"{MANY} scripts, {len(kinds)} kinds of parts, no difference")


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.timeout(3600)
def test_in_place_is_what_a_new_process_comes_to(tmp_path: Path) -> None:
    for number in range(PROCESSES):
        drawn, folder = script(number), tmp_path / str(number)
        donors, losers, now = hyperparameters(number)
        before, lost, _ = steps_of(number)
        donor = Member(drawn.build, donors, seed=1)
        train(donor.objects, drawn, before, seed=11)
        donor.save(folder)
        live = Member(drawn.build, losers, seed=2)
        train(live.objects, drawn, lost, seed=13)
        live.exploit(folder, now, in_place=True)
        command = [sys.executable, "-m", "unit.trainer.fresh_process", str(number), str(folder)]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]),
            "OMP_NUM_THREADS": "1",
        }
        fresh = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert fresh.stdout.strip() == outcome(live, number), f"script {number} ({drawn.kinds})"


# Faults that it must find, each planted into one function


def _scaled_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    real = optimizer_options._scaled

    def twice(saved: Any, theirs: Any, mine: Any) -> Any:
        return real({**saved, **real(saved, theirs, mine)}, theirs, mine)

    monkeypatch.setattr(optimizer_options, "_scaled", twice)


def _loses_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    real = pour.schedule

    def forgetful(live: Any, built: Any, counterparts: Any) -> None:
        kept = vars(live).get("lr_lambdas")
        real(live, built, counterparts)
        if kept is not None:
            live.lr_lambdas = kept

    monkeypatch.setattr(pour, "schedule", forgetful)


def _keeps_the_donors_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer_options, "FLAGS", frozenset())


def _drops_the_checkpoints_options(monkeypatch: pytest.MonkeyPatch) -> None:
    real = families.settled

    def built(saved: Any, theirs: Any, mine: Any, *, exploit: bool, scaled: bool) -> Any:
        return real(saved, theirs, mine, exploit=exploit, scaled=scaled) | ({} if exploit else mine)

    monkeypatch.setattr(families, "settled", built)


def _drops_what_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    real = families.settled

    def old(saved: Any, theirs: Any, mine: Any, **terms: Any) -> Any:
        return {key: value for key, value in real(saved, theirs, mine, **terms).items() if key in mine}

    monkeypatch.setattr(families, "settled", old)


def _keeps_the_schedules_position(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(families, "has_functions", lambda _schedule: False)
    monkeypatch.setattr(families, "same", lambda _mine, _theirs: True)


def _leaves_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pour, "attributes", lambda *_objects: None)


@pytest.mark.parametrize(
    "plant",
    [
        _scaled_twice,
        _loses_functions,
        _keeps_the_donors_flags,
        _drops_the_checkpoints_options,
        _drops_what_is_not_built,
        _keeps_the_schedules_position,
        _leaves_attributes,
    ],
)
def test_a_planted_fault_is_found(plant: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plant(monkeypatch)
    assert any(differences(range(first, first + 10), tmp_path) for first in range(0, ORDINARY, 10))
