"""What `pbt check` makes of what its processes have found, without any process."""

import pytest
from msgspec.structs import replace

from pbt_contract.check import Findings, Order, Swap
from pbt_contract.records import File, Report
from pbt_operator.cli.amounts import brief_text, size_text
from pbt_operator.cli.check_lines import Asked, Checked, is_wrong
from pbt_operator.cli.script_crashes import error_in, is_ours, remedy_of
from pbt_operator.cli.script_verdicts import judged
from pbt_operator.cli.show_check import show
from pbt_operator.runners.local.trials import Ended

ASKED = Asked(order=Order(steps=20, has_manifest=True), hyperparameters={"lr": 0.1}, metric="score")
FILES = [
    File(name="state.json", size=900, sha256="0"),
    File(name="state.safetensors", size=4_100_000, sha256="0"),
]
REPORT = Report(
    member=0,
    incarnation=1,
    step=20,
    round=1,
    metrics={"score": 1.0},
    hyperparameters={"lr": 0.1},
    checkpoint="checkpoints/0/",
    files=FILES,
    starting=2.0,
)
FOUND = Findings(
    hyperparameters={"lr": 0.1},
    total_steps=400,
    interval_steps=100,
    due=20,
    step=21,
    tracked={"model": "Linear"},
    random={"loop": {"torch": "a"}},
    metrics={"score": 1.0},
    record=REPORT.key,
    step_seconds=0.012,
    report_seconds=0.3,
    swaps=[Swap(name="lr", value=0.1, tried=0.2, why=None, readers=["build"])],
    restored=[],
    done=True,
)
BORN = replace(FOUND, random={"loop": {"torch": "b"}}, metrics={"score": 2.0}, loaded=[])
TRACEBACK = """Traceback (most recent call last):
  File "/home/me/train.py", line 9, in <module>
    run.track(model=model)
  File "/home/me/lib/python3.11/site-packages/pbt_trainer/run.py", line 98, in track
    raise StateError(told)
pbt_contract.errors.StateError: model: the checkpoint's weights don't fit.
  Unexpected key(s): "1.weight".
It needs another form.
"""


def lines(first=FOUND, second=BORN, *, asked=ASKED, report=REPORT, alone=(), **ended):
    """By check: level, words and remedy."""
    born = (
        None
        if second is None
        else Ended(**{"exit_code": 0, "output": "", "findings": second, "report": REPORT} | ended)
    )
    checked = Checked(
        asked,
        Ended(0, "", findings=first, report=report),
        born,
        dict(alone),
        dict.fromkeys(["lr", *dict(alone)], 0.2),
    )
    return {line.check: (line.level, line.told, line.remedy) for line in judged(checked)}


def test_all_is_well():
    told = lines()
    assert {level for level, *_ in told.values()} == {"ok"}
    assert told["join"][1] == "400 steps, a report every 100 (here at step 20); lr 0.1"
    assert told["checkpoint"][1] == "4.1 MB: state.safetensors 4.1 MB and state.json 900 bytes"
    assert told["time"][1] == (
        "a start 2.0 s, a step 12 ms, evaluation and report 300 ms, so an interval of 100 steps about 1.5 s"
    )


@pytest.mark.parametrize(
    ("found", "check", "level", "words"),
    [
        (
            {"metrics": {"score": "NaN"}},
            "report",
            "warning",
            "score NaN: a score that is no finite number ranks last",
        ),
        ({"metrics": {"score": []}}, "report", "warning", "score is an empty list: with too few episodes"),
        ({"restored": ["model.bias"]}, "restore", "error", "differs from what was saved: model.bias"),
        (
            {"build": ["optimizer: the same SGD again"]},
            "build",
            "error",
            "called again: optimizer: the same SGD",
        ),
        ({"unread": ["a", "b", "c"]}, "unread", "warning", "nothing has read a, b and c from run.hp"),
        ({"notes": ["optimizer starts fresh"]}, "note", "warning", "optimizer starts fresh"),
        ({"random": {"loop": {"torch": "b"}}}, "seeds", "warning", "the same random numbers of torch"),
        ({"metrics": {"score": 2.0}}, "score", "warning", "score is 2 in both reports"),
    ],
)
def test_what_is_wrong_with_a_member(found, check, level, words):
    told = lines(replace(FOUND, **found))
    assert told[check][0] == level
    assert words in told[check][1]
    assert [name for name, line in told.items() if line[0] != "ok"] == [check]


def test_nothing_is_tracked_but_files_are_taken_along():
    files = [File(name="files/shard", size=10, sha256="0")]
    assert "track" not in lines(replace(FOUND, tracked=None), report=replace(REPORT, files=files))
    empty = lines(replace(FOUND, tracked=None), report=replace(REPORT, files=[]))
    assert empty["track"][0] == "error"
    assert empty["checkpoint"][:2] == ("warning", "is empty")


