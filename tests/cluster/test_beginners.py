"""The likeliest mistakes of a new user: each is told with its cause and its remedy within about a minute."""

import subprocess
import sys
from typing import Any

from cluster.applied import Applied
from cluster.populations import TINY
from cluster.space import RESTRICTED, Space
from pbt_operator.runners.kubernetes.pod_troubles import IMAGE, NAMED

SECONDS = 90.0  # from the moment on that all of them are applied
PATIENCE = "20"  # of a trainer that the store refuses, which is a minute by default
FAILING = "import sys; sys.exit('dataset not found: s3://data/v2')"


def template(
    space: Space, *, command: str = "", image: str | None = None, volume: str = ""
) -> dict[str, Any]:
    """A trainer's, with an init container or a volume where one is given."""
    found = space.template("deterministic.py", PBT_STORE_PATIENCE_SECONDS=PATIENCE)
    pod = found["spec"]
    if command:
        pod["initContainers"] = [
            {
                "name": "fetch",
                "image": image or space.cluster.trainer_image,
                "command": ["python", "-c", command],
                "securityContext": RESTRICTED,
            }
        ]
    if volume:
        pod["volumes"].append({"name": "data", "configMap": {"name": volume}})
        pod["containers"][0]["volumeMounts"].append({"name": "data", "mountPath": "/data"})
    return found


def shown(applied: Applied) -> str:
    """What `pbt status` prints of it."""
    command = [
        sys.executable,
        "-m",
        "pbt_operator.cli.main",
        "status",
        applied.name,
        "-n",
        applied.space.name,
    ]
    environment = applied.space.cluster.environment
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    return done.stdout + done.stderr


def has_warned(applied: Applied, *words: str) -> None:
    """Waits for a Warning Event with these words: they are posted beside the passes."""

    def posted() -> bool:
        notes = [event["note"] for event in applied.events if event["type"] == "Warning"]
        return any(all(word in note for word in words) for note in notes)

    applied.until(posted, f"an Event says {words}", seconds=20)


def test_each_of_the_likeliest_mistakes_is_told_with_its_cause_and_remedy_within_a_minute(
    space: Space,
) -> None:
    wrong = ("--from-literal=AWS_ACCESS_KEY_ID=nobody", "--from-literal=AWS_SECRET_ACCESS_KEY=nothing")
    space.kubectl("create", "secret", "generic", "wrong", *wrong)
    plain, storage = template(space), "credentialsSecretRef"
    manifests = {
        "no-keys": {"template": plain, "storage": {storage: None}},
        "wrong-keys": {"template": plain, "storage": {storage: {"name": "wrong"}}},
        "no-secret": {"template": plain, "storage": {storage: {"name": "absent"}}},
        "no-configmap": {"template": template(space, volume="absent")},
        "no-image": {"template": template(space, command="pass", image="registry.invalid/tools:1")},
        "failing": {"template": template(space, command=FAILING)},
        "slow": {"template": template(space, command="import time; time.sleep(600)")},
    }
    found = {name: space.apply(space.population(name, TINY, **given)) for name, given in manifests.items()}
    expected = {
        "no-keys": (
            "StorageReady",
            "TrainersRefused",
            "Unable to locate credentials",
            "spec.storage.credentialsSecretRef",
        ),
        "wrong-keys": ("StorageReady", "TrainersRefused", "InvalidAccessKeyId", "correct the access key"),
        "no-secret": ("Progressing", "PodsWaiting", 'secret "absent" not found', NAMED),
        "no-configmap": ("Progressing", "PodsWaiting", 'configmap "absent" not found', NAMED),
        "no-image": ("Progressing", "PodsWaiting", "init container fetch: ", IMAGE),
        "failing": (
            "Failed",
            "Mistake",
            "init container fetch ended with exit code 1",
            "dataset not found: s3://data/v2",
        ),
    }
    for name, (kind, reason, *words) in expected.items():
        told = found[name].until_condition(
            kind, status="True" if kind == "Failed" else "False", reason=reason, seconds=SECONDS
        )
        assert all(word in told["message"] for word in words), told
        has_warned(found[name], *words)
        assert all(word in shown(found[name]) for word in words)
    slow = found["slow"]
    age = "init container fetch has run for 1 min"
    slow.until(lambda: age in slow.condition("Progressing")["message"], "its age", seconds=SECONDS)
    assert slow.condition("Progressing")["status"] == "True"
    assert not [event for event in slow.events if event["type"] == "Warning"]
