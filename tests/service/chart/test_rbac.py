"""What the chart allows, to whom, and that it allows nothing else."""

import inspect
import re
from pathlib import Path

import pytest

from pbt_operator.runners.kubernetes import api
from service.chart.rendering import CASES, NAMESPACE, STORE, Object, one, pods, render

OPERATOR = {
    ("pbt.dev", "populations"): {"list", "watch", "patch", "delete"},
    ("pbt.dev", "populations/status"): {"patch"},
    ("pbt.dev", "populations/finalizers"): {"update"},
    ("", "pods"): {"get", "list", "watch", "create", "patch", "delete"},
    ("", "events"): {"create", "list"},
}
SCANNING = {
    ("", "namespaces"): {"list", "watch"},
    ("apiextensions.k8s.io", "customresourcedefinitions"): {"list", "watch"},
}
ACCOUNT = {"kind": "ServiceAccount", "name": "pbt-operator", "namespace": NAMESPACE}
CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}
NAMESPACED = {
    "Namespaces": {"scope": "Namespaces", "namespaces": ["team-a", "team-b"]},
    "Release": {"scope": "Release"},
}


def rules(role: Object) -> dict[tuple[str, str], set[str]]:
    """The verbs for each resource; a rule may do nothing but list groups, resources and verbs."""
    allowed: dict[tuple[str, str], set[str]] = {}
    for rule in role["rules"]:
        assert rule.keys() - {"resourceNames"} == {"apiGroups", "resources", "verbs"}
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                allowed.setdefault((group, resource), set()).update(rule["verbs"])
    return allowed


def test_a_cluster_wide_operator_may_do_what_it_uses_and_nothing_else():
    objects = render({"stores": [STORE]})
    assert rules(one(objects, "ClusterRole", "pbt-operator")) == OPERATOR | SCANNING
    binding = one(objects, "ClusterRoleBinding")
    assert binding["roleRef"]["name"] == "pbt-operator"
    assert binding["subjects"] == [ACCOUNT]
    assert not {"Role", "RoleBinding"} & {o["kind"] for o in objects}


@pytest.mark.parametrize(
    ("scope", "namespaces"), [("Namespaces", ["team-a", "team-b"]), ("Release", [NAMESPACE])]
)
def test_an_operator_of_some_namespaces_has_roles_there_and_nowhere_else(scope, namespaces):
    objects = render({"stores": [STORE], "watch": NAMESPACED[scope]})
    roles = [o for o in objects if o["kind"] == "Role"]
    assert [role["metadata"]["namespace"] for role in roles] == namespaces
    assert [rules(role) for role in roles] == [OPERATOR] * len(namespaces)
    bindings = [o for o in objects if o["kind"] == "RoleBinding"]
    assert [binding["metadata"]["namespace"] for binding in bindings] == namespaces
    for binding in bindings:
        assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) == ("Role", "pbt-operator")
        assert binding["subjects"] == [ACCOUNT]
    assert "ClusterRoleBinding" not in {o["kind"] for o in objects}


def asked_by(method: str) -> tuple[tuple[str, str], str] | None:
    """The resource and verb that a method of `Api` asks for; None if it asks for none by itself."""
    source = inspect.getsource(getattr(api.Api, method))
    place = re.search(r"_(core|populations)\(([^)]*)\)", source)
    if place is None:
        return None
    group, words = ("", "pbt.dev")[place[1] == "populations"], place[2].split(", ")[1:]
    resource = words.pop(0).strip('"') if group == "" else "populations"
    resource += f"/{words.pop()}".replace('"', "") if words[-1:] and words[-1].startswith('"') else ""
    sent = re.search(r'"(GET|POST|PATCH|DELETE)"', source)
    verbs = {"POST": "create", "PATCH": "patch", "DELETE": "delete", "GET": "get" if words else "list"}
    verb = verbs[sent[1]] if sent else "watch" if ".lines(" in source else "list"
    return (group, resource), verb


def test_each_verb_of_the_operator_is_one_that_its_code_asks_for():
    """Beside these, kopf lists and watches Populations, and who sets `blockOwnerDeletion` may update finalizers."""
    folder = Path(api.__file__).parent
    code = "".join(file.read_text() for file in folder.glob("*.py") if file.name != "api.py")
    methods = [name for name, _ in inspect.getmembers(api.Api, inspect.isfunction) if name[0] != "_"]
    found = {("pbt.dev", "populations"): {"list", "watch"}, ("pbt.dev", "populations/finalizers"): {"update"}}
    for method in methods:
        if re.search(rf"api\.{method}\b", code) and (asked := asked_by(method)):
            found.setdefault(asked[0], set()).add(asked[1])
    assert found == OPERATOR


