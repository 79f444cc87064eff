"""The spec of a Population, as the manifest has it; the custom resource is generated from these models."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, WithJsonSchema, field_validator

from pbt_operator.api.errors import Path, any_of, shorten, shown
from pbt_operator.api.hyperparameters import Hyperparameter
from pbt_operator.api.strategy import Exploit, Explore
from pbt_operator.api.wire import (
    MAX_REAL,
    MAX_STEPS,
    MAX_WHOLE,
    Flag,
    Real,
    Scalar,
    Seconds,
    Steps,
    Whole,
    Wire,
    broken,
)
from pbt_operator.core.spec import Goal, Restart

MAX_MEMBERS = 10_000
MAX_ROUNDS = 10**7 - 1  # as many digits as a key has room for
# A pod is called NAME-MEMBER-INCARNATION: at most 40 + 1 + 5 + 1 + 6 of the 63 characters of a host name.
MAX_NAME = 40
LABEL_PATTERN = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
SUBDOMAIN_PATTERN = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"
PREFIX_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"
LOCATION_PATTERN = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?-[0-9a-f]{8}$"

Members = Annotated[int, Field(strict=True, ge=1, le=MAX_MEMBERS)]
Template = Annotated[
    Mapping[str, Any], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})
]


class Objective(Wire):
    """What the members are compared by."""

    metric: str = Field(
        min_length=1, max_length=128, description="The name under which the trainer reports it."
    )
    goal: Goal = Field(description="Which way the metric is better.")
    target: Real | None = Field(
        default=None,
        ge=-MAX_REAL,
        le=MAX_REAL,
        description="Complete as soon as a member reaches it: by the mean of several evaluations, or in two "
        "reports in a row.",
    )


class Schedule(Wire):
    """Steps and rounds. A step is whatever the training script counts: batches, epochs, frames."""

    total_steps: Steps = Field(
        description="Each member trains to this step. Can be raised while the population runs."
    )
    interval_steps: Steps = Field(
        description="Steps between two rounds: members report, are compared, and losers are replaced."
    )
    burn_in_steps: Whole = Field(
        default=0, ge=0, le=MAX_STEPS, description="Nobody is replaced up to and including this step."
    )
    quorum_percent: Whole = Field(
        default=75,
        ge=50,
        le=100,
        description="A round can be decided when this share of the living members has reported it. At least "
        "half: a minority would be the fast, not the good. 100: every round, in order, with all members.",
    )
    straggler_timeout_seconds: Seconds = Field(
        default=600,
        description="A member without a running pod for longer is not waited for until it is back.",
    )
    progress_deadline_seconds: Seconds = Field(
        default=3600, description="A running member without a new report for this long counts as crashed."
    )

    @field_validator("interval_steps")
    @classmethod
    def _fits_the_total(cls, interval: int, info: ValidationInfo) -> int:
        total = info.data.get("total_steps", interval)
        if interval > total:
            raise broken(((), f"is {interval}; should be at most totalSteps, which is {total}"))
        if -(-total // interval) > MAX_ROUNDS:
            least = -(-total // MAX_ROUNDS)
            raise broken(
                ((), f"is {interval}; should be at least {least}, for there are at most {MAX_ROUNDS} rounds")
            )
        return interval

    @field_validator("burn_in_steps")
    @classmethod
    def _leaves_something(cls, burn_in: int, info: ValidationInfo) -> int:
        total = info.data.get("total_steps", burn_in + 1)
        if burn_in >= total:
            raise broken(((), f"is {burn_in}; should be below totalSteps, which is {total}"))
        return burn_in


class SecretRef(Wire):
    """A Secret with credentials for the trainer pods. Default: those of their service account."""

    name: str = Field(
        min_length=1, max_length=253, pattern=SUBDOMAIN_PATTERN, description="Name of the Secret."
    )


class Storage(Wire):
    """Where births, reports and checkpoints are kept. Not used by a local run."""

    store: str = Field(
        default="default",
        min_length=1,
        max_length=63,
        pattern=LABEL_PATTERN,
        description="One of the stores that the administrator has set up.",
    )
    prefix: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        pattern=PREFIX_PATTERN,
        description="Folders inside the store, such as `team-a/vision`.",
    )
    credentials_secret_ref: SecretRef | None = None
    adopt: str | None = Field(
        default=None,
        max_length=MAX_NAME + 9,
        pattern=LOCATION_PATTERN,
        description="Go on in this existing location, `NAME-UID8`, of another cluster or a former resource.",
    )


class Retention(Wire):
    """Which checkpoints stay."""

    checkpoints_per_member: Whole = Field(
        default=2,
        ge=1,
        le=10,
        description="The newest ones of each member. What is still needed, and the best, stay in any case.",
    )
    on_delete: Literal["Retain", "Delete"] = Field(
        default="Retain", description="Whether deleting the Population deletes what it stored."
    )


class PopulationSpec(Wire):
    """What a population is to do. Objective, hyperparameters, storage, intervalSteps and seed are fixed."""

    members: Members = Field(description="How many are trained together. Can be changed by `kubectl scale`.")
    parallelism: Members | None = Field(
        default=None,
        description="How many hold a pod at once; the others wait for their turn. Default: all members.",
    )
    objective: Objective
    schedule: Schedule
    hyperparameters: tuple[Hyperparameter, ...] = Field(
        min_length=1, max_length=64, description="What is searched, one distribution each."
    )
    initial: tuple[Annotated[Mapping[str, Scalar], Field(max_length=64)], ...] = Field(
        default=(),
        max_length=MAX_MEMBERS,
        description="Values, by hyperparameter, that the first members start from. The others are drawn.",
    )
    exploit: Exploit = Exploit()
    explore: Explore = Explore()
    storage: Storage = Storage()
    retention: Retention = Retention()
    restart: Restart = Field(
        default=Restart.RECREATE,
        description="Recreate: a new pod for each birth. InPlace: the running process takes over.",
    )
    seed: Whole = Field(
        default=0, ge=0, le=MAX_WHOLE, description="All draws follow from it and from the scores."
    )
    suspend: Flag = Field(
        default=False, description="Stops the pods and decides nothing, until it is false again."
    )
    backoff_limit: Whole = Field(
        default=6,
        ge=0,
        le=10_000,
        description="A member fails after more crashes than this in a row without a new report.",
    )
    max_failed_members: Whole | None = Field(
        default=None,
        ge=0,
        le=MAX_MEMBERS,
        description="The population fails with more failed members than this. Default: when all failed.",
    )
    active_deadline_seconds: Seconds | None = Field(
        default=None,
        description="The population fails when it has been active for longer. Default: no limit.",
    )
    ttl_seconds_after_finished: Whole | None = Field(
        default=None,
        ge=0,
        le=2**31 - 1,
        description="The Population is deleted this long after its end; 0: at once. Default: never.",
    )
    template: Template = Field(
        description="A PodTemplateSpec. Its container `trainer`, or its only one, trains. `restartPolicy` is "
        "always Never; everything else reaches the pods as it is."
    )

    @field_validator("hyperparameters")
    @classmethod
    def _have_different_names(cls, found: tuple[Hyperparameter, ...]) -> tuple[Hyperparameter, ...]:
        first: dict[str, int] = {}
        repeated = [i for i, h in enumerate(found) if first.setdefault(h.name, i) != i]
        if repeated:
            told = "is the name of hyperparameters[{}] too; each should have its own"
            raise broken(*(((i, "name"), told.format(first[found[i].name])) for i in repeated))
        return found

    @field_validator("initial")
    @classmethod
    def _lies_in_the_space(
        cls, initial: tuple[Mapping[str, Any], ...], info: ValidationInfo
    ) -> tuple[Mapping[str, Any], ...]:
        members = info.data.get("members", len(initial))
        if len(initial) > members:
            raise broken(
                ((), f"is a list of {len(initial)}; should not be longer than members, which is {members}")
            )
        spaces = {h.name: h.distribution for h in info.data.get("hyperparameters", ())}
        if not spaces:
            return initial
        problems: list[tuple[Path, str]] = []
        admitted: list[dict[str, Any]] = []
        for index, values in enumerate(initial):
            admitted.append({})
            for name, value in values.items():
                if name not in spaces:
                    known = any_of(shorten(known) for known in spaces)
                    problems.append(((index, name), f"no hyperparameter has this name; should be {known}"))
                    continue
                try:
                    admitted[-1][name] = spaces[name].admit(value)
                except ValueError as error:
                    problems.append(((index, name), f"is {shown(value)}; {error}"))
        if problems:
            raise broken(*problems)
        return tuple(admitted)
