"""What a pass can't help: a Population that is wrong, a store or API server that is away. The next pass tries again."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from pbt_contract.errors import NewerFormat, NotFound, RecordRefused, StoreRefused, StoreUnavailable
from pbt_operator.control.events import Event
from pbt_operator.control.ownership import AnotherExperiment, LocationEmptied, LocationTaken
from pbt_operator.core.status import PopulationPhase
from pbt_operator.manifest.errors import ManifestError
from pbt_operator.runners.kubernetes.admission import Rejected, rejection_of
from pbt_operator.runners.kubernetes.api_errors import ApiRefused, ApiUnavailable
from pbt_operator.runners.kubernetes.conditions import Condition
from pbt_operator.runners.kubernetes.metrics import Metrics
from pbt_operator.runners.kubernetes.pod_template import Owner
from pbt_operator.runners.kubernetes.status_writer import StatusWriter

LONGEST_WAIT_SECONDS = 60.0
LOG = logging.getLogger(__name__)


class Faults:
    """Of one Population.

    Attributes:
        superseded: whether another Population has taken its location over, which is for good.
        is_emptied: whether nothing is stored any more where it had begun; somebody may restore it.
        is_driven: whether passes are made, be it under the spec before; to be kept up to date.
    """

    def __init__(self, owner: Owner, *, status_writer: StatusWriter, metrics: Metrics) -> None:
        """None yet.

        Args:
            owner: the Population.
            status_writer: takes the conditions and Events.
            metrics: count errors.
        """
        self.superseded = self.is_emptied = self.is_driven = False
        self._owner, self._status_writer, self._metrics = owner, status_writer, metrics
        self._in_a_row = 0

    @property
    def has_lost(self) -> bool:
        """Whether what it had begun is another one's, or nobody's: its pods are to go."""
        return self.superseded or self.is_emptied

    @contextmanager
    def shown(self) -> Iterator[None]:
        """A fault ends the block and is shown; without one the back-off ends."""
        try:
            yield
        except Rejected as rejected:
            self._in_a_row += 1
            self.refuse(rejected)
        except (AnotherExperiment, LocationEmptied, LocationTaken, ManifestError) as error:
            self._in_a_row += 1
            self.refuse(rejection_of(error))
        except (StoreUnavailable, RecordRefused, NotFound) as error:
            self._in_a_row += 1
            self._show_store(error)
        except (ApiUnavailable, ApiRefused) as error:
            self.count_api(error)
        else:
            self._in_a_row = 0

    def refuse(self, rejected: Rejected) -> None:
        """Shows what is wrong with the Population."""
        self._status_writer.note(Condition("Accepted", "False", rejected.reason, rejected.message))
        self._status_writer.tell(Event(rejected.reason, rejected.message, warning=True))
        if rejected.reason in {"NotOwner", "LocationEmptied"}:
            self.superseded = rejected.reason == "NotOwner"
            self.is_emptied = not self.superseded
            self.is_driven = False
            self._status_writer.note(Condition("Failed", "True", rejected.reason, rejected.message))
            self._status_writer.show({"phase": PopulationPhase.FAILED.value})
            self._metrics.observe_phase(self._owner.namespace, self._owner.name, PopulationPhase.FAILED)
        if not self.is_driven:
            self._status_writer.note(Condition("Progressing", "False", rejected.reason, rejected.message))

    def count_api(self, error: ApiUnavailable | ApiRefused) -> None:
        """Counts and logs it: a condition would need the same API server."""
        self._in_a_row += 1
        self._metrics.count_error("ApiRefused" if isinstance(error, ApiRefused) else "ApiUnavailable")
        LOG.warning("%s", error)

    def _show_store(self, error: StoreUnavailable | RecordRefused | NotFound) -> None:
        """A store that can't be reached is nobody's fault: trainers go on and the next pass tries again."""
        told = str(error)
        match error:
            case StoreRefused():
                reason = "Refused"
            case StoreUnavailable():
                reason = "Unreachable"
            case NotFound():
                reason = "RecordMissing"
                told += "; records are never deleted one by one: restore it"
            case NewerFormat():
                reason = "RecordRefused"
            case _:
                reason = "RecordRefused"
                told += "; restore what the operator wrote there, or delete it if that was never anything"
        self._metrics.count_error(f"Storage{reason}")
        self._status_writer.note(Condition("StorageReady", "False", reason, told))
        self._status_writer.tell(Event(f"Storage{reason}", told, warning=True))

    def wait_seconds(self, poll_seconds: float) -> float | None:
        """For how long to back off; None without a fault."""
        if self._in_a_row:
            return float(min(poll_seconds * 2 ** min(self._in_a_row, 8), LONGEST_WAIT_SECONDS))
        return LONGEST_WAIT_SECONDS if self.superseded else None