@pytest.mark.parametrize("watch", [{"scope": "Cluster"}, NAMESPACED["Release"]])
def test_an_operator_that_is_to_read_no_events_may_not(watch):
    objects = render({"stores": [STORE], "watch": watch, "readEvents": False})
    (role,) = [
        o for o in objects if o["kind"] in {"Role", "ClusterRole"} and o["metadata"]["name"] == "pbt-operator"
    ]
    assert rules(role)["", "events"] == {"create"}
    (config,) = [o for o in objects if o["kind"] == "ConfigMap"]
    assert "readEvents: false" in config["data"]["config.yaml"]


@pytest.mark.parametrize("watch", [{"scope": "Cluster"}, NAMESPACED["Namespaces"]])
def test_two_operators_may_handle_their_own_lease_and_one_may_none(watch):
    def roles(**values):
        objects = render({"stores": [STORE], "watch": watch, **values})
        return [o for o in objects if "rules" in o and "lease" in str(o)], objects

    assert roles()[0] == []
    (role,), objects = roles(replicas=2)
    assert (role["kind"], role["metadata"]["namespace"]) == ("Role", NAMESPACE)
    group = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    assert role["rules"] == [
        {**group, "verbs": ["create"]},
        {**group, "resourceNames": ["pbt-operator"], "verbs": ["get", "update"]},
    ]
    binding = one(objects, "RoleBinding", "pbt-operator-lease")
    assert (binding["roleRef"]["name"], binding["subjects"]) == ("pbt-operator-lease", [ACCOUNT])


@pytest.mark.parametrize("scope", NAMESPACED)
def test_without_the_custom_resource_a_namespaced_release_has_nothing_cluster_wide(scope):
    objects = render({"stores": [STORE], "watch": NAMESPACED[scope], "crds": {"install": False}})
    assert not CLUSTER_WIDE & {o["kind"] for o in objects}
    assert all(o["metadata"]["namespace"] for o in objects)


def test_the_clusters_own_roles_handle_populations():
    objects = render({"stores": [STORE]})
    view, edit = (one(objects, "ClusterRole", f"pbt-operator-{name}") for name in ("view", "edit"))
    read = {("pbt.dev", "populations"): {"get", "list", "watch"}}
    assert rules(view) == read | {("pbt.dev", f"populations/{sub}"): {"get"} for sub in ("status", "scale")}
    assert rules(edit) == {
        ("pbt.dev", "populations"): {"create", "update", "patch", "delete", "deletecollection"},
        ("pbt.dev", "populations/scale"): {"update", "patch"},
    }
    assert aggregated(view) == {"view"}
    assert aggregated(edit) == {"edit", "admin"}


def aggregated(role: Object) -> set[str]:
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    return {label.removeprefix(prefix) for label in role["metadata"]["labels"] if label.startswith(prefix)}


@pytest.mark.parametrize("switch", [{"rbac": {"aggregate": False}}, {"crds": {"install": False}}])
def test_aggregated_roles_can_be_left_out(switch):
    roles = [o for o in render({"stores": [STORE], **switch}) if o["kind"] == "ClusterRole"]
    assert [role["metadata"]["name"] for role in roles] == ["pbt-operator"]


@pytest.mark.parametrize("values", CASES.values(), ids=CASES)
def test_nothing_is_a_wildcard_and_no_secret_is_made_or_read(values):
    for o in render(values):
        assert o["kind"] != "Secret"
        for (group, resource), verbs in rules(o).items() if "rules" in o else ():
            assert "*" not in {group, resource, *verbs}
            assert resource not in {"secrets", "configmaps", "pods/exec", "pods/log"}


def test_only_pods_that_call_the_cluster_get_a_token():
    objects = render({"stores": [STORE]})
    assert one(objects, "ServiceAccount")["automountServiceAccountToken"] is False
    tokens = {name: pod["spec"]["automountServiceAccountToken"] for name, pod in pods(objects).items()}
    assert tokens == {
        "pbt-operator": True,
        "pbt-operator-uninstall-check": True,
        "pbt-operator-test-stores": False,
    }
