"""The spec of a Population, as the manifest has it; the custom resource is generated from these models."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from pbt_operator.core.search import Goal
from pbt_operator.core.spec import Restart
from pbt_operator.core.wire import (
    MAX_REAL,
    MAX_STEPS,
    MAX_WHOLE,
    Flag,
    Path,
    Real,
    Scalar,
    Seconds,
    Steps,
    Whole,
    Wire,
    broken,
)
from pbt_operator.core.wording import any_of, shorten, shown
from pbt_operator.manifest.exploit_explore import Exploit, Explore
from pbt_operator.manifest.hyperparameters import Hyperparameter
from pbt_operator.manifest.template import Template

MAX_MEMBERS = 10_000
MAX_ROUNDS = 10**7 - 1  # as many digits as a key has room for
# A pod is called NAME-MEMBER-INCARNATION: at most 40 + 1 + 5 + 1 + 6 of the 63 characters of a host name.
MAX_NAME = 40
LABEL_PATTERN = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
SUBDOMAIN_PATTERN = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"
PREFIX_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"
METRIC_PATTERN = r"^[^\p{Cc}]*$"  # no terminal, log or environment could hold others
LOCATION_PATTERN = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?-[0-9a-f]{8}$"

Members = Annotated[int, Field(strict=True, ge=1, le=MAX_MEMBERS)]


class Objective(Wire):
    """What the members are compared by. It can't be changed: another objective is another experiment."""

    metric: str = Field(
        min_length=1,
        max_length=128,
        pattern=METRIC_PATTERN,
        description="The name under which the trainer reports it, such as `val_accuracy`.",
    )
    goal: Goal = Field(description="Whether more or less of the metric is better.")
    target: Real | None = Field(
        default=None,
        ge=-MAX_REAL,
        le=MAX_REAL,
        description="The population is Complete as soon as a member reaches it: by the mean of several "
        "evaluations, or in two reports in a row. Default: all members train to the end.",
    )


class Schedule(Wire):
    """Steps and rounds. A step is whatever the training script counts: batches, epochs, frames."""

    total_steps: Steps = Field(
        description="Each member trains to this step. It can be raised while the population runs, never lowered."
    )
    interval_steps: Steps = Field(
        description="Steps between two rounds: the members report, are compared, and losers are replaced. At most "
        "`totalSteps`. It can't be changed."
    )
    burn_in_steps: Whole = Field(
        default=0,
        ge=0,
        le=MAX_STEPS,
        description="Nobody is replaced up to and including this step. Below `totalSteps`.",
    )
    quorum_percent: Whole = Field(
        default=75,
        ge=50,
        le=100,
        description="A round can be decided when this share of the living members, in percent, has reported it: "
        "at least half, for a minority would be the fast, not the good. With 100 every round is decided, in order "
        "and by all living members, so that the same scores always give the same decisions.",
    )
    straggler_timeout_seconds: Seconds = Field(
        default=600,
        description="Seconds after which a member without a running pod is no longer waited for, until it is back.",
    )
    progress_deadline_seconds: Seconds = Field(
        default=3600,
        description="Seconds after which a running member without a new report or save counts as crashed. It should "
        "be a few times what an interval takes.",
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
    """A Secret of the same namespace with the trainer pods' credentials for the store.

    Its keys are AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, if need be, AWS_SESSION_TOKEN. It is mounted, so that
    new credentials reach running pods. Default: the identity of the pods' service account.
    """

    name: str = Field(
        min_length=1, max_length=253, pattern=SUBDOMAIN_PATTERN, description="The name of the Secret."
    )


class Storage(Wire):
    """Where births, reports and checkpoints are kept. It can't be changed, and a local run doesn't use it."""

    store: str = Field(
        default="default",
        min_length=1,
        max_length=63,
        pattern=LABEL_PATTERN,
        description="The name of one of the stores that the cluster's administrator has set up.",
    )
    prefix: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        pattern=PREFIX_PATTERN,
        description="Folders in the namespace's part of the store, such as `team-a/vision`. Default: none.",
    )
    credentials_secret_ref: SecretRef | None = None
    adopt: str | None = Field(
        default=None,
        max_length=MAX_NAME + 9,
        pattern=LOCATION_PATTERN,
        description="The population goes on in this existing location, `NAME-UID8`, of another cluster or of a "
        "deleted Population, such as `digits-1a2b3c4d`. Default: it gets a location of its own.",
    )


