"""SIGTERM: saved at the next step boundary, unless somebody else goes on from elsewhere."""

from pbt_contract import keys
from unit.trainer.population import Population, Trainer, until


def started(population: Population, script: str = "plain.py", **given: object) -> Trainer:
    """A trainer that is doing its third step."""
    population.birth()
    trainer = population.start(script, **given)
    trainer.go(2 if script != "plain.py" else 3)
    trainer.hear("step 3")
    return trainer


def hide_store(population: Population) -> None:
    store = population.folder / "store"
    store.rename(population.folder / "away")
    store.write_text("something that is no folder")


def test_sigterm_saves_the_step_that_is_done_and_skips_the_scripts_tail(population: Population) -> None:
    trainer = started(population)
    trainer.terminate()
    assert trainer.end() == 0
    assert not any(line.startswith(("step 4", "ended")) for line in trainer.said)
    [save] = population.saves()
    assert (save.step, save.round, save.metrics) == (3, None, {})
    population.assert_no_leftovers()
    population.resume(save)
    assert "restored 3 1.5" in population.run(incarnation=2).said


def test_sigterm_at_a_due_step_leaves_its_report_and_a_save_of_the_same_checkpoint(
    population: Population,
) -> None:
    """Exit code 0 right after a report alone would say that the member is done."""
    trainer = started(population)
    trainer.go()
    trainer.hear("step 4")
    trainer.terminate()
    assert trainer.end() == 0
    report, [save] = population.reported(1), population.saves()
    assert (save.step, save.checkpoint, save.files) == (4, report.checkpoint, report.files)
    assert not save.ends
    population.assert_no_leftovers()


def test_sigterm_with_a_successor_leaves_at_once_and_unsaved(population: Population) -> None:
    trainer = started(population)
    population.birth(2)
    trainer.terminate()
    assert trainer.end() == 0
    assert population.saves() == []
    assert list(population.store.names(keys.CHECKPOINTS)) == []
    assert "leaving unsaved, a successor was born" in trainer.errors()


def test_sigterm_before_the_first_step_ends_the_process(population: Population) -> None:
    population.birth()
    trainer = population.start()
    trainer.hear("joined")
    trainer.terminate()
    assert trainer.end() == 0
    assert not any(line.startswith("step") for line in trainer.said)
    population.assert_no_leftovers()


def test_a_second_sigterm_changes_nothing_and_a_former_handler_is_called(population: Population) -> None:
    trainer = started(population, "handling.py")
    for _ in range(2):
        trainer.terminate()
        trainer.hear("handled 15")
    assert trainer.end() == 0
    assert [save.step for save in population.saves()] == [3]


def test_a_framework_that_handles_it_and_leaves_the_loop_has_not_called_the_member_done(
    population: Population,
) -> None:
    population.birth()
    trainer = population.start("seizing.py")
    trainer.go(4)
    trainer.hear("step 5")
    trainer.terminate()
    trainer.hear("handled 15")
    assert trainer.end() == 0
    report, [save] = population.reported(1), population.saves()
    assert (save.step, save.checkpoint) == (4, report.checkpoint)
    assert not save.ends
    assert "its newest record stands" in trainer.errors()


def test_a_script_that_reports_files_is_not_saved_without_them(population: Population) -> None:
    trainer = started(population, "files.py")
    trainer.go(2)
    trainer.hear("step 5")
    trainer.terminate()
    assert trainer.end() == 0
    report, [save] = population.reported(1), population.saves()
    assert (save.step, save.checkpoint) == (4, report.checkpoint)
    assert "only the script can save its files" in trainer.errors()


def test_where_the_grace_period_is_too_short_the_newest_record_stands(population: Population) -> None:
    trainer = started(population, grace_seconds=0.5)
    hide_store(population)
    trainer.terminate()
    assert trainer.end() == 0
    assert "the grace period ended before step 3 was stored" in trainer.errors()
    population.assert_no_leftovers()


def test_sigterm_while_a_report_waits_for_the_store_ends_with_the_grace_period(
    population: Population,
) -> None:
    trainer = started(population, grace_seconds=0.5)
    hide_store(population)
    trainer.go(5)
    trainer.hear("step 8")
    until(lambda: "retrying" in trainer.errors())
    trainer.go()  # the report of step 8 waits for that of step 4
    trainer.terminate()
    assert trainer.end() == 0
    assert "grace period ended before step 8" in trainer.errors()
    assert "reported 8" not in trainer.said
