"""A script alone: no population, no storage, every call works and checks what it is given."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pbt_trainer
from pbt_trainer import Advance, Run, StateError, Stopped, UsageError
from pbt_trainer.session.metrics import plain


@pytest.fixture(autouse=True)
def _outside_of_any_population(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PBT_LOCATION", "RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


def started(total_steps: int = 10, interval_steps: int = 4) -> Run:
    return pbt_trainer.join({"lr": 0.1, "layers": 2}, total_steps=total_steps, interval_steps=interval_steps)


def test_every_step_is_numbered_and_the_last_one_is_due() -> None:
    run = started()
    due = []
    for step in run.steps():
        assert run.step == step
        if run.due:
            due.append(step)
            run.report({"score": step})
    assert due == [4, 8, 10]
    assert run.stopped is Stopped.FINISHED
    assert run.advance() is Advance.STOP
    run.end()


def test_a_step_is_due_until_it_is_reported() -> None:
    run = started()
    while not run.due:
        run.advance()
    run.report({"score": 1})
    assert not run.due
    with pytest.raises(UsageError, match="step 4 was reported already: the next report is at step 8"):
        run.report({"score": 1})
    assert run.advance() is Advance.GO


def test_a_run_alone_has_the_defaults_and_no_place_in_a_population() -> None:
    run = started()
    assert dict(run.hp) == {"lr": 0.1, "layers": 2}
    assert (run.member, run.incarnation, run.seed, run.rank, run.step, run.files) == (0, 0, 0, 0, 0, None)


def test_a_run_alone_leaves_random_state_alone() -> None:
    random.seed(1)
    expected = random.Random(1).random()
    run = started()
    run.track(model=torch.nn.Linear(1, 1))
    assert random.random() == expected


def test_no_hook_is_called_where_nothing_is_restored() -> None:
    run = started()
    run.on_restore(lambda run: pytest.fail("nothing was restored"))
    assert run.advance() is Advance.GO


def test_the_loop_that_passes_a_due_step_unreported_is_told_so() -> None:
    run = started(interval_steps=1)
    run.advance()
    with pytest.raises(UsageError, match="step 1 was due and passed without"):
        run.advance()


def test_a_report_out_of_turn_names_the_next_due_step() -> None:
    run = started()
    with pytest.raises(UsageError, match=r"step 0 is not due: the next report is at step 4"):
        run.report({"score": 1})
    for expected in (4, 8, 10):
        run.advance()
        if not run.due:
            with pytest.raises(UsageError, match=f"the next report is at step {expected}"):
                run.report({"score": 1})
        while not run.due:
            run.advance()
        run.report({"score": 1})
    with pytest.raises(UsageError, match="step 10 was reported already, and it is the last one"):
        run.report({"score": 1})


def test_track_is_called_once_with_something_before_the_loop() -> None:
    run = started()
    with pytest.raises(UsageError, match="at least one object"):
        run.track()
    run.track(model=torch.nn.Linear(1, 1))
    with pytest.raises(UsageError, match="in one call"):
        run.track(more=torch.nn.Linear(1, 1))
    late = started()
    late.advance()
    with pytest.raises(UsageError, match="before the first step"):
        late.track(model=torch.nn.Linear(1, 1))


def test_state_that_no_checkpoint_can_keep_is_found_on_the_laptop() -> None:
    class Odd:
        def state_dict(self) -> dict[str, Any]:
            return {"connection": object()}

        def load_state_dict(self, state: dict[str, Any]) -> None: ...

    with pytest.raises(StateError, match="connection"):
        started().track(odd=Odd())


@pytest.mark.parametrize("numbers", [(0, 1), (1, 0), (-1, 1)])
def test_totals_below_one_are_refused(numbers: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        started(*numbers)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3.0),
        (0.5, 0.5),
        (float("-inf"), float("-inf")),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3.0),
        (np.array(2.0), 2.0),
        (np.array([1, 2]), [1.0, 2.0]),
        (torch.tensor(0.5, dtype=torch.bfloat16), 0.5),
        (torch.ones(2, requires_grad=True), [1.0, 1.0]),
        ((1, np.float64(2), torch.tensor(3)), [1.0, 2.0, 3.0]),
        ([], []),
    ],
)
def test_numbers_of_all_kinds_are_metrics(value: Any, expected: float | list[float]) -> None:
    found = plain({"metric": value})["metric"]
    assert found == expected
    assert all(type(item) is float for item in (found if isinstance(found, list) else [found]))


@pytest.mark.parametrize(
    "value", [True, "0.5", None, {"a": 1}, [[1.0]], np.bool_(True), torch.ones(2, 2), 1j, [1, "2"]]
)
def test_what_is_no_number_is_refused_by_name(value: Any) -> None:
    with pytest.raises(UsageError, match="metric 'odd'"):
        plain({"fine": 1, "odd": value})


def test_a_bare_number_is_no_report() -> None:
    with pytest.raises(UsageError, match="a mapping of metrics, not float"):
        plain(0.5)  # type: ignore[arg-type]


def test_files_are_checked_alone_too(tmp_path: Path) -> None:
    run = started(interval_steps=1)
    run.advance()
    with pytest.raises(StateError, match="no such directory"):
        run.report({"score": 1}, files=tmp_path / "missing")


@pytest.mark.slow
def test_the_example_of_the_documentation_trains() -> None:
    page = Path(__file__).parents[4] / "docs" / "trainer.md"
    example = page.read_text().split("```python\n")[1].split("```")[0]
    found: dict[str, Any] = {}
    exec(compile(example, str(page), "exec"), found)
    assert found["run"].stopped is Stopped.FINISHED
    assert found["loss"].item() < 1.0