class Retention(Wire):
    """Which checkpoints stay in the store. Can be changed while the population runs."""

    checkpoints_per_member: Whole = Field(
        default=2,
        ge=1,
        le=10,
        description="How many of each member's newest checkpoints stay. What a birth still needs, and the best one, "
        "stay in any case.",
    )
    on_delete: Literal["Retain", "Delete"] = Field(
        default="Retain",
        description="Whether deleting the Population leaves what it stored, or deletes it too, once its pods are gone.",
    )


class PopulationSpec(Wire):
    """What the population is to do.

    What identifies the experiment can't be changed: objective, hyperparameters, storage, schedule.intervalSteps and
    seed. The rest steers it, and can be changed while it runs.
    """

    members: Members = Field(
        description="How many members are trained together. Can be changed while the population runs, also by "
        "`kubectl scale population NAME --replicas=12`: new ones are born from a donor, the highest numbers leave."
    )
    parallelism: Members | None = Field(
        default=None,
        description="How many members hold a pod at once; the others wait for their turn. Default: all members.",
    )
    objective: Objective
    schedule: Schedule
    hyperparameters: tuple[Hyperparameter, ...] = Field(
        min_length=1,
        max_length=64,
        description="What is searched: hyperparameters of the training script, with one distribution each. They "
        "can't be changed. Example: {name: lr, logUniform: {min: 1.0e-4, max: 1.0}}.",
    )
    initial: tuple[Annotated[Mapping[str, Scalar], Field(max_length=64)], ...] = Field(
        default=(),
        max_length=MAX_MEMBERS,
        description="Values, by hyperparameter, that the first members start from, one mapping for each. What isn't "
        "given is drawn. Not longer than `members`. Example: [{lr: 0.1, momentum: 0.9}].",
    )
    exploit: Exploit = Exploit()
    explore: Explore = Explore()
    storage: Storage = Storage()
    retention: Retention = Retention()
    restart: Restart = Field(
        default=Restart.RECREATE,
        description="How a birth reaches its process. With Recreate, by a new pod. With InPlace, the running "
        "process takes over the donor's weights, without a new pod where it can; and where `parallelism` is below "
        "`members`, it goes on as a member that waits when its own has to make room.",
    )
    seed: Whole = Field(
        default=0,
        ge=0,
        le=MAX_WHOLE,
        description="All random draws follow from it and from the scores, so that runs can be repeated. It can't be "
        "changed.",
    )
    suspend: Flag = Field(
        default=False,
        description="While it is true, all pods are stopped, after a save, and nothing is decided.",
    )
    finish: Flag = Field(
        default=False,
        description="Ends the population now: its pods are stopped, the best checkpoint is kept, and it is Complete "
        "with the reason Finished.",
    )
    backoff_limit: Whole = Field(
        default=6,
        ge=0,
        le=10_000,
        description="A member fails after more crashes than this in a row without a new report or save. Evictions "
        "and lost nodes are no crashes.",
    )
    max_failed_members: Whole | None = Field(
        default=None,
        ge=0,
        le=MAX_MEMBERS,
        description="The population fails when more members than this have failed. Default: when all have.",
    )
    active_deadline_seconds: Seconds | None = Field(
        default=None,
        description="Seconds after which an active population fails; a suspension starts them anew. "
        "Default: no limit.",
    )
    ttl_seconds_after_finished: Whole | None = Field(
        default=None,
        ge=0,
        le=2**31 - 1,
        description="Seconds after its end at which the Population is deleted; with 0 at once. Default: never.",
    )
    template: Template = Field(
        description="The pods of the members: a PodTemplateSpec, as in a Job. Its container `trainer`, or its only "
        "one, trains. `restartPolicy` is always Never; everything else reaches the pods as it is. A change holds for "
        "new pods."
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
