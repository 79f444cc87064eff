"""The manifest's reference, from its models: `python -m pbt_operator.manifest.reference > docs/manifest.md`."""

import json
import sys
from collections.abc import Iterator

from pbt_operator.manifest.json_schema import Schema, schema_at
from pbt_operator.manifest.schema import manifest_schema, wanted
from pbt_operator.manifest.status_schema import status_schema

EXAMPLE = """\
apiVersion: pbt.dev/v1alpha1
kind: Population
metadata: {name: digits}
spec:
  members: 8
  parallelism: 4
  objective: {metric: val_accuracy, goal: Maximize, target: 0.995}
  schedule:
    totalSteps: 4000
    intervalSteps: 200
    burnInSteps: 200
    quorumPercent: 75
    maxLead: 2
    stragglerTimeoutSeconds: 600
    progressDeadlineSeconds: 3600
  hyperparameters:
  - {name: lr, logUniform: {min: 1.0e-4, max: 1.0}}
  - {name: momentum, logUniform: {min: 0.8, max: 0.999, of: OneMinus}}
  - {name: dropout, uniform: {min: 0.0, max: 0.6}}
  - {name: layers, integer: {min: 1, max: 4}, explore: Never}
  - {name: optimizer, choice: {values: [sgd, adamw]}}
  initial: [{lr: 0.1, momentum: 0.9}]
  strategy: Explicit
  exploit: {truncation: {percent: 25}}
  subPopulations: [{everyRounds: 1}, {horizonPercent: 20}]
  explore: {factors: [0.8, 1.25], resamplePercent: 25}
  storage: {store: default, prefix: team-a, credentialsSecretRef: {name: s3}}
  retention: {checkpointsPerMember: 2, onDelete: Retain}
  restart: Recreate
  seed: 7
  suspend: false
  finish: false
  backoffLimit: 6
  maxFailedMembers: 4
  activeDeadlineSeconds: 86400
  limits: {gpuHours: 100, activeSeconds: 43200, totalMemberSteps: 30000}
  plateau: {rounds: 8, minGain: 0.001}
  ttlSecondsAfterFinished: 604800
  template:
    spec:
      containers:
      - name: trainer
        image: registry.example/digits:1
        command: [python, train.py]
        env: [{name: EPOCH_SIZE, value: "1000"}]
        resources: {limits: {nvidia.com/gpu: 1}}
"""

HEAD = """\
# The manifest

A `Population`, the same file for a cluster and for one machine. This page is generated from the models
(`python -m pbt_operator.manifest.reference > docs/manifest.md`).

```yaml
{example}```

A wrong manifest is answered by one message that lists every wrong field with its path, its line, what was
found and what would be right. On a cluster the API server refuses it; what it can't check (the names and values
in `initial`, of what type the values of a `choice` are, `limits.gpuHours` without GPUs in the template, and what is
given without a `strategy` where Auto chooses it) the operator does, and shows it in the condition `Accepted`.
`kubectl explain population.spec` tells what stands below.

## How values are read

Files are read as kubectl reads them, so that a number is the same number at both ends.

| written | read as |
| --- | --- |
| `1e-4`, `1.0e-4`, `.5` | numbers |
| `4000.0`, `4e3` | 4000: an integral number is an integer, where one is asked for |
| `1_000`, `0x10`, `0b11`, `010` | 1000, 16, 3 and 8 |
| `true`, `yes`, `on`, `y`, also capitalised | true; in quotes a text |
| `false`, `no`, `off`, `n`, also capitalised | false; in quotes a text |
| `2026-01-31`, `12:30` | texts |
| `.inf`, `.nan` | refused: JSON has no such numbers |
| nothing, `~`, `null` | the field is absent |

A file may hold other documents beside its one Population; they are not looked at. A field that is given twice
is an error.

## What a run on one machine takes of the template

The command, args, environment, working directory, `nvidia.com/gpu` limit and grace period of the container
`trainer`, or of the only one. `$(NAME)` is replaced as in a pod. The command has to be written out, since no
image is there to name one. A variable that comes from a Secret, a ConfigMap or a pod's field can't be
resolved: give it a literal `value`, or mark the reference `optional: true`, and it is left unset.
"""

TITLES = {
    "spec.hyperparameters[]": "one of `spec.hyperparameters`",
    "spec.subPopulations[]": "one of `spec.subPopulations`",
    "status": "`status`, on a cluster",
    "status.conditions[]": "one of `status.conditions`",
    "status.members[]": "one of `status.members`",
    "status.subPopulations[]": "one of `status.subPopulations`",
}


def reference() -> str:
    """The whole page, as Markdown."""
    tables = [*_tables("spec", schema_at(("spec",), manifest_schema())), *_tables("status", status_schema())]
    return HEAD.format(example=EXAMPLE) + "".join(tables)


def _tables(path: str, node: Schema) -> Iterator[str]:
    """A table of a mapping's fields, then those of the mappings below it."""
    fields: dict[str, Schema] = node.get("properties", {})
    if not fields:
        return
    yield f"\n## {TITLES.get(path, f'`{path}`')}\n\n{node['description']}\n\n"
    yield "| field | value | default | |\n| --- | --- | --- | --- |\n"
    required = node.get("required", [])
    for name, field in fields.items():
        given = "*required*" if name in required else _default(field)
        yield f"| `{name}` | {_value(field)} | {given} | {field['description']} |\n"
    for name, field in fields.items():
        yield from _tables(f"{path}.{name}", field)
        yield from _tables(f"{path}.{name}[]", field.get("items", {}))


def _value(field: Schema) -> str:
    if field.get("properties"):
        return "mapping"
    inner = field.get("items", {})
    return f"{wanted(field)}: {wanted(inner)}" if inner and not inner.get("properties") else wanted(field)


def _default(field: Schema) -> str:
    default = field.get("default")
    return f"`{json.dumps(default)}`" if default is not None and not isinstance(default, dict) else ""


if __name__ == "__main__":
    sys.stdout.write(reference())
