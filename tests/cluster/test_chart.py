"""The chart on a real cluster: an upgrade under load, the store test, and an uninstall that leaves nothing behind."""

import json
import secrets
from typing import Any

import yaml

from cluster.populations import SMALL, TINY
from cluster.release import CHART, SECRET, Release, changing, values
from cluster.space import Space
from pbt_operator.records.archive import Archive
from support.cluster import Cluster
from support.s3server import Server

OWN = "second"
KINDS = (
    "deployments,replicasets,pods,services,configmaps,serviceaccounts,roles,rolebindings,jobs,networkpolicies"
)


def names(space: Space) -> set[str]:
    """What there is in the namespace, such as `pod/x`."""
    return set(space.kubectl("get", KINDS, "--output=name").split())


def own_release(space: Space, **changes: Any) -> None:
    """Installs an operator for this namespace alone, beside the one of the cluster."""
    found = {
        **values(space.cluster, space.server, session=secrets.token_hex(4)),
        "watch": {"scope": "Release"},
        "crds": {"install": False},
        "uninstall": {"force": False},
        "fullnameOverride": OWN,
        "networkPolicy": {"enabled": True},
        **changes,
    }
    space.kubectl(
        "create", "secret", "generic", SECRET,
        f"--from-literal=AWS_ACCESS_KEY_ID={space.server.access_key}",
        f"--from-literal=AWS_SECRET_ACCESS_KEY={space.server.secret_key}",
    )  # fmt: skip
    space.cluster.helm(
        "install", OWN, str(CHART), f"--namespace={space.name}", "--values=-", "--wait", "--timeout=180s",
        input=json.dumps(found),
    )  # fmt: skip


def test_an_upgrade_disturbs_no_trainer(space: Space, local: Archive) -> None:
    """The operator is another pod, every trainer runs on in its own, and the decisions are the same."""
    template = space.template("deterministic.py", STEP_SECONDS="0.4")
    applied = space.apply(space.population("upgraded", SMALL, template=template))
    applied.until_round(1)
    before, release = space.release.pods(), space.release
    with changing(space.cluster):
        space.cluster.helm(
            "upgrade", release.name, str(CHART), f"--namespace={release.namespace}", "--reuse-values",
            "--set-string", f"podAnnotations.upgraded={secrets.token_hex(4)}", "--wait", "--timeout=180s",
        )  # fmt: skip
    found = applied.until_ended()
    space.until(lambda: not set(before) & set(release.pods()), "the operator before is gone")
    applied.check_decided_as(local, found)
    applied.check_one_pod_each(found)


def test_helm_test_writes_to_the_bucket(cluster: Cluster, release: Release, s3: Server) -> None:
    with changing(cluster):
        done = cluster.helm("test", release.name, f"--namespace={release.namespace}", "--logs")
    assert "store default: ready" in done.stdout
    listed = s3.client().list_objects_v2(Bucket=s3.bucket, Prefix=f"{release.prefix}/pbt-check/")
    assert listed["KeyCount"] == 0


def test_uninstalling_is_refused_while_populations_live_and_leaves_nothing_behind_after(space: Space) -> None:
    # Suspended, so that neither of the two operators has anything to do for it.
    before = names(space) | {f"configmap/{name}" for name in ("kube-root-ca.crt",)}
    own_release(space)
    template = space.template("deterministic.py")
    applied = space.apply(space.population("alive", TINY, suspend=True, template=template))
    applied.until_condition("Suspended")
    uninstall = ("uninstall", OWN, f"--namespace={space.name}", "--wait", "--timeout=120s")
    refused = space.cluster.helm(*uninstall, check=False)
    assert refused.returncode != 0
    assert {f"deployment.apps/{OWN}", f"configmap/{OWN}"} <= names(space)
    job = next(name for name in names(space) if name.startswith("job.batch/"))
    assert f"{space.name}/alive" in space.kubectl("logs", job)
    applied.delete()
    space.cluster.helm(*uninstall)
    space.until(lambda: names(space) <= before, f"only {before} is left")
    cluster_wide = space.cluster.kubectl(
        "get",
        "clusterroles,clusterrolebindings",
        f"--selector=app.kubernetes.io/instance={OWN}",
        "--output=name",
    )
    assert cluster_wide.stdout == ""


def test_the_operator_runs_without_rights_on_a_read_only_root(cluster: Cluster, release: Release) -> None:
    # Not from a pod: other tests kill and replace them.
    command = ("get", "deployment", release.name, f"--namespace={release.namespace}", "--output=yaml")
    pod = yaml.safe_load(cluster.kubectl(*command).stdout)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    security = pod["securityContext"] | container["securityContext"]
    assert security["runAsUser"] != 0
    assert security["runAsNonRoot"]
    assert security["readOnlyRootFilesystem"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert container["image"] == cluster.operator_image
