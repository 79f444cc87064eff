"""The newest reports of members are those that the whole story has, for a few reads each."""

import msgspec
import pytest

from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.errors import NewerFormat, NotFound
from pbt_contract.records import Cause
from pbt_operator.core import births
from pbt_operator.records.archive import read_archive
from pbt_operator.records.newest_reports import Reached, newest_reports
from simulation.memory_store import MemoryStore
from unit.page.populations import Recorder, record_simulated, spec_of


@pytest.fixture
def store():
    return MemoryStore()


def whole_story(store):
    """By member, how far it is, and the newest report of its line, by all records."""
    archive = read_archive(store)
    reached = [Reached(m.member, m.incarnation, m.step) for m in archive.status().members]
    lines = {each.member: archive.history.line_reports(each.member) for each in reached}
    return reached, {member: line[-1] for member, line in lines.items() if line}


@pytest.mark.parametrize("seed", range(4))
def test_they_are_those_of_the_whole_story(store, seed):
    recorder = record_simulated(
        store, members=8, num_rounds=6 + seed, crashes=0.3, nans=0.1, seed=seed, end=False
    )
    reached, expected = whole_story(store)
    assert newest_reports(store, reached, interval_steps=200) == expected
    assert any(birth.cause.resumes for birth in map(recorder.history.newest_birth, range(8)))


def test_a_member_has_none_between_a_decision_and_its_next_report(store):
    recorder = Recorder(store, spec_of(members=2, total_steps=30, interval_steps=10))
    winner, loser = (recorder.bear(births.first(recorder.spec, member=m)) for m in range(2))
    recorder.report(winner, 10, 0.9)
    recorder.report(loser, 10, 0.1)
    recorder.decide(1)
    recorder.report(loser, 20, 0.1)  # by a process that is not over yet
    reached, expected = whole_story(store)
    assert list(expected) == [winner.member]
    assert newest_reports(store, reached, interval_steps=10, readers=2) == expected


def test_a_resume_from_a_save_has_the_report_before_it_and_none_behind_it(store):
    recorder = Recorder(store, spec_of(members=1, total_steps=30, interval_steps=10))
    first = recorder.bear(births.first(recorder.spec, member=0))
    report = recorder.report(first, 10, 0.5)
    save = recorder.report(first, 14, save=True)
    resumed = resume(recorder, first, save)
    recorder.report(first, 20, 0.7)  # too late: it doesn't count
    reached, expected = whole_story(store)
    assert expected == {0: report}
    assert newest_reports(store, reached, interval_steps=10) == expected
    again = resume(recorder, resumed, recorder.report(resumed, 17, save=True))
    reached, expected = whole_story(store)
    assert reached == [Reached(0, 3, 17)]
    assert newest_reports(store, reached, interval_steps=10) == expected == {0: report}
    last = recorder.report(again, 30, 0.9)
    reached, expected = whole_story(store)
    assert newest_reports(store, reached, interval_steps=10) == expected == {0: last}


def resume(recorder, former, save):
    changes = {"incarnation": former.incarnation + 1, "cause": Cause.RESUME, "source": save.source}
    steps = {"start_step": save.step, "previous_step": save.step, "seed_round": None}
    return recorder.bear(msgspec.structs.replace(former, **changes, **steps))


def test_the_last_report_may_lie_beside_the_grid(store):
    recorder = Recorder(store, spec_of(members=1, total_steps=25, interval_steps=10))
    birth = recorder.bear(births.first(recorder.spec, member=0))
    for step in (10, 20, 25):
        recorder.report(birth, step, 0.5)
    reached, expected = whole_story(store)
    assert expected[0].step == 25
    assert newest_reports(store, reached, interval_steps=10) == expected


def test_what_is_no_report_is_left_out_and_another_location_is_told(store):
    recorder = Recorder(store, spec_of(members=1, total_steps=30, interval_steps=10))
    birth = recorder.bear(births.first(recorder.spec, member=0))
    store.create(keys.report(1, 0, 1), b"{}")
    assert newest_reports(store, [Reached(0, 1, 10)], interval_steps=10) == {}
    with pytest.raises(NotFound):
        newest_reports(store, [Reached(1, 1, 10)], interval_steps=10)
    newer = msgspec.structs.replace(recorder.report(birth, 20, 0.5), format=9, round=3, step=30)
    store.create(keys.report(3, 0, 1), encode(newer))
    with pytest.raises(NewerFormat):
        newest_reports(store, [Reached(0, 1, 30)], interval_steps=10)