def test_a_newborn_that_loads_something_else():
    assert lines(second=replace(BORN, loaded=["model.weight"]))["newborn"][0] == "error"


def test_a_newborn_that_crashes_whatever_is_changed():
    born = lines(second=replace(BORN, done=False), exit_code=1, output="ValueError: no")
    assert born["newborn"] == ("error", "ValueError: no", "")


def test_a_member_that_takes_too_long():
    ended = Ended(143, "", findings=replace(FOUND, done=False, step=7, record=None, swaps=[]), late=True)
    (*_, line) = judged(Checked(ASKED, ended))
    assert (line.level, line.check) == ("error", "train")
    assert line.told == "no report within the time that was given: step 7 was reached"


def test_a_newborn_that_ends_too_early_or_too_late():
    unfinished = replace(BORN, done=False)
    assert "ended before its first report" in lines(second=unfinished)["newborn"][1]
    assert "no report within the time" in lines(second=unfinished, late=True)["newborn"][1]


def test_which_hyperparameter_is_why_a_newborn_crashes():
    refused = Ended(83, "", traceback=TRACEBACK)
    alone = {"lr": Ended(0, "", findings=BORN), "layers": refused}
    first = replace(FOUND, hyperparameters={"lr": 0.1, "layers": 3})
    level, told, remedy = lines(first, replace(BORN, done=False), alone=alone, exit_code=83)["newborn"]
    assert level == "error"
    assert told == (
        "a checkpoint of layers 3 can't be continued with layers 0.2: model: the checkpoint's weights don't fit. "
        'Unexpected key(s): "1.weight". It needs another form. (train.py:9)'
    )
    assert remedy.startswith("give layers `explore: Never`")
    without = Asked(order=Order(steps=20, has_manifest=False), hyperparameters={})
    assert lines(first, replace(BORN, done=False), alone=alone, asked=without)["newborn"][0] == "warning"


@pytest.mark.parametrize(
    ("ended", "check", "words", "remedy"),
    [
        (Ended(137, ""), "start", "the process was killed, perhaps for want of memory", ""),
        (Ended(3, "boom"), "start", "boom (exit code 3)", ""),
        (
            Ended(None, "[Errno 2] No such file or directory: 'pythonx'"),
            "start",
            "[Errno 2] No such file or directory: 'pythonx'",
            "pythonx is no program of this machine; the first word of a command is one, such as python",
        ),
        (
            Ended(2, "python: can't open file '/x/train.py': [Errno 2] No such file or directory"),
            "start",
            "python: can't open file '/x/train.py': [Errno 2] No such file or directory (exit code 2)",
            "paths are relative to the folder that pbt is started in, or to the template's workingDir",
        ),
        (Ended(1, ""), "start", "the process ended without a word", ""),
        (Ended(-15, "", late=True), "join", "pbt_trainer.join() was not reached", None),
    ],
)
def test_a_process_that_does_not_join(ended, check, words, remedy):
    (line,) = judged(Checked(ASKED, ended))
    assert (line.level, line.check, line.told) == ("error", check, words)
    assert remedy is None or line.remedy == remedy
    assert is_wrong([line])


def test_an_error_of_ours_needs_no_traceback():
    assert is_ours(TRACEBACK)
    assert not is_ours("ValueError: UsageError: no")
    assert error_in("a\nValueError: no\n  ^^^\n") == "ValueError: no"
    assert remedy_of("ModuleNotFoundError: No module named 'a.b'").endswith(" -m pip install a")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (152_300, "152 kB"), (2 * 10**12, "2.0 TB")],
)
def test_sizes(size, text):
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 ms"), (0.0000412, "0.041 ms"), (0.0123, "12 ms"), (1.44, "1.4 s"), (200.2, "3 min 20 s")],
)
def test_times(seconds, text):
    assert brief_text(seconds) == text


def test_what_a_terminal_would_obey_is_escaped(capsys):
    bad = replace(FOUND, tracked={"model": "\x1b[31mRed"}, unread=["\x1b]0;x"])
    checked = Checked(ASKED, Ended(0, "", findings=bad, report=REPORT))
    show(checked, judged(checked), name="train.py", as_json=False)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\\x1b[31mRed" in out


def test_long_lines_are_folded_below_their_column(capsys):
    checked = Checked(ASKED, Ended(0, "", findings=replace(FOUND, unread=["lr"]), report=REPORT))
    show(checked, judged(checked), name="train.py", as_json=False)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    assert "\nwarning  unread      nothing has read lr" in out
    assert "\n                     -> read it by run.hp[...]" in out
    assert out.endswith("\ntrain.py: ready to train, 1 warning\n")
