"""The schema of a Population's status: the words of `pbt_operator.core.status`, and what only a cluster knows."""

from typing import Any

import msgspec
from msgspec import inspect

from pbt_operator.core.status import MAX_MEMBERS, RECORDS_ONLY, Status
from pbt_operator.core.wire import OPEN
from pbt_operator.manifest.json_schema import Schema
from pbt_operator.manifest.parts import MAX_SUB_POPULATIONS

UNSEEN = -1
"""The observedGeneration before an operator has written any: without one, tools take the object for settled."""

_SCALARS: dict[type[inspect.Type], str] = {
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.StrType: "string",
    inspect.EnumType: "string",
}


def status_schema() -> Schema:
    """The schema of `status`."""
    own = {
        "observedGeneration": _a(
            "integer",
            f"The generation of the spec that the rest is about; {UNSEEN} before an operator has looked.",
        ),
        "phase": _fields(Status)["phase"],
        "replicas": _a("integer", "How many members have a pod."),
        "readyReplicas": _a("integer", "How many members train."),
        "failedMembers": _a("integer", "How many members are failed now."),
        "selector": _a("string", "The label selector of the pods, for the scale subresource."),
        **_for_kubectl(),
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
    own["subPopulations"] |= {"maxItems": MAX_SUB_POPULATIONS, "x-kubernetes-list-type": "atomic"}
    told = "How the population stands. The conditions are for machines, the rest is for people."
    return _object(told, own, default={"observedGeneration": UNSEEN})


def _for_kubectl() -> dict[str, Schema]:
    """What the columns of `kubectl get` show: they can only name a field."""
    return {
        "progress": _a(
            "string", "The newest round that is decided, and the last one, as `kubectl get` shows it."
        ),
        "running": _a(
            "string", "How many members train, and how many may at once, as `kubectl get` shows it."
        ),
        "bestScore": _a("string", "The best score in few digits, as `kubectl get` shows it."),
    }


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
        "description": "Accepted, StorageReady, Progressing, Suspended, Complete and Failed, each with its reason, and "
        "what they come to: Ready, Reconciling and Stalled.",
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": condition,
    }


def _fields(record: type[msgspec.Struct]) -> dict[str, Schema]:
    found = {}
    for field in msgspec.structs.fields(record):
        if record is Status and field.name in RECORDS_ONLY:
            continue
        told = inspect.type_info(field.type)
        assert isinstance(told, inspect.Metadata), f"{record.__name__}.{field.name} is not described"
        found[field.encode_name] = {**_schema(told.type), **(told.extra_json_schema or {})}
    return found


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
