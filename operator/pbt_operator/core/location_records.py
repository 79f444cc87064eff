"""The records that say whose location it is and what it was begun for: owners and accepted specs."""

from typing import Any, NamedTuple

from msgspec import UNSET, UnsetType

from pbt_contract import keys
from pbt_contract.records import FORMAT, Count, Record


class OwnerRecord(Record, frozen=True, kw_only=True):
    """One Population that took a location over.

    Attributes:
        uid: of the Population's resource.
    """

    format: int = FORMAT
    number: Count
    uid: str
    name: str
    namespace: str

    @property
    def key(self) -> str:
        """Where this record is stored."""
        return keys.owner(self.number)


class SpecRecord(Record, frozen=True, kw_only=True):
    """One accepted spec, in the words of the manifest, without the values of its template's `env`.

    Attributes:
        retry: by what somebody asked to continue a population that had failed: a value of the annotation, or the key of
            the spec record that it had failed under. Absent where nobody did.
        generation: of the Population's resource, whose change continued a population that had failed. A change that no
            record shows, such as another value of `env`, is one too. Absent otherwise.
    """

    format: int = FORMAT
    number: Count
    name: str
    namespace: str
    spec: dict[str, Any]
    retry: str | UnsetType = UNSET
    generation: Count | UnsetType = UNSET

    @property
    def key(self) -> str:
        """Where this record is stored."""
        return keys.spec(self.number)


class SpecHistory(NamedTuple):
    """What a location was begun with, and what is in force there."""

    first: SpecRecord
    newest: SpecRecord
