"""The API server and the models agree on every manifest, but for what is the operator's alone."""

import json
from copy import deepcopy
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from fixtures.wrong_manifests import GOOD, put
from pbt_operator.core.rules import EXPLOITS
from pbt_operator.core.wire import as_json_number
from pbt_operator.manifest.errors import ManifestError
from pbt_operator.manifest.load import parse
from service.crd.client import Populations, Refused

INTEGERS = st.integers(-2, 10) | st.sampled_from(
    [40, 50, 75, 100, 200, 4000, 10_000, 10_001, 2**31, 10**12, 2**53]
)
REALS = st.sampled_from([0, 1, 0.0, 1.0, 0.5, 1e-4, 0.999, -1, 1e299]) | st.floats(-2, 2)
TEXTS = st.sampled_from(
    ["a", "a-b", "a.b", "A", "a/b", "-a", "a-", "", "a_b", "\u00e4", "x" * 256, "x" * 257, "a-0123abcd"]
)
OTHER = st.sampled_from([None, True, "8", [], {}, 2.5])
NUMBERS = INTEGERS | REALS
SCALARS = st.sampled_from(["sgd", "adamw", "x" * 256, True, False, 0, 1, 0.5, 2, "2"])


def mapping(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


BOUNDS = st.fixed_dictionaries(
    {"min": NUMBERS, "max": NUMBERS}, optional={"of": st.sampled_from(["Value", "OneMinus"])}
)
RANGE = st.fixed_dictionaries({"min": NUMBERS, "max": NUMBERS})
CHANGES: dict[str, st.SearchStrategy[Any]] = {
    "metadata.name": TEXTS,
    "spec.members": INTEGERS,
    "spec.parallelism": INTEGERS,
    "spec.objective.metric": TEXTS,
    "spec.objective.goal": st.sampled_from(["Maximize", "Minimize", "Max"]),
    "spec.objective.target": NUMBERS,
    "spec.schedule.totalSteps": INTEGERS,
    "spec.schedule.intervalSteps": INTEGERS,
    "spec.schedule.burnInSteps": INTEGERS,
    "spec.schedule.quorumPercent": INTEGERS,
    "spec.schedule.maxLead": INTEGERS,
    "spec.schedule.stragglerTimeoutSeconds": INTEGERS,
    "spec.hyperparameters.0.name": TEXTS | st.just("layers"),
    "spec.hyperparameters.0.logUniform": BOUNDS,
    "spec.hyperparameters.1.integer": RANGE,
    "spec.hyperparameters.1.uniform": RANGE,
    "spec.hyperparameters.2.explore": st.sampled_from(["Always", "Never", "Often"]),
    "spec.hyperparameters.2.choice": mapping(
        values=st.lists(SCALARS, max_size=5), order=st.sampled_from(["Ordered", "Unordered", None])
    ),
    "spec.initial": st.lists(
        mapping(lr=NUMBERS, layers=NUMBERS, optimizer=SCALARS, width=NUMBERS), max_size=9
    ),
    "spec.strategy": st.sampled_from(["Auto", "Explicit", "Automatic"]),
    "spec.exploit": mapping(
        truncation=mapping(percent=INTEGERS) | st.none(),
        binaryTournament=st.just({}),
        tTest=mapping(pValue=REALS),
        none=st.just({}),
        minGap=NUMBERS,
        copy=st.sampled_from(["Both", "Weights"]),
        horizonPercent=INTEGERS,
    ),
    "spec.explore": mapping(
        factors=st.lists(NUMBERS, max_size=17), reachPercent=INTEGERS, resamplePercent=INTEGERS
    ),
    "spec.storage": mapping(
        store=TEXTS,
        prefix=TEXTS,
        adopt=TEXTS,
        credentialsSecretRef=mapping(name=TEXTS),
    ),
    "spec.retention": mapping(checkpointsPerMember=INTEGERS, onDelete=st.sampled_from(["Retain", "Delete"])),
    "spec.restart": st.sampled_from(["Recreate", "InPlace", "Never"]),
    "spec.seed": INTEGERS,
    "spec.finish": st.booleans(),
    "spec.backoffLimit": INTEGERS,
    "spec.activeDeadlineSeconds": INTEGERS,
    "spec.limits": mapping(gpuHours=REALS, activeSeconds=INTEGERS, totalMemberSteps=INTEGERS),
    "spec.plateau": mapping(rounds=INTEGERS, minGain=REALS),
    "spec.ttlSecondsAfterFinished": INTEGERS,
}


@st.composite
def manifests(draw: st.DrawFn) -> dict[str, Any]:
    """The good one with up to three changes, most of them within reach of the right ones."""
    tree = deepcopy(GOOD)
    for where in draw(st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=3, unique=True)):
        other = where != "metadata.name" and draw(st.integers(0, 9)) == 0
        put(tree, where, draw(OTHER if other else CHANGES[where]))
    return as_kubectl_writes(tree)


def as_kubectl_writes(tree: dict[str, Any]) -> dict[str, Any]:
    """With 4000 for 4000.0: the API server's rules can't read the latter as a whole number."""
    read: dict[str, Any] = json.loads(json.dumps(tree), parse_float=lambda text: as_json_number(float(text)))
    return read


def left_to_the_operator(path: tuple[str | int, ...]) -> bool:
    """Whether only the operator checks what is there."""
    match path:
        case ("spec", "initial", int(), *_) | ("spec", "hyperparameters", int(), "choice", "values", int()):
            return True
        case ("spec", "limits", "gpuHours"):
            return True
        case ("spec", "exploit", arm):
            return arm in EXPLOITS
    return False


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(manifest=manifests())
def test_what_one_admits_the_other_admits_and_means_the_same(
    populations: Populations, manifest: dict[str, Any]
) -> None:
    try:
        expected, problems = parse(manifest, source="manifest").spec, []
    except ManifestError as error:
        expected, problems = None, list(error.problems)
    try:
        admitted = populations.create(manifest)
    except Refused:
        event("refused")
        if expected is not None:
            raise
        return
    event("admitted" if expected else "left to the operator")
    if expected:
        assert parse(admitted, source="server").spec == expected
    else:
        assert all(left_to_the_operator(problem.path) for problem in problems), problems
