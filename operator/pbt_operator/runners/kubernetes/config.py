"""The operator's config file: which namespaces it serves, which stores the administrator has set up, how it runs."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from pbt_contract.errors import PbtError
from pbt_operator.core.wire import Flag, Real, Whole, Wire, broken
from pbt_operator.core.wording import any_of, shown
from pbt_operator.manifest.errors import ManifestError
from pbt_operator.manifest.explain import problems_in
from pbt_operator.manifest.json_schema import Schema, schema_of
from pbt_operator.manifest.population_spec import LABEL_PATTERN, PREFIX_PATTERN
from pbt_operator.manifest.reader import Document, Refused, read
from pbt_operator.manifest.schema import wanted

MAX_WORKERS = 64

Label = Annotated[
    str, Field(min_length=1, max_length=63, pattern=LABEL_PATTERN, description="a namespace's name")
]


class UnknownStore(PbtError):
    """A Population picks a store that the administrator has not set up."""


class StoreConfig(Wire):
    """One named place for populations: a bucket, how to reach it, and the operator's own identity there.

    A field's description completes `should be ...`.
    """

    name: Label = Field(description="a name of a-z, 0-9 and '-'")
    bucket: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$", description="a bucket's name"
    )
    prefix: str = Field(
        default="",
        max_length=128,
        pattern=rf"^$|{PREFIX_PATTERN}",
        description="folder names, joined by '/', of letters, digits, '_', '-' and '.'",
    )
    endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[A-Za-z0-9._:\[\]-]+/?$",
        description="a URL such as http://minio.storage:9000",
    )
    region: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9-]{1,63}$", description="a region such as us-east-1"
    )
    path_style: Flag | None = Field(default=None, description="true or false")
    checksums: Literal["WhenSupported", "WhenRequired"] = Field(
        default="WhenSupported", description="WhenSupported or WhenRequired"
    )
    credentials: Path | None = Field(
        default=None, description="a folder with files AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )
    ca_bundle: Path | None = Field(default=None, description="a PEM file")

    @property
    def addressing(self) -> str:
        """Botocore's word: `path`, `virtual`, or `auto`, which is path style at an endpoint of one's own."""
        return {None: "auto", True: "path", False: "virtual"}[self.path_style]

    @property
    def is_plain(self) -> bool:
        """Whether what is sent to it can be read and changed on the way."""
        return self.endpoint is not None and self.endpoint.startswith("http://")

    def overlaps(self, other: "StoreConfig") -> bool:
        """Whether one of the two holds, or may hold, what lies in the other."""
        places = [(store.bucket, (store.endpoint or "").rstrip("/")) for store in (self, other)]
        folders = [f"{store.prefix}/" if store.prefix else "" for store in (self, other)]
        return places[0] == places[1] and (
            folders[0].startswith(folders[1]) or folders[1].startswith(folders[0])
        )

    @property
    def checksum_setting(self) -> str:
        """Botocore's word, for requests and for responses."""
        return {"WhenSupported": "when_supported", "WhenRequired": "when_required"}[self.checksums]


class LeaseConfig(Wire):
    """By which two operators agree who drives. A field's description completes `should be ...`."""

    namespace: Label = Field(description="a namespace's name")
    name: str = Field(min_length=1, max_length=253, description="a lease's name")
    seconds: Whole = Field(default=15, ge=2, le=300, description="a whole number from 2 to 300")


class OperatorConfig(Wire):
    """The whole file. A field's description completes `should be ...`."""

    namespaces: tuple[Label, ...] = Field(default=(), description="a list of namespaces")
    stores: tuple[StoreConfig, ...] = Field(default=(), description="a list of stores")
    poll_seconds: Real = Field(default=5, ge=0.1, le=300, description="a number of seconds from 0.1 to 300")
    workers: Whole = Field(
        default=8, ge=1, le=MAX_WORKERS, description=f"a whole number from 1 to {MAX_WORKERS}"
    )
    namespace_megabytes: Whole = Field(
        default=200, ge=1, le=10**6, description="a whole number from 1 to 1000000"
    )
    port: Whole = Field(default=8080, ge=1, le=65535, description="a whole number from 1 to 65535")
    read_events: Flag = Field(default=False, description="true or false")
    log_format: Literal["json", "text"] = Field(default="json", description="json or text")
    lease: LeaseConfig | None = Field(default=None, description="a namespace, a name and seconds")

    @model_validator(mode="after")
    def _stores_have_different_names(self) -> Self:
        first: dict[str, int] = {}
        told = "is the name of stores[{}] too; each should have its own"
        repeated = [
            (("stores", index, "name"), told.format(first[store.name]))
            for index, store in enumerate(self.stores)
            if first.setdefault(store.name, index) != index
        ]
        if repeated:
            raise broken(*repeated)
        return self

    @model_validator(mode="after")
    def _stores_lie_apart(self) -> Self:
        """Else what lies in one could be reached by the identity of the other."""
        told = "lies in the same bucket as stores[{}], and one prefix begins with the other; each should have its own"
        found = [
            (("stores", index, "prefix"), told.format(before))
            for index, store in enumerate(self.stores)
            for before, other in enumerate(self.stores[:index])
            if store.overlaps(other)
        ]
        if found:
            raise broken(*found[:1])
        return self

    def store(self, name: str) -> StoreConfig:
        """The store that a manifest calls `name`.

        Raises:
            UnknownStore: there is none; the message names those that are there.
        """
        for store in self.stores:
            if store.name == name:
                return store
        known = any_of(shown(store.name) for store in self.stores) if self.stores else ""
        remedy = f"should be {known}" if known else "the administrator has to set up one first"
        raise UnknownStore(f"is {shown(name)}, which is no store of this cluster; {remedy}")


def read_config(path: str | Path) -> OperatorConfig:
    """Reads the config file.

    Raises:
        ManifestError: it can't be read or is wrong somewhere; the message lists every wrong field.
    """
    source = str(path)
    try:
        document = _only_document(Path(path))
    except Refused as refused:
        raise ManifestError(source, [refused.problem]) from refused
    config, refused_fields = None, []
    try:
        config = OperatorConfig.model_validate(document.tree)
    except ValidationError as error:
        refused_fields = list(problems_in(error, schema_of(OperatorConfig), words=_words))
    problems = [*document.problems, *refused_fields]
    if config is None or problems:
        located = [replace(p, line=p.line or document.line_of(p.path)) for p in problems]
        raise ManifestError(source, sorted(located, key=lambda problem: problem.line or 0))
    return config


def _only_document(path: Path) -> Document:
    try:
        documents = read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refused(f"can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Refused("is not UTF-8 text") from error
    if len(documents) > 1:
        raise Refused(f"holds {len(documents)} documents; should hold one")
    document = documents[0] if documents else Document({})
    if not isinstance(document.tree, dict):
        raise Refused(f"is {shown(document.tree)}; should be {_words(schema_of(OperatorConfig))}")
    return document


def _words(node: Schema) -> str:
    """What a field should be, by its description; a mapping is named by its fields."""
    return wanted(node) if "properties" in node or "description" not in node else str(node["description"])
