"""How a script ends: by `finish`, by leaving its loop, by an exit or an error; and what its records say then."""

import json

import pytest

from pbt_contract import keys
from pbt_contract.records import Ending, Report
from pbt_trainer import ExitCode, Run, Stopped, UsageError, join
from unit.trainer.population import Population, Trainer

NOTE = "the script left its loop at step {} of 12: the member is done; run.finish() says so without this note"


def ended(population: Population, last: int, *how: str, **given: object) -> Trainer:
    """A trainer that was to leave at step `last`, of 12 with a report due each 4."""
    trainer = population.start("ending.py", str(last), *how, **given)
    trainer.code = trainer.end()
    population.assert_no_leftovers()
    return trainer


def state(population: Population, record: Report) -> float:
    tree = json.loads(population.store.read(record.checkpoint + "state.json"))
    return float(json.dumps(tree).split('"value": ')[1].split("}")[0])


def test_finish_between_two_reports_saves_what_was_trained_and_ends_the_loop(population: Population) -> None:
    population.birth()
    trainer = ended(population, 6, "finish")
    assert (trainer.code, trainer.said) == (0, ["ended FINISHED"])
    [save] = population.saves()
    assert (save.step, save.round, save.ending, save.metrics) == (6, None, Ending.FINISHED, {})
    assert state(population, save) == 3.0
    assert [population.report(number) is not None for number in (1, 2)] == [True, False]


def test_finish_with_metrics_reports_the_due_step(population: Population) -> None:
    population.birth()
    assert ended(population, 8, "finish with metrics").code == 0
    report = population.reported(2)
    assert (report.score("score"), report.ending) == (4.0, Ending.FINISHED)
    assert population.saves() == []
    assert not population.reported(1).ends


def test_finish_with_metrics_between_two_reports_keeps_them(population: Population) -> None:
    population.birth()
    ended(population, 6, "finish with metrics")
    [save] = population.saves()
    assert (save.round, save.metrics, save.ending) == (None, {"score": 3.0}, Ending.FINISHED)


def test_finish_after_the_report_of_its_step_says_so_of_the_checkpoint_that_is_there(
    population: Population,
) -> None:
    population.birth()
    ended(population, 8, "finish")
    report, [save] = population.reported(2), population.saves()
    assert (save.step, save.ending, save.checkpoint, save.files) == (
        8,
        Ending.FINISHED,
        report.checkpoint,
        report.files,
    )
    assert len(list(population.store.names(keys.checkpoints_of(0, 1)))) == 2, "nothing is stored twice"


def test_what_the_script_does_after_finish_is_its_own(population: Population) -> None:
    population.birth()
    assert ended(population, 6, "finish, then crash").code == 1
    assert [save.ending for save in population.saves()] == [Ending.FINISHED]


@pytest.mark.parametrize("how", [("break",), ("exit", "0")])
@pytest.mark.parametrize("last", [8, 10])
def test_a_script_that_leaves_its_loop_is_done_with_a_note(
    population: Population, how: tuple[str, ...], last: int
) -> None:
    """At its newest record: what it has trained since is nobody's."""
    population.birth(hyperparameters={"rate": 0.5, "layers": 1})
    trainer = ended(population, last, *how)
    assert trainer.code == 0
    report, [save] = population.reported(2), population.saves()
    assert (save.step, save.ending, save.checkpoint) == (8, Ending.LEFT, report.checkpoint)
    assert save.notes == [NOTE.format(last)]
    assert trainer.errors().count("the member is done (run.finish() says so)") == 1


def test_a_resumed_life_that_leaves_before_its_first_report_is_saved_as_it_is(population: Population) -> None:
    population.birth()
    ended(population, 99, "break", total_steps=6)
    population.resume(population.reported(2))
    assert ended(population, 7, "break", incarnation=2).code == 0
    [save] = population.saves(incarnation=2)
    assert (save.step, save.ending, state(population, save)) == (7, Ending.LEFT, 3.5)


@pytest.mark.parametrize(("how", "code"), [(("break",), 0), (("crash",), 1), (("end at once",), 0)])
def test_without_any_report_an_end_says_nothing(
    population: Population, how: tuple[str, ...], code: int
) -> None:
    population.birth()
    assert ended(population, 3, *how).code == code
    assert population.saves() == []


def test_an_error_is_no_end_of_the_member(population: Population) -> None:
    population.birth()
    assert ended(population, 6, "crash").code == 1
    assert population.saves() == []


def test_a_loop_that_is_done_at_the_last_step_says_nothing_more(population: Population) -> None:
    population.birth()
    assert ended(population, 12, "break").code == 0
    assert population.saves() == []
    assert not population.reported(3).ends


@pytest.mark.parametrize(("how", "code"), [("finish", ExitCode.UNCLAIMED), ("break", 0)])
def test_a_life_that_is_over_says_nothing_more(population: Population, how: str, code: int) -> None:
    """Its member was exploited meanwhile: what it would say is about nobody."""
    population.birth(member=3)
    ended(population, 99, "break", member=3, total_steps=4)
    population.birth()
    trainer = population.start("ending.py", "6", f"{how} when superseded", in_place=True)
    trainer.hear("waits")
    population.reported(1)  # an exploit would drop what is still to be stored
    population.exploit(population.reported(1, member=3))
    assert trainer.end() == code
    assert population.saves() == []
    assert not population.reported(1).ends


# a run alone


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("PBT_LOCATION", "RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    return join({"lr": 0.1}, total_steps=10, interval_steps=4)


def test_finish_ends_the_loop_of_a_run_alone(alone: Run) -> None:
    done = []
    for step in alone.steps():
        done.append(step)
        if alone.due:
            alone.finish({"score": 1})
    assert (done, alone.stopped, alone.due) == ([1, 2, 3, 4], Stopped.FINISHED, False)
    alone.finish()  # once is enough
    with pytest.raises(UsageError, match="the run has ended"):
        alone.report({"score": 1})


def test_finish_wants_a_step_and_the_metrics_of_a_due_one(alone: Run) -> None:
    with pytest.raises(UsageError, match="comes after a step"):
        alone.finish()
    while not alone.due:
        alone.advance()
    with pytest.raises(UsageError, match=r"step 4 is due: run.finish\(metrics\) reports it"):
        alone.finish()
    alone.report({"score": 1})
    with pytest.raises(UsageError, match="step 4 was reported already"):
        alone.finish({"score": 1})
    alone.finish()
    assert alone.stopped is Stopped.FINISHED


def test_the_end_of_a_loop_that_others_own_wants_the_report_that_is_due(alone: Run) -> None:
    while not alone.due:
        alone.advance()
    with pytest.raises(UsageError, match="step 4 was due and passed"):
        alone.end()


def test_mistakes_are_told_by_an_exit_code(population: Population) -> None:
    population.birth()
    trainer = population.start("ending.py", "4", "finish with metrics", objective="accuracy")
    assert trainer.end() == ExitCode.MISTAKE
    assert "lacks the objective's metric 'accuracy'" in trainer.errors()
