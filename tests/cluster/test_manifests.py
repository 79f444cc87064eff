"""Wrong manifests, by kubectl: refused by the API server, or shown in `Accepted`, with what to change."""

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

from cluster.applied import Applied
from cluster.populations import TINY
from cluster.space import Space
from fixtures.wrong_manifests import WRONG
from pbt_operator.runners.kubernetes.pod_template import POD_GROUP


def test_wrong_manifests_are_refused_by_the_api_server_or_by_the_operator(
    space: Space, tmp_path: Path
) -> None:
    for number, wrong in enumerate(WRONG):
        manifest = wrong.manifest
        if wrong.where != "metadata.name":
            manifest["metadata"]["name"] = f"wrong-{number}"
        (tmp_path / f"{number}.json").write_text(json.dumps(manifest))
    told = space.kubectl("apply", "-f", str(tmp_path), check=False)
    refusals = re.split(r"^(?=Error |error: )", told, flags=re.MULTILINE)
    missed = []
    for number, wrong in enumerate(WRONG):
        words = wrong.server or f"population.pbt.dev/wrong-{number} created"
        mine = told if wrong.server is None else "".join(r for r in refusals if f"/{number}.json" in r)
        missed += [] if words in mine else [f"{wrong}: not {words!r} but {mine!r}"]
    assert missed == []
    # To the API server, a null is a field that isn't there.
    admitted = [n for n, wrong in enumerate(WRONG) if wrong.server is None and wrong.value is not None]
    assert len(WRONG) > 25
    assert len(admitted) > 5
    for number in admitted:
        uid = space.get("population", f"wrong-{number}")["metadata"]["uid"]
        found = Applied(space, f"wrong-{number}", uid).until_condition("Accepted", status="False")
        assert found["reason"] == "InvalidSpec"
        assert WRONG[number].operator in found["message"]
    assert space.pods.changes == []


def test_what_only_the_cluster_knows_is_shown_in_accepted_and_can_be_corrected(space: Space) -> None:
    right = space.template("deterministic.py")

    def changed(**pod: Any) -> dict[str, Any]:
        return {"spec": {**deepcopy(right["spec"]), **pod}}

    def container(**fields: Any) -> dict[str, Any]:
        return changed(containers=[{**right["spec"]["containers"][0], **fields}])

    cases: dict[str, tuple[dict[str, Any], str, str]] = {
        "store": ({"storage": {"store": "attic"}}, "UnknownStore", "spec.storage.store"),
        "image": ({"template": container(image=None)}, "InvalidTemplate", "containers[0].image"),
        "identity": ({"template": changed(serviceAccountName="nobody")}, "TemplateRefused", "nobody"),
        "priority": ({"template": changed(priorityClassName="first")}, "TemplateRefused", "first"),
        "name": ({"template": container(name="Trainer!")}, "TemplateRefused", "Trainer!"),
        "group": (
            {"template": {**right, "metadata": {"labels": {POD_GROUP: "g"}}}},
            "InvalidTemplate",
            POD_GROUP,
        ),
        "unknown": ({"template": changed(nodeSelektor={})}, "TemplateRefused", "nodeSelektor"),
        "admission": ({"template": container(securityContext={})}, "TemplateRefused", "restricted"),
        "variable": (
            {"template": container(env=[{"name": "PBT_SEED", "value": "1"}])},
            "InvalidTemplate",
            "'PBT_SEED', which the operator sets",
        ),
    }
    applied = {
        name: space.apply(space.population(name, TINY, **{"template": right, **changes}))
        for name, (changes, _, _) in cases.items()
    }
    for name, (_, reason, words) in cases.items():
        found = applied[name].until_condition("Accepted", status="False")
        assert found["reason"] == reason, found
        assert words in found["message"]
        applied[name].until_event(reason)
    assert space.pods.changes == []
    applied["image"].patch(template=right)
    applied["image"].until_condition("Accepted")
    applied["image"].until_ended()
