"""`pbt status` of a Population: by its custom resource alone, in the words of a run on this machine."""

import json
import os
import subprocess
import sys

import pytest

from pbt_contract.stores.s3 import S3Store
from pbt_operator.records.archive import read_archive
from support.minio import Server, minio
from unit.cli.cluster import condition, words
from unit.page.populations import FILES, record_small

__all__ = ["minio"]

COMPLETE = condition("Complete", "True", "AllStepsDone", "all members are at step 20")
FINE = [
    condition("Accepted", "True", "Accepted", "the spec is in force"),
    condition("StorageReady", "True", "Ready", "s3://experiments/x"),
    condition("Progressing", "True", "Training", "round 1 of 2 is decided; 2 of 2 pods run"),
    condition("Suspended", "False", "NotSuspended"),
    condition("Complete", "False", "NotEnded"),
    condition("Failed", "False", "NotEnded"),
]


def conditions(*changed):
    """Those of a population that trains, with some changed."""
    known = {c["type"]: c for c in [*FINE, *changed]}
    return list(known.values())


@pytest.fixture
def told(namespace, recorder):
    """A Population whose status tells of the small population."""
    namespace.create()
    status = words(read_archive(recorder.store).status())
    namespace.tell(
        **status, observedGeneration=1, conditions=conditions(COMPLETE), location="s3://experiments/x"
    )
    return status


def test_it_looks_as_the_status_of_the_records(pbt, told, digits):
    local = pbt("status", digits).out
    assert local.startswith("digits: Complete (AllStepsDone: all members are at step 20)\n\nbest ")
    both, _, learned = local.partition("1 first ancestor is alive after round 2\n")
    assert learned == "the newest values are of round 1: 1 moved\n", "what only all records tell comes last"
    assert pbt("status", "digits") == (0, f"{both}records: s3://experiments/x\n", "")


def test_json_has_the_words_of_the_records_and_what_a_cluster_knows(pbt, namespace, told, digits):
    namespace.tell(location=digits.as_uri())
    local, found = (json.loads(pbt("status", target, "-o", "json").out) for target in [digits, "digits"])
    assert all(member["metrics"] for member in local["members"])
    assert {name: found.pop(name) for name in local} == local
    assert set(found) == {"conditions", "location", "observedGeneration"}


def test_a_population_that_no_operator_saw_is_pending(pbt, namespace):
    namespace.create()
    out = pbt("status", "digits").out
    assert out.startswith("digits: Pending (NotSeen: no operator has looked at it; ")
    assert f"does it watch namespace {namespace.name}?)\n\nbest   -\n" in out
    assert json.loads(pbt("status", "digits", "-o", "json").out)["members"] == []


@pytest.mark.parametrize(
    ("phase", "changed", "first", "then"),
    [
        ("Running", [], "Running (Training: round 1 of 2 is decided; 2 of 2 pods run)", []),
        (
            "Running",
            [condition("StorageReady", "False", "Unreachable", "s3://experiments/x: timed out")],
            "Running (Training: round 1 of 2 is decided; 2 of 2 pods run)",
            ["StorageReady is False (Unreachable: s3://experiments/x: timed out)"],
        ),
        (
            "Running",
            [
                condition("Accepted", "False", "Immutable", "spec.seed can't change"),
                condition("StorageReady", "Unknown", "Unknown", "not tried"),
                condition("Progressing", "False", "QuotaExceeded", "0 pods run; no more: pods 2"),
            ],
            "Running (QuotaExceeded: 0 pods run; no more: pods 2)",
            [
                "Accepted is False (Immutable: spec.seed can't change)",
                "StorageReady is Unknown (Unknown: not tried)",
            ],
        ),
        (
            "Suspended",
            [
                condition("Suspended", "True", "Suspended", "no pods"),
                condition("Progressing", "False", "Suspended"),
            ],
            "Suspended (Suspended: no pods)",
            [],
        ),
        (
            "Failed",
            [
                condition("Failed", "True", "TooManyFailed", "2 failed"),
                condition("Progressing", "False", "X"),
            ],
            "Failed (TooManyFailed: 2 failed)",
            [],
        ),
    ],
)
def test_conditions_that_are_not_fine_come_first(pbt, namespace, phase, changed, first, then):
    namespace.create()
    namespace.tell(phase=phase, observedGeneration=1, conditions=conditions(*changed))
    head, _, _ = pbt("status", "digits").out.partition("\n\n")
    assert head.splitlines() == [f"digits: {first}", *then]


def test_a_spec_that_the_operator_has_not_seen_is_told_of(pbt, namespace, told):
    pbt("suspend", "digits")
    assert "has not seen" not in pbt("status", "digits").out
    namespace.tell(phase="Running", conditions=conditions(condition("Complete", "False", "NotEnded")))
    pbt("suspend", "digits")
    assert "\nthe operator has not seen the newest spec yet\n" in pbt("status", "digits").out


