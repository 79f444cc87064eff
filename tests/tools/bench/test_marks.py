"""Gaps and pauses are read off the workload's marks."""

from bench.marks import Mark, bystander_restores, gaps, pauses, read


def mark(t: float, what: str, member: str = "1", process: str = "a/7", **more) -> Mark:
    return Mark(t, what, member, process, more)


def steps(first: int, last: int, *, at: float, seconds: float = 1.0, member: str = "1", process: str = "a/7"):
    """Steps one after the other, without a pause."""
    for number in range(first, last + 1):
        yield mark(at, "begin", member, process, step=number)
        at += seconds
        yield mark(at, "end", member, process, step=number)


def test_a_gap_lies_between_the_losers_last_step_and_its_first_with_the_donors_weights():
    marks = [
        *steps(1, 7, at=0.0),
        mark(7.2, "restored", donor="0"),
        *steps(6, 8, at=7.25),
    ]
    [gap] = gaps(marks, interval=5)
    assert (gap.stopped, gap.restored, gap.began) == (7.0, 7.2, 7.25)
    assert gap.seconds == 0.25
    assert gap.ready == 5.0
    assert gap.turnaround == 2.25
    assert gap.discarded == 2


def test_what_a_new_process_notes_before_it_knows_its_member_belongs_to_the_gap():
    marks = [
        *steps(1, 5, at=0.0),
        mark(6.0, "opened", "?", "a/8"),
        mark(6.5, "joined", "1", "a/8"),
        mark(7.0, "restored", "1", "a/8", donor="0"),
        *steps(6, 6, at=7.5, process="a/8"),
    ]
    [gap] = gaps(marks, interval=5)
    assert [one.what for one in gap.between] == ["end", "opened", "joined", "restored", "begin"]
    assert gap.moment("opened") == 6.0


def test_a_restore_that_no_step_follows_is_no_gap():
    assert gaps([*steps(1, 5, at=0.0), mark(6.0, "restored", donor="0")], interval=5) == []


def test_a_restore_of_ones_own_checkpoint_is_a_bystanders_pause_and_no_gap():
    marks = [*steps(1, 5, at=0.0), mark(7.0, "restored", donor="1"), *steps(6, 6, at=8.0)]
    assert gaps(marks, interval=5) == []
    assert bystander_restores(marks) == 1
    assert pauses(marks, allowed=0.5) == [3.0]


def test_a_report_is_no_pause_and_neither_is_an_exploit():
    marks = [
        *steps(1, 5, at=0.0),
        mark(5.0, "report"),
        mark(7.0, "reported"),
        *steps(6, 6, at=7.1),
        mark(9.0, "restored", donor="0"),
        *steps(6, 6, at=9.5),
    ]
    assert pauses(marks, allowed=0.5) == []


def test_members_do_not_mix():
    marks = sorted(
        [*steps(1, 5, at=0.0), *steps(1, 5, at=0.5, member="2", process="a/9")], key=lambda one: one.t
    )
    assert pauses(marks, allowed=0.1) == []


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    whole = '{"t": 1.0, "what": "begin", "member": "1", "process": "a/7", "step": 1}\n'
    (tmp_path / "7-1.jsonl").write_text(whole + whole[:20])
    assert read(tmp_path) == [mark(1.0, "begin", step=1)]
