"""`pbt run` with real processes and a real folder."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from fixtures.decided import decisions
from fixtures.manifests import DETERMINISTIC, PAPER_TOY, population, spec
from fixtures.told import told_at
from fixtures.toys import Deterministic
from pbt_contract.stores import open_store
from pbt_operator.records.archive import Archive, read_archive
from pbt_operator.runners.local.warden import children
from simulation import Simulation

TEMPLATE = {"spec": {"containers": [{"name": "trainer", "command": ["python", "deterministic.py"]}]}}
SCHEDULE = {"totalSteps": 60, "intervalSteps": 10, "quorumPercent": 100}
SMALL = {**DETERMINISTIC, "members": 4, "schedule": SCHEDULE, "template": TEMPLATE}
SLOW = {**TEMPLATE, "spec": {"containers": [{**TEMPLATE["spec"]["containers"][0], "env": []}]}}
SLOW["spec"]["containers"][0]["env"] = [{"name": "STEP_SECONDS", "value": "0.02"}]


def told(location: Path) -> Archive:
    return told_at(open_store(str(location)))


@pytest.fixture(scope="module")
def simulated() -> list[object]:
    """What the in-memory runner decides for the same manifest and the same function."""
    simulation = Simulation(spec(SMALL), Deterministic()).run()
    found = decisions(read_archive(simulation.store).rounds)
    assert len(found) >= 4
    return found


def test_the_paper_toy_needs_pbt(runner):
    """Through manifest, SDK and runner: 0.592 without exploit, at least 1.15 with it.

    Its steps take no time, so that below quorum 100 the members would be through before anything is decided.
    """
    command = ["python", str(Path(__file__).parents[4] / "examples" / "toy.py")]
    template = {"spec": {"containers": [{"name": "trainer", "command": command}]}}
    schedule = {**PAPER_TOY["schedule"], "quorumPercent": 100}
    base = {**PAPER_TOY, "schedule": schedule, "template": template}
    fixed = runner(population("fixed", base, exploit={"none": {}}))
    assert fixed.run().returncode == 0
    best = told(fixed.location).best
    assert best is not None
    assert best.score == pytest.approx(0.592, abs=0.001)
    trained = runner(population("trained", base))
    assert trained.run().returncode == 0
    best = told(trained.location).best
    assert best is not None
    assert 1.15 <= best.score <= 1.2


@pytest.mark.parametrize("parallelism", [1, 3, 4])
def test_decisions_are_those_of_the_simulation_whatever_the_parallelism(runner, simulated, parallelism):
    run = runner(population("same", SMALL))
    finished = run.run("--parallelism", str(parallelism))
    assert finished.returncode == 0, finished.stdout
    assert decisions(told(run.location).rounds) == simulated
    run.assert_no_stray_process()


def test_decisions_in_place_are_the_same_with_fewer_processes(runner, simulated):
    run = runner(population("inplace", SMALL, restart="InPlace", template=SLOW))
    finished = run.run()
    assert finished.returncode == 0, finished.stdout
    found = told(run.location)
    assert decisions(found.rounds) == simulated
    pods = {claim["pod"] for claim in run.records("claims")}
    assert len(pods) < len(found.births)


def test_on_fewer_slots_in_place_processes_go_on_as_the_members_that_wait(runner, simulated):
    run = runner(population("slots", SMALL, restart="InPlace", template=SLOW))
    finished = run.run("--parallelism", "2")
    assert finished.returncode == 0, finished.stdout
    found = told(run.location)
    assert decisions(found.rounds) == simulated
    assert "TakeoverLate" not in finished.stdout
    claims = run.records("claims")
    lived_by = {claim["pod"]: {c["member"] for c in claims if c["pod"] == claim["pod"]} for claim in claims}
    assert len(lived_by) < len(found.births)
    assert any(len(members) > 1 for members in lived_by.values())
    took = [c for c in run.records("yields") if (c["to"]["member"], c["to"]["incarnation"]) in found.claimed]
    assert took
    # Each member's log says where its life goes on, and the trainer says whose it is.
    logs = {path.name: path.read_text() for path in (run.location / "logs").iterdir()}
    one = took[0]["to"]
    (line,) = [
        text
        for text in logs[f"{one['member']:05d}.log"].splitlines()
        if text.startswith(f"--- {one['member']:05d}-{one['incarnation']:06d} goes on in ")
    ]
    said = f"pbt: member {one['member']}, incarnation {one['incarnation']}, from step"
    assert said in logs[line.split()[-1]]
    run.assert_no_stray_process()


def test_killed_twenty_times_it_decides_the_same_and_leaves_no_process(runner, simulated):
    """No step beyond the newest record is lost, whenever SIGKILL comes."""
    chance = random.Random(1)
    run = runner(population("killed", SMALL, template=SLOW))
    for _ in range(20):
        process = run.start()
        try:
            process.communicate(timeout=chance.uniform(0.1, 2.0))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        run.assert_no_stray_process()
    finished = run.run()
    assert finished.returncode == 0, finished.stdout
    assert (
        decisions(told(run.location).rounds) == simulated
    )  # the audit checks every resume against its records


def test_ctrl_c_saves_every_member_and_the_same_command_goes_on(runner):
    run = runner(population("stopped", SMALL, exploit={"none": {}}, template=SLOW))
    process = run.start()
    while len(list(run.location.glob("reports/0000002/*.json"))) < 4:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "the same command goes on from here" in output
    run.assert_no_stray_process()
    positions = {m.member: m.step for m in told(run.location).status().members}
    finished = run.run()
    assert finished.returncode == 0, finished.stdout
    found = told(run.location)
    for (member, incarnation), birth in found.births.items():
        if incarnation == 2:
            assert birth.start_step == positions[member]


def test_a_second_run_of_a_complete_population_only_tells_its_result(runner):
    run = runner(population("twice", SMALL))
    first, second = run.run(), run.run()
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout.splitlines()[-5:] == second.stdout.splitlines()[-5:]
    assert len(run.records("results")) == 1


FLAKY = """
import os, pbt_trainer
run = pbt_trainer.join({"rate": 1.0}, total_steps=40, interval_steps=10)
class Sum:
    value = 0.0
    def state_dict(self): return {"value": self.value}
    def load_state_dict(self, state): self.value = state["value"]