def test_members_come_by_number_and_those_left_out_are_counted(pbt, namespace):
    namespace.create(members=40)
    numbers = [39, *range(31)]
    members = [{"member": m, "incarnation": 1, "state": "Waiting", "step": 0} for m in numbers]
    namespace.tell(phase="Pending", conditions=FINE, members=members[:-1])
    assert " of 40 members" not in pbt("status", "digits").out
    namespace.tell(members=members)
    lines = pbt("status", "digits").out.splitlines()
    rows = [line.split() for line in lines if "Waiting" in line]
    assert rows == [[str(number), "1", "Waiting", "0", "-", "-", "-"] for number in sorted(numbers)]
    assert lines[-1] == (
        "32 of 40 members, the troubled and the best; `pbt status digits --from-store` shows all"
    )


def test_control_characters_in_a_status_do_not_reach_the_terminal(pbt, namespace):
    namespace.create()
    namespace.tell(
        phase="Running", conditions=conditions(condition("Accepted", "False", "R", "\x1b[2J\nroot"))
    )
    for form in [[], ["-o", "json"]]:
        out = pbt("status", "digits", *form).out
        assert "root" in out
        assert all(c.isprintable() or c == "\n" for c in out)


def test_a_status_of_another_version_is_one_line(pbt, namespace, monkeypatch):
    namespace.create()
    namespace.tell(phase="Running", conditions=FINE, members=[{"member": 0, "incarnation": 1, "step": 0}])
    ended = pbt("status", "digits")
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert "the status of digits is from another version of the operator" in ended.err


@pytest.mark.parametrize(
    "command", [["status", "--from-store"], ["lineage"], ["schedule"], ["fetch"], ["report"]]
)
def test_without_a_location_there_is_nothing_to_read(pbt, namespace, command):
    namespace.create()
    ended = pbt(command[0], "digits", *command[1:])
    assert ended == (2, "", "pbt: digits has no location yet; `pbt status digits` says why\n")


@pytest.fixture
def stored(namespace, minio: Server, monkeypatch):
    """A Population whose records are in the bucket; of its status only the location is there."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in minio.environment.items():
        monkeypatch.setenv(name, value)
    namespace.create()
    prefix = f"{namespace.name}/digits-01234567"
    record_small(S3Store(bucket=minio.bucket, prefix=prefix, client=minio.client()))
    location = f"s3://{minio.bucket}/{prefix}"
    namespace.tell(phase="Running", conditions=FINE, location=location)
    return location


def test_the_commands_read_the_records_of_a_population_by_its_name(pbt, stored, digits, tmp_path):
    for command in [["status", "--from-store"], ["lineage"], ["schedule"], ["lineage", "-o", "json"]]:
        assert pbt(command[0], "digits", *command[1:]) == pbt(command[0], digits, *command[1:])
    assert pbt("fetch", "digits", "--to", "got").code == 0
    assert {name: (tmp_path / "got" / name).read_bytes() for name in FILES} == FILES
    assert pbt("report", "digits").code == 0
    assert (tmp_path / "digits-report.html").is_file()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1"),
        ("AWS_SECRET_ACCESS_KEY", "wrong"),
        ("AWS_ACCESS_KEY_ID", None),
    ],
)
def test_a_store_that_is_not_reached_from_here_names_the_remedy(pbt, stored, monkeypatch, variable, value):
    if value is None:
        monkeypatch.delenv(variable)
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    else:
        monkeypatch.setenv(variable, value)
    ended = pbt("lineage", "digits")
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    for word in [stored, "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"]:
        assert word in ended.err
    assert pbt("status", "digits").code == 0


def test_json_without_access_to_the_store_lacks_the_metrics_and_says_why(pbt, namespace, stored, monkeypatch):
    members = [{"member": m, "incarnation": 1 + m, "state": "Training", "step": 20} for m in range(2)]
    namespace.tell(members=members)
    known = json.loads(pbt("status", "digits", "-o", "json").out)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    ended = pbt("status", "digits", "-o", "json")
    assert (ended.code, ended.err.count("\n")) == (0, 1)
    assert ended.err.startswith("pbt: no metrics: ")
    assert "AWS_PROFILE" in ended.err
    assert all(member.pop("metrics") for member in known["members"])
    assert json.loads(ended.out) == known


def test_another_store_with_a_bucket_of_that_name_names_the_remedy(pbt, namespace, stored):
    namespace.tell(location=f"{stored}-elsewhere")
    told = pbt("status", "digits", "-o", "json")
    assert (told.code, told.err) == (0, ""), "there are no members to ask for"
    ended = pbt("lineage", "digits")
    assert (ended.code, ended.out) == (2, "")
    assert f"no population at {stored}-elsewhere; the cluster keeps digits there" in ended.err


def test_status_needs_neither_boto3_nor_the_models_of_pods(told, namespace):

    code = (
        "import sys; from pbt_operator.cli import main as cli\n"
        "try: cli.main(['status', 'digits'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'boto3', 'kopf', 'kubernetes.client.models.v1_pod'} & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr == "[]\n"


def test_what_requests_cost_is_shown_as_far_as_it_is_known(pbt, namespace, told):
    assert "store requests" not in pbt("status", "digits").out
    namespace.tell(requestCost={"perReport": 4.1, "dollarsPerMemberDay": 0.031})
    wanted = "store requests: 4.1 for a report, about $0.031 for a member and day at S3's list prices"
    assert wanted in pbt("status", "digits").out.splitlines()
