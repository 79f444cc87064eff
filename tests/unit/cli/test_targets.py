"""What a plain name stands for, and what the commands say where a cluster doesn't answer as they need."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pbt_contract.stores.folder import FolderStore
from programs.build import binary
from support.apiserver import write_kubeconfig
from support.servers import free_port
from unit.cli.cluster import RUNNING
from unit.page.populations import record_small

READERS = ["status", "lineage", "schedule", "fetch", "report", "audit"]
STEERERS = ["suspend", "resume", "finish"]


@pytest.mark.parametrize("folder", ["digits", "pbt-runs/digits"])
def test_a_name_is_that_of_a_run_on_this_machine_first(pbt, tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    record_small(FolderStore(Path(folder)))
    for command in READERS:
        assert pbt(command, "digits").code == 0


def test_a_folder_that_is_no_run_hides_no_population(pbt, namespace, tmp_path):
    namespace.create()
    (tmp_path / "digits" / "data").mkdir(parents=True)
    assert pbt("status", "digits").out.startswith("digits: Pending (NotSeen")


def test_options_that_choose_a_cluster_mean_it(pbt, namespace):
    record_small(FolderStore(Path("pbt-runs/digits")))
    namespace.create()
    assert pbt("status", "digits").out.startswith("digits: Complete")
    chosen = [("-n", namespace.name), ("--context", "bare"), ("--kubeconfig", namespace.kubeconfig)]
    for options in chosen:
        assert pbt("status", "digits", *options).out.startswith("digits: Pending")


def test_the_plugin_always_means_the_cluster(pbt, namespace, plugin):
    record_small(FolderStore(Path("digits")))
    namespace.create()
    assert pbt("status", "digits").out.startswith("digits: Pending")
    ended = pbt("status", "./digits")
    assert ended.code == 2
    assert ended.err.startswith("kubectl pbt: ./digits is not the name of a Population")


def test_kubectl_runs_the_plugin(namespace, tmp_path):
    namespace.create()
    script = tmp_path / "bin" / "kubectl-pbt"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nfrom pbt_operator.cli.main import main\nmain()\n")
    script.chmod(0o755)
    command = [str(binary("kubectl")), "pbt", "suspend", "digits", "-n", namespace.name]
    environment = {"PATH": f"{script.parent}:/usr/bin:/bin", "KUBECONFIG": str(namespace.kubeconfig)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "`kubectl pbt resume digits`" in ended.stdout
    assert namespace.read()["spec"]["suspend"] is True


def test_the_plugin_runs_nothing_on_this_machine(pbt, plugin):
    ended = pbt("run", "x.yaml")
    assert ended.code == 2
    assert "kubectl apply -f x.yaml" in ended.err


def test_a_location_is_no_name_on_a_cluster(pbt, digits):
    ended = pbt("status", digits, "-n", "team")
    assert (ended.code, ended.out) == (2, "")
    assert "-n, --context and --kubeconfig look on a cluster only" in ended.err


def test_the_context_names_the_namespace_unless_an_option_does(pbt, namespace, tmp_path):
    namespace.create()
    ended = pbt("status", "digits", "-n", "empty")  # in the one called default, other tests make some
    assert ended.code == 2
    assert "no Population digits in namespace empty (context bare); there is none" in ended.err
    write_kubeconfig(namespace.server, namespace.kubeconfig, namespace=None)
    assert "in namespace default" in pbt("status", "digits").err


def test_similar_names_are_suggested(pbt, namespace):
    for name in ["digits", "cifar"]:
        namespace.create(name)
    ended = pbt("suspend", "digit")
    place = f"namespace {namespace.name} (context bare)"
    told = f"there is no Population digit in {place}; did you mean digits?"
    assert ended == (2, "", f"pbt: there is no run digit or pbt-runs/digit here; {told}\n")
    assert pbt("status", "x", "-n", namespace.name).err.endswith("; there are cifar, digits\n")


def test_a_cluster_without_the_custom_resource_is_told_of(pbt, namespace, monkeypatch):
    monkeypatch.setattr("pbt_operator.runners.kubernetes.api.PLURAL", "nothings")
    assert "knows no Populations at all: install the chart" in pbt("status", "digits").err


def test_without_a_kubeconfig_the_message_says_where_it_was_looked_for(pbt, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = pbt("status", "digits")
    assert (ended.code, ended.out) == (2, "")
    assert "no run digits or pbt-runs/digits here; there is no kubeconfig" in ended.err
    assert str(tmp_path / "no-kubeconfig") in pbt("suspend", "digits", "-n", "team").err


def test_without_the_client_the_message_says_what_to_install(pbt, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    for command in [["status", "digits"], ["logs", "digits", "0"]]:
        ended = pbt(*command)
        assert (ended.code, ended.out) == (2, "")
        assert "pip install '.[cluster]' in a checkout" in ended.err


@pytest.mark.process
def test_runs_on_this_machine_need_no_client(digits, monkeypatch):
    code = (
        "import sys; sys.modules['kubernetes'] = None; from pbt_operator.cli import main as cli\n"
        f"cli.main(['status', {str(digits)!r}])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("digits: Complete")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "file is empty"),
        ("a: [", "can't be used"),
        ("[1, 2]", "is not a kubeconfig"),
        (
            '{"contexts": [{"name": "a", "context": {}}]}',
            "no current context; choose one by --context: it has a",
        ),
        ('{"current-context": "gone", "contexts": [], "clusters": []}', "name gone"),
    ],
)
def test_a_kubeconfig_that_leads_nowhere_is_one_line(pbt, tmp_path, text, told):
    (tmp_path / "kubeconfig").write_text(text)
    ended = pbt("status", "digits", "--kubeconfig", tmp_path / "kubeconfig")
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert told in ended.err


def test_an_unknown_context_is_answered_with_the_known_ones(pbt, namespace):
    ended = pbt("status", "digits", "--context", "prod")
    assert ended.code == 2
    assert ended.err.endswith("has no context prod: it has bare\n")


def test_a_cluster_that_is_away_is_one_line(pbt, namespace):
    url = f"https://127.0.0.1:{free_port()}"
    write_kubeconfig(namespace.server, namespace.kubeconfig, namespace=None, url=url)
    ended = pbt("status", "digits")
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert f"the API server of context bare, {url}, can't be reached" in ended.err


def test_a_server_with_another_certificate_is_not_talked_to(pbt, namespace, tmp_path):
    config = json.loads(namespace.kubeconfig.read_text())
    del config["clusters"][0]["cluster"]["certificate-authority"]
    namespace.kubeconfig.write_text(json.dumps(config))
    ended = pbt("status", "digits")
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert "can't be reached" in ended.err


def test_credentials_that_are_not_accepted_are_one_line(pbt, namespace):
    told = "pbt: context bare doesn't accept your credentials; log in to it again\n"
    write_kubeconfig(namespace.server, namespace.kubeconfig, namespace=None, token="wrong")
    assert pbt("status", "digits") == (1, "", told)
    config = json.loads(namespace.kubeconfig.read_text())
    config["users"][0]["user"] = {}
    namespace.kubeconfig.write_text(json.dumps(config))
    assert pbt("status", "digits") == (1, "", told)


@pytest.mark.parametrize(
    ("may", "command", "told"),
    [
        ({}, ["status", "digits"], "get populations.pbt.dev"),
        ({"populations": ["get"]}, ["suspend", "digits"], "patch populations.pbt.dev"),
        ({"populations": ["get"]}, ["logs", "digits", "0"], "list pods"),
        ({"populations": ["get"], "pods": ["list"]}, ["logs", "digits", "1"], "get pods/log"),
    ],
)
def test_a_right_that_is_missing_is_named(pbt, namespace, tmp_path, may, command, told):
    namespace.pod(namespace.create(), 1, 1, **RUNNING)
    ended = pbt(*command, "--kubeconfig", namespace.stranger(tmp_path, **may))
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert f"you may not {told} in namespace {namespace.name}" in ended.err
    assert "stranger" in ended.err
    assert f"ClusterRole {'edit' if 'patch' in told else 'view'}" in ended.err


def test_a_missing_right_to_list_hides_only_the_suggestions(pbt, namespace, tmp_path):
    stranger = namespace.stranger(tmp_path, populations=["get"])
    ended = pbt("status", "digits", "--kubeconfig", stranger)
    assert ended == (
        2,
        "",
        f"pbt: there is no Population digits in namespace {namespace.name} (context bare)\n",
    )


def test_a_pod_reaches_its_own_cluster_without_a_kubeconfig(pbt, namespace, tmp_path, monkeypatch):
    from kubernetes.config import incluster_config

    from pbt_operator.cli import kubeconfig

    namespace.create()
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    host, _, port = namespace.server.url.removeprefix("https://").partition(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    for name, text in {"token": namespace.server.token, "namespace": f"{namespace.name}\n"}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(namespace.server.ca))
    monkeypatch.setattr(kubeconfig, "NAMESPACE_FILE", tmp_path / "namespace")
    assert pbt("status", "digits").out.startswith("digits: Pending")
    assert "(the cluster of this pod)" in pbt("status", "other").err


@pytest.mark.parametrize("command", [*STEERERS, "logs"])
def test_steering_a_run_on_this_machine_names_what_to_do_instead(pbt, namespace, command):
    record_small(FolderStore(Path("pbt-runs/digits")))
    more = [0] if command == "logs" else []
    for target in ["digits", "pbt-runs/digits"]:
        ended = pbt(command, target, *more)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith("pbt: pbt-runs/digits is not on a cluster: ")
        remedy = "pbt-runs/digits/logs" if command == "logs" else "pbt run"
        assert remedy in ended.err
