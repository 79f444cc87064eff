"""The schema of a Population's status: the words of `pbt_operator.core.status`, and what only a cluster knows."""

from typing import Any

import msgspec
from msgspec import inspect

from pbt_contract.records import Source
from pbt_operator.core.status import Best, MemberState, MemberStatus, PopulationPhase, Status, Steps
from pbt_operator.core.wire import OPEN
from pbt_operator.manifest.schema import Schema

MAX_MEMBERS = 32

_HYPERPARAMETERS = "The values that the incarnation was assigned, by hyperparameter."
_SCALARS: dict[type[inspect.Type], str] = {
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.StrType: "string",
    inspect.EnumType: "string",
}
ABOUT: dict[type[msgspec.Struct], dict[str, str]] = {
    Status: {
        "phase": f"For people, how the conditions sum up: {', '.join(PopulationPhase)}.",
        "best": "The best score that any member has ever reported, and its checkpoint. It is kept to the end.",
        "final": "The best score of the last round, at the end of the training.",
        "members": f"At most {MAX_MEMBERS} members: those in trouble first, then the best. The store has all of them.",
        "rounds": "The newest round that is decided.",
        "exploits": "How many births were copies of a donor.",
        "births": "How many incarnations there have been of all members together.",
        "steps": "Training steps of all members together.",
    },
    MemberStatus: {
        "member": "The number of the member, from 0.",
        "incarnation": "The number of its newest incarnation, from 1.",
        "state": f"What it is doing: {', '.join(MemberState)}.",
        "step": "The step of its newest report or save.",
        "score": "Its newest score.",
        "hyperparameters": _HYPERPARAMETERS,
        "parent": "The checkpoint that its newest incarnation started from. None if it started from nothing.",
        "reason": "Why it is in this state, or why it was born anew; after a crash the last lines of its log.",
    },
    Best: {
        "member": "The number of the member.",
        "incarnation": "The incarnation of the member.",
        "step": "The step of the report.",
        "score": "The value of the objective's metric, the mean of a list.",
        "hyperparameters": _HYPERPARAMETERS,
        "checkpoint": "The prefix of the checkpoint's files, below `location`. `pbt fetch` downloads them.",
    },
    Source: {
        "member": "The number of the member that wrote it.",
        "incarnation": "The incarnation that wrote it.",
        "step": "The step that it was written at.",
        "checkpoint": "The prefix of its files, below `location`.",
        "record": "The key of the report or save that committed it, below `location`.",
    },
    Steps: {
        "productive": "Recorded, and part of some member's story.",
        "discarded": "Recorded, but past the step at which a decision or a resume closed the incarnation.",
        "waiting": "What the members still have before them.",
    },
}
"""What each field means. Those that aren't here (`format`, `reason`, `message`) aren't in the resource's status."""


def status_schema() -> Schema:
    """The schema of `status`."""
    own = {
        "observedGeneration": _a("integer", "The generation of the spec that the rest is about."),
        "phase": _fields(Status)["phase"],
        "replicas": _a("integer", "How many members have a pod."),
        "readyReplicas": _a("integer", "How many members train."),
        "failedMembers": _a("integer", "How many members have failed for good."),
        "selector": _a("string", "The label selector of the pods, for the scale subresource."),
        "bestScore": _a("string", "The best score in few digits, as `kubectl get` shows it."),
        "location": _a("string", "Where everything is stored. `pbt` commands take it in place of a name."),
        "requestCost": _object(
            "What the requests to the store cost, estimated from the newest reports at S3's list prices.",
            {
                "perReport": _a("number", "Requests for a report, its checkpoint and its reading included."),
                "dollarsPerMemberDay": _a(
                    "number", "Dollars for each member and day, the listings included."
                ),
            },
        ),
        "startTime": _time("Since when it has been active; a suspension starts it anew."),
        "completionTime": _time("When it ended."),
        "conditions": _conditions(),
        **_fields(Status),
    }
    listed = {
        "maxItems": MAX_MEMBERS,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["member"],
    }
    own["members"].update(listed)
    own["members"]["items"]["required"] = ["member"]
    return _object("How the population stands. The conditions are for machines, the rest is for people.", own)


def _a(kind: str, description: str) -> Schema:
    return {"description": description, "type": kind}


def _time(description: str) -> Schema:
    return {**_a("string", description), "format": "date-time"}


def _object(description: str, properties: dict[str, Schema], **more: Any) -> Schema:
    return {**_a("object", description), **more, "properties": properties}


def _conditions() -> Schema:
    """As Kubernetes' own resources have them."""
    condition = _object(
        "One aspect of how the population stands.",
        {
            "type": {**_a("string", "The name of the aspect."), "maxLength": 316},
            "status": {**_a("string", "Whether it is so."), "enum": ["True", "False", "Unknown"]},
            "observedGeneration": {
                **_a("integer", "The generation of the spec that it is about."),
                "format": "int64",
                "minimum": 0,
            },
            "lastTransitionTime": _time("When its status last changed."),
            "reason": {**_a("string", "Why, as one word."), "minLength": 1, "maxLength": 1024},
            "message": {**_a("string", "Why, for people."), "maxLength": 32768},
        },
        required=["type", "status", "lastTransitionTime", "reason", "message"],
    )
    return {
        "description": "Accepted, StorageReady, Progressing, Suspended, Complete and Failed, each with its reason.",
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": condition,
    }


def _fields(record: type[msgspec.Struct]) -> dict[str, Schema]:
    kinds = {field.encode_name: field.type for field in msgspec.structs.fields(record)}
    return {
        name: {**_schema(inspect.type_info(kinds[name])), "description": told}
        for name, told in ABOUT[record].items()
    }


def _schema(kind: inspect.Type) -> Schema:
    if type(kind) in _SCALARS:
        return {"type": _SCALARS[type(kind)]}
    match kind:
        case inspect.DictType():
            return {"type": "object", OPEN: True}
        case inspect.ListType():
            return {"type": "array", "items": _schema(kind.item_type)}
        case inspect.StructType():
            return _object((kind.cls.__doc__ or "").partition("\n")[0], _fields(kind.cls))
        case inspect.UnionType():
            (option,) = [option for option in kind.types if not isinstance(option, inspect.NoneType)]
            return _schema(option)
        case _:
            raise TypeError(f"the status has no field like {kind}")
