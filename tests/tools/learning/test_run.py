"""A plan is run by processes, and a file that was stopped is continued with what it lacks."""

import pytest

from learning import plan
from learning.__main__ import main
from learning.arms import ARMS
from learning.results import Results
from learning.run import run
from learning.tasks import make

pytestmark = pytest.mark.process

ASKED = plan.narrowed(
    plan.quick(), tasks=["paper", "tracking"], forms=["constant"], arms=["random", "auto"], seeds=[1, 2]
)


def test_processes_give_what_the_arms_give_and_a_second_run_continues(tmp_path):
    said = []
    results = Results(tmp_path / "learning.jsonl")
    results.begin({"commit": "abc"})
    run(plan.narrowed(ASKED, seeds=[1]), results, processes=2, say=said.append)
    assert len(results.rows) == 4
    again = Results(results.file)
    run(ASKED, again, processes=2, say=said.append)
    assert [words for words in said if "left" in words] == ["4 runs are left", "4 runs are left"]
    assert len(again.rows) == 8
    for (task, _, members, arm, seed), row in again.rows.items():
        expected = ARMS[arm].run(make(task, seed), members, seed)
        assert (row.score, row.replaced, row.steps) == (expected.score, expected.replaced, expected.steps)


def test_an_unknown_arm_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(ValueError, match="there is no arm best; there are defaults, random"):
        run(plan.narrowed(ASKED, arms=["best"]), Results(tmp_path / "x.jsonl"), processes=1, say=print)


def test_the_command_line_runs_judges_and_calculates(tmp_path, capsys):
    file, page = tmp_path / "learning.jsonl", tmp_path / "learning.md"
    cell = ["--tasks", "tracking", "--forms", "constant", "--members", "8"]
    main(["run", "--to", str(file), *cell, "--arms", "random,auto,truncation-old", "--seeds", "300:304"])
    page.write_text("<!-- registered -->\n<!-- /registered -->\n")
    main(["report", str(file), "--into", str(page)])
    assert "| `auto` |" in page.read_text()
    assert (tmp_path / "learning" / "gains.svg").read_text().startswith("<svg")
    assert b'"tracking/constant/8"' in (tmp_path / "learning" / "result.json").read_bytes()
    main(["power", str(file)])
    assert "1 cells; the most is" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="name their forms"):
        main(["run", "--quick", "--tasks", "digits", "--to", str(tmp_path / "other.jsonl")])