total = Sum()
run.track(total=total)
for step in run.steps():
    if step == 25 and not os.path.exists("MENDED"): raise RuntimeError("a bug")
    total.value += run.hp["rate"]
    if run.due: run.report({"score": total.value})
"""


def test_one_that_failed_continues_with_the_same_command_once_its_script_is_mended(runner, tmp_path):
    command = ["python", "-c", FLAKY.replace("MENDED", str(tmp_path / "mended"))]
    template = {"spec": {"containers": [{"name": "trainer", "command": command}]}}
    rate = [{"name": "rate", "uniform": {"min": 0.1, "max": 1}}]
    changes = {"members": 2, "hyperparameters": rate, "backoffLimit": 1, "template": template}
    run = runner(population("flaky", SMALL, **changes))
    failed = run.run()
    assert failed.returncode == 1
    assert "AllMembersFailed" in failed.stdout
    (tmp_path / "mended").touch()
    assert run.run().returncode == 0
    found = told(run.location)
    assert {member.step for member in found.status().members} == {60}
    assert [result["phase"] for result in run.records("results")] == ["Failed", "Complete"]


def test_more_steps_go_on_where_it_ended(runner):
    run = runner(population("more", SMALL))
    assert run.run().returncode == 0
    longer = runner(population("more", SMALL, schedule={**SCHEDULE, "totalSteps": 80}))
    run.file.write_text(longer.file.read_text())
    assert run.run().returncode == 0
    found = told(run.location)
    assert {member.step for member in found.status().members} == {80}
    assert found.rounds[-1].number == 8


def test_another_experiment_in_the_same_folder_is_refused(runner):
    run = runner(population("other", SMALL))
    assert run.run().returncode == 0
    changed = runner(population("other", SMALL, seed=99))
    run.file.write_text(changed.file.read_text())
    refused = run.run()
    assert refused.returncode == 2
    assert "spec.seed" in refused.stdout
    assert "--dir" in refused.stdout


def test_two_runners_for_one_location_are_refused(runner):
    run = runner(population("busy", SMALL, template=SLOW))
    first = run.start()
    while not list(run.location.glob("claims/*.json")):
        assert first.poll() is None
        time.sleep(0.05)
    second = run.run()
    assert second.returncode == 1
    assert f"process {first.pid}" in second.stdout
    first.send_signal(signal.SIGKILL)
    first.communicate()
    run.assert_no_stray_process()


def test_a_trainer_that_always_fails_fails_the_population_with_its_last_line(runner):
    template = {
        "spec": {"containers": [{"name": "t", "command": ["python", "-c", "raise SystemExit('no GPU')"]}]}
    }
    run = runner(population("failing", SMALL, members=2, backoffLimit=1, template=template))
    finished = run.run()
    assert finished.returncode == 1
    assert "no GPU" in finished.stdout
    assert {path.read_text().count("no GPU") for path in run.location.glob("logs/*.log")} == {2}
    run.assert_no_stray_process()


def test_a_command_that_does_not_exist_is_named_and_starts_nothing(runner):
    template = {"spec": {"containers": [{"name": "t", "command": ["no-such-program"]}]}}
    run = runner(population("absent", SMALL, members=2, backoffLimit=0, template=template))
    finished = run.run()
    assert finished.returncode == 2
    assert "no-such-program" in finished.stdout
    assert not run.location.exists()


def test_a_bad_manifest_starts_nothing(runner):
    run = runner(population("bad", {**SMALL, "members": 0}))
    finished = run.run()
    assert finished.returncode == 2
    assert "spec.members (line" in finished.stdout
    assert not run.location.exists()


def test_trainers_share_the_cores_and_keep_their_own_logs(runner):
    script = "import os, pbt_trainer; print('threads', os.environ['OMP_NUM_THREADS']); import deterministic"
    template = {"spec": {"containers": [{"name": "t", "command": ["python", "-c", script]}]}}
    run = runner(population("logs", SMALL, exploit={"none": {}}, template=template))
    assert run.run("--parallelism", "4").returncode == 0
    logs = sorted(run.location.glob("logs/*.log"))
    assert [log.stem for log in logs] == [f"{member:05}" for member in range(4)]
    assert all("threads 1" in log.read_text() for log in logs)
    assert all("step 60" in log.read_text() for log in logs)


def test_what_a_trainer_leaves_behind_is_ended(runner):
    """Even in a session of its own."""
    script = (
        "import subprocess, sys; "
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True); "
        "import deterministic"
    )
    template = {"spec": {"containers": [{"name": "t", "command": ["python", "-c", script]}]}}
    run = runner(population("leftover", SMALL, members=2, exploit={"none": {}}, template=template))
    assert run.run().returncode == 0
    run.assert_no_stray_process()


def test_a_hundred_members(runner):
    run = runner(population("hundred", SMALL, members=100, schedule={**SCHEDULE, "totalSteps": 30}))
    finished = run.run("--parallelism", "8")
    assert finished.returncode == 0, finished.stdout
    assert "warning" not in finished.stdout
    found = told(run.location)
    assert {member.step for member in found.status().members} == {30}
    assert len(found.rounds) == 3


STUBBORN = (
    "import signal, time, pbt_trainer;"
    "run = pbt_trainer.join({'rate': 1, 'depth': 1}, total_steps=1, interval_steps=1);"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
)


def started(run, process) -> None:
    """Waits until every member has been claimed."""
    while len(list(run.location.glob("claims/*.json"))) < 2:
        assert process.poll() is None
        time.sleep(0.05)


def test_a_second_ctrl_c_ends_trainers_that_will_not_leave(runner):
    template = {"spec": {"containers": [{"name": "t", "command": ["python", "-c", STUBBORN]}]}}
    run = runner(population("stubborn", SMALL, members=2, template=template))
    process = run.start()
    started(run, process)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    run.assert_no_stray_process()


def test_ctrl_c_ends_a_trainer_that_is_still_importing(runner):
    """It hasn't come to `join`, so that nobody listens: the signal itself must end it, long before the grace period."""
    importing = "import time; print('importing', flush=True); time.sleep(600)"
    template = {"spec": {"containers": [{"name": "t", "command": ["python", "-c", importing]}]}}
    run = runner(population("importing", SMALL, members=2, template=template))
    process = run.start()
    while not any("importing" in log.read_text() for log in run.location.glob("logs/*.log")):
        assert process.poll() is None
        time.sleep(0.05)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert time.monotonic() < began + 15, output
    assert process.returncode == 130
    run.assert_no_stray_process()


def test_trainers_that_ignore_sigterm_are_killed_after_the_grace_period(runner):
    containers = [{"name": "t", "command": ["python", "-c", STUBBORN]}]
    template = {"spec": {"containers": containers, "terminationGracePeriodSeconds": 1}}
    run = runner(population("grace", SMALL, members=2, template=template))
    process = run.start()
    started(run, process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    run.assert_no_stray_process()


def test_if_the_warden_is_killed_nothing_stays_behind_and_the_same_command_goes_on(runner, simulated):
    run = runner(population("warden", SMALL, template=SLOW))
    process = run.start()
    started(run, process)
    (warden,) = children(process.pid)
    os.kill(warden, signal.SIGKILL)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "keeps the trainers is gone" in output
    run.assert_no_stray_process()
    assert run.run().returncode == 0
    assert decisions(told(run.location).rounds) == simulated
