"""The spec of a Population, as the manifest has it; the custom resource is generated from these models."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from pbt_operator.core.spec import CLAIMS, Restart
from pbt_operator.core.strategy import Strategy
from pbt_operator.core.wire import MAX_WHOLE, Flag, Path, Scalar, Seconds, Whole, Wire, broken
from pbt_operator.core.wording import any_of, shorten, shown
from pbt_operator.manifest.accelerators import devices_of
from pbt_operator.manifest.exploit_explore import Exploit, Explore
from pbt_operator.manifest.hyperparameters import Hyperparameter
from pbt_operator.manifest.limits_plateau import Limits, Plateau
from pbt_operator.manifest.objective_schedule import Objective, Schedule
from pbt_operator.manifest.parts import MAX_SUB_POPULATIONS, SubPopulation, misfits
from pbt_operator.manifest.template import Template

MAX_MEMBERS = 10_000
# A pod is called NAME-MEMBER-INCARNATION: at most 40 + 1 + 5 + 1 + 6 of the 63 characters of a host name.
# The rest is for a number: in a shortage a pod that waits may have another member's name.
MAX_NAME = 40
LABEL_PATTERN = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
SUBDOMAIN_PATTERN = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"
PREFIX_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"
LOCATION_PATTERN = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?-[0-9a-f]{8}$"

Members = Annotated[int, Field(strict=True, ge=1, le=MAX_MEMBERS)]


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

    What identifies the experiment can't be changed: objective, hyperparameters, strategy, storage,
    schedule.intervalSteps and seed. The rest steers it, and can be changed while it runs.
    """

    members: Members = Field(
        description="How many members are trained together. Can be changed while the population runs, also by "
        "`kubectl scale population NAME --replicas=12`: new ones are born from a donor, the highest numbers leave."
    )
    parallelism: Members | None = Field(
        default=None,
        description="How many members hold a pod at once; the others wait for their turn. Default: all members. "
        "It is no share: populations on the same GPUs are served first come, first served.",
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
    strategy: Strategy | None = Field(
        default=None,
        description="Who chooses `exploit`, `subPopulations` and `explore`. With Auto, they are chosen once, by the "
        "members, rounds and hyperparameters at the start, and the status shows them; only `exploit.minGap` and "
        "`exploit.copy` can be given. With Explicit, they are as given. It can't be changed. Default: Auto; where an "
        "existing location is continued, what that has.",
    )
    exploit: Exploit | None = None
    sub_populations: (
        Annotated[tuple[SubPopulation, ...], Field(min_length=1, max_length=MAX_SUB_POPULATIONS)] | None
    ) = Field(
        default=None,
        description="Parts of the population, each ranked within itself at a pace of its own, so that some look "
        "further ahead than others; good members migrate between them. Each needs 4 members; one with fewer left "
        "is merged into the next slower one. Their paces can be changed while the population runs, their number can't. "
        "Default: none. Example: [{everyRounds: 1}, {horizonPercent: 20}].",
    )
    explore: Explore | None = None
    storage: Storage = Storage()
    retention: Retention = Retention()
    restart: Restart = Field(
        default=Restart.RECREATE,
        description="How a birth reaches its process. With Recreate, by a new pod. With InPlace, the running "
        "process takes over the donor's weights, without a new pod where it can; and where `parallelism` is below "
        "`members`, it goes on as a member that waits when its own has to make room. Where the cluster grants "
        "fewer pods than were asked for, Recreate gives none up either: the process runs its command again.",
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
        "with the reason Finished. Without a finite score it is Failed with the reason NoFiniteScore.",
    )
    backoff_limit: Whole = Field(
        default=6,
        ge=0,
        le=10_000,
        description="A member fails after more crashes than this in a row without a new report or save. It tries "
        "again, twice, after each decided round. Evictions and lost nodes are no crashes.",
    )
    max_failed_members: Whole | None = Field(
        default=None,
        ge=0,
        le=MAX_MEMBERS,
        description="The population fails when more members than this are failed. Default: when all are.",
    )
    active_deadline_seconds: Seconds | None = Field(
        default=None,
        description="Seconds after which an active population fails; a suspension starts them anew. "
        "Default: no limit.",
    )
    limits: Limits | None = None
    plateau: Plateau | None = None
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

    @model_validator(mode="after")
    def _goes_with_its_sub_populations(self) -> Self:
        found = list(misfits(self.sub_populations, self.members, self.exploit))
        if found:
            raise broken(*found)
        return self

    @model_validator(mode="after")
    def _has_gpus_to_count(self) -> Self:
        if (
            self.limits is not None
            and self.limits.gpu_hours is not None
            and not devices_of(self.template).keys() - {CLAIMS}
        ):
            told = "is given, and the template asks for no GPU; should be left out, or be a limit on something else"
            raise broken((("limits", "gpuHours"), told))
        return self
