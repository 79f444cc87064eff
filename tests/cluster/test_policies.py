"""Who gets pods through the operator on a real cluster, and which pods the operator's own account may touch."""

import json
from typing import Any

from cluster.populations import TINY
from cluster.release import Release
from cluster.space import RESTRICTED, Space

AUTHOR = {"populations": ["get", "list", "watch", "create", "patch", "delete"], "pods": ["create"]}
TENANT = {
    "populations": ["get", "list", "watch", "create", "patch", "delete"]
}  # kubectl waits for what it deletes
SCALER = {"populations/scale": ["get", "patch", "update"], "populations": ["get"]}
UID = "0a1b2c3d-0000-4000-8000-000000000000"


def allow(space: Space, subject: dict[str, str], rights: dict[str, list[str]]) -> str:
    """Gives a user or service account of this namespace these rights there; returns the option that acts as it."""
    group, name = "rbac.authorization.k8s.io", subject["name"]
    rules = [
        {"apiGroups": ["pbt.dev" if "pop" in resource else ""], "resources": [resource], "verbs": verbs}
        for resource, verbs in rights.items()
    ]
    is_account = subject["kind"] == "ServiceAccount"
    subject = {**subject, **({"namespace": space.name} if is_account else {"apiGroup": group})}
    reference = {"apiGroup": group, "kind": "Role", "name": name}
    items = [
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": {"name": name}, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": name},
            "subjects": [subject],
            "roleRef": reference,
        },
    ]
    space.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    return f"--as=system:serviceaccount:{space.name}:{name}" if is_account else f"--as={name}"


def sent(space: Space, who: str, *arguments: str, body: Any = None) -> tuple[bool, str]:
    """Whether the API server did what somebody asked for, and what was printed."""
    command = ("--namespace", space.name, *arguments, who)
    done = space.cluster.kubectl(*command, input=None if body is None else json.dumps(body), check=False)
    return done.returncode == 0, done.stdout + done.stderr


def pod(space: Space, name: str, **metadata: Any) -> dict[str, Any]:
    container = {"name": "trainer", "image": space.cluster.trainer_image, "securityContext": RESTRICTED}
    container["command"] = ["sleep", "600"]
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": spec}


def test_who_may_not_create_pods_gets_none_through_a_population_and_everybody_else_works(
    space: Space,
) -> None:
    """A tenant is refused; one who scales, a GitOps account and a foreground deletion by the tenant are not."""
    tenant = allow(space, {"kind": "User", "name": "tenant"}, TENANT)
    scaler = allow(space, {"kind": "User", "name": "scaler"}, SCALER)
    gitops = allow(space, {"kind": "ServiceAccount", "name": "gitops"}, AUTHOR)
    manifest = space.population("shared", TINY, template=space.template("deterministic.py", STEP_SECONDS="1"))
    done, said = sent(space, tenant, "create", "-f", "-", body=manifest)
    assert not done
    assert "tenant may not create pods in namespace" in said
    for _ in range(2):  # as a controller applies the same again and again
        done, said = sent(
            space, gitops, "apply", "--server-side", "--field-manager=gitops", "-f", "-", body=manifest
        )
        assert done, said
    space.until(lambda: space.pods.now, "the GitOps account's population has pods")
    assert {pod["metadata"]["labels"]["pbt.dev/population"] for pod in space.pods.now.values()} == {"shared"}
    other = space.population("shared", TINY, template=space.template("deterministic.py", OTHER="1"))
    done, said = sent(
        space,
        tenant,
        "patch",
        "population",
        "shared",
        "--type=merge",
        "-p",
        json.dumps({"spec": {"template": other["spec"]["template"]}}),
    )
    assert not done
    assert "may not create pods" in said
    done, said = sent(space, scaler, "scale", "population", "shared", "--replicas=3")
    assert done, said
    labels = "pbt.dev/member=2"
    space.until(lambda: space.get("pods", f"--selector={labels}")["items"], "the third member has a pod")
    done, said = sent(
        space, tenant, "delete", "population", "shared", "--cascade=foreground", "--timeout=120s"
    )
    assert done, said
    assert space.get("pods", "--selector=pbt.dev/population")["items"] == []


def test_the_operators_own_account_gets_no_pod_that_is_not_a_populations(
    space: Space, release: Release
) -> None:
    operator = f"--as=system:serviceaccount:{release.namespace}:{release.name}"
    owner = {"apiVersion": "pbt.dev/v1alpha1", "kind": "Population", "name": "p", "uid": UID}
    owner |= {"controller": True}
    labels = {"pbt.dev/population-uid": UID}
    for body in (
        pod(space, "unowned", labels=labels),
        pod(space, "unlabelled", ownerReferences=[owner]),
        pod(space, "mislabelled", labels={"pbt.dev/population-uid": "another"}, ownerReferences=[owner]),
    ):
        done, said = sent(space, operator, "create", "-f", "-", body=body)
        assert not done
        assert f"ValidatingAdmissionPolicy '{release.name}-pods'" in said
    space.kubectl("create", "-f", "-", stdin=json.dumps(pod(space, "foreign")))
    for arguments in (
        ("delete", "pod", "foreign", "--wait=false"),
        ("label", "pod", "foreign", f"pbt.dev/population-uid={UID}"),
    ):
        done, said = sent(space, operator, *arguments)
        assert not done
        assert "changes and deletes pods of Populations alone" in said
    (foreign,) = space.get("pods")["items"]
    assert foreign["metadata"]["name"] == "foreign"
    assert "deletionTimestamp" not in foreign["metadata"]
    assert "pbt.dev/population-uid" not in foreign["metadata"].get("labels", {})
