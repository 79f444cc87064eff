"""A real population with fewer slots than members, in place: no report holds an episode of another member or life."""

from fixtures.manifests import DETERMINISTIC, population

SCHEDULE = {"totalSteps": 60, "intervalSteps": 10, "quorumPercent": 100}
CONTAINER = {
    "name": "trainer",
    "command": ["python", "episodes.py"],
    "env": [{"name": "STEP_SECONDS", "value": "0.02"}],
}


def test_no_report_holds_an_episode_of_another_member_or_of_its_donor(runner):
    run = runner(
        population(
            "episodes",
            DETERMINISTIC,
            members=6,
            parallelism=2,
            restart="InPlace",
            schedule=SCHEDULE,
            exploit={"truncation": {"percent": 30}},
            template={"spec": {"containers": [CONTAINER]}},
        )
    )
    finished = run.run()
    assert finished.returncode == 0, finished.stdout
    claims, births = run.records("claims"), run.records("births")
    lived = [{c["member"] for c in claims if c["pod"] == pod} for pod in {c["pod"] for c in claims}]
    assert any(len(members) > 1 for members in lived), "no process went on as another member"
    exploits = {(b["member"], b["incarnation"]) for b in births if b["cause"] == "Exploit"}
    assert exploits
    reports = run.records("reports")
    counted = 0
    for report in reports:
        first = max(
            i for i in range(1, report["incarnation"] + 1) if i == 1 or (report["member"], i) in exploits
        )
        for whose in report["metrics"]["whose"]:
            assert int(whose) == report["member"], report
            assert first <= round(whose % 1 * 1000) <= report["incarnation"], report
            counted += 1
    assert counted > len(reports)
    assert any(len(report["metrics"]["whose"]) == 6 for report in reports)
