"""How a bandit chooses for the losers of a round, and whether choices on record are right."""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from pbt_contract.records import Record, Value
from pbt_operator.core.round_record import ProposedMove
from pbt_operator.core.rules.candidates import candidates, modelled
from pbt_operator.core.rules.gains import gains
from pbt_operator.core.rules.gaussian_process import Point, Posterior, Setting, indifferent, likelihoods
from pbt_operator.core.rules.round_view import RoundView
from pbt_operator.core.rules.rule import Move

FEWEST_GAINS = 8
LEAST_EVIDENCE = 3.0
"""By how much gains must be likelier where hyperparameters matter: as a logarithm, so about 20 times."""
TOLERANCE = 1e-9
"""How much less than the best of all candidates a choice may promise, on a machine with other last bits."""
DOUBT = 1e-7
"""How far two machines may be apart on how likely gains are: a sum over all of them."""


class Otherwise(Protocol):
    """What moves values where nothing is known."""

    def __call__(self, copied: Mapping[str, Value], *, member: int, view: RoundView) -> Move:
        """As `ExploreRule.move`."""


class Inputs(Record, frozen=True, kw_only=True):
    """What a move was computed from, as the round's record has it.

    Attributes:
        gains: how many were looked at.
        evidence: how much likelier they are where hyperparameters matter, as a logarithm; absent with too few gains.
        length, forgetting, noise: the kernel's setting; absent where nothing was chosen.
        candidate: which one was chosen, by the order in which they are drawn; absent likewise.
    """

    gains: int
    evidence: float | UnsetType = UNSET
    length: float | UnsetType = UNSET
    forgetting: float | UnsetType = UNSET
    noise: float | UnsetType = UNSET
    candidate: int | UnsetType = UNSET

    @property
    def setting(self) -> Setting | None:
        """The kernel's."""
        if self.length is UNSET or self.forgetting is UNSET or self.noise is UNSET:
            return None
        return Setting(self.length, self.forgetting, self.noise)


class Promise(NamedTuple):
    """The candidates for one loser.

    Attributes:
        points: where they stand.
        bounds: what each may gain at the most, with confidence.
    """

    points: list[Point]
    bounds: list[float]

    @property
    def best(self) -> int:
        """The first one of those that promise most."""
        return max(range(len(self.bounds)), key=self.bounds.__getitem__)


class Choices:
    """Those of one round, each given the ones before it."""

    def __init__(self, view: RoundView, *, learns: bool, otherwise: Otherwise) -> None:
        """Looks at the gains; computes nothing yet.

        Args:
            view: of the round whose losers are moved.
            learns: whether the run is long enough for that.
            otherwise: what moves values that aren't chosen.
        """
        self._view, self._otherwise, self._space = view, otherwise, modelled(view.space)
        found = gains(view, self._space.all) if learns and self._space.all else []
        self._points = tuple(self._space.point(gain.number, gain.values) for gain in found)
        self._sizes = tuple(gain.size for gain in found)
        self._known: tuple[Setting, Posterior] | None = None

    def __call__(self, copied: Mapping[str, Value], *, member: int) -> Move:
        """The choice for the next loser."""
        number, moved = len(self._sizes), self._otherwise(copied, member=member, view=self._view)
        if self._is_little:
            return moved._replace(inputs={"gains": number})
        evidence = self._evidence
        seen, told = {"gains": number, "evidence": evidence}, f"{evidence:.1f} nats from {number} gains"
        if evidence < LEAST_EVIDENCE:
            return moved._replace(inputs=seen, why=f"the bandit has no evidence ({told})")
        promise = self._promise(copied, member, self._setting)
        best = promise.best
        chosen = self._take(promise.points[best], self._setting)
        return Move(
            {**moved.values, **chosen},
            {**moved.operations, **dict.fromkeys(chosen, "chosen")},
            {**seen, **self._setting._asdict(), "candidate": best},
            f"chosen by the bandit ({told})",
        )

    def fault(self, proposed: ProposedMove) -> str | None:
        """What is wrong with the next move on record; None if nothing is. A choice counts as tried then."""
        try:
            inputs = msgspec.convert(proposed.inputs, Inputs)
        except msgspec.ValidationError as error:
            return f"has inputs that can't be read: {error}"
        if inputs.gains != len(self._sizes):
            return f"counts {inputs.gains} gains, and there are {len(self._sizes)}"
        evidence = -math.inf if self._is_little else self._evidence
        if inputs.candidate is not UNSET:
            if evidence < LEAST_EVIDENCE - DOUBT:
                return "is chosen, and there is no evidence"
            return self._choice_fault(proposed, inputs.setting, inputs.candidate)
        if evidence >= LEAST_EVIDENCE + DOUBT:
            return "isn't chosen, and there is evidence"
        drawn = self._otherwise(proposed.copied, member=proposed.member, view=self._view)
        return None if proposed.hyperparameters == drawn.values else "is none that is drawn without evidence"

    def _choice_fault(self, proposed: ProposedMove, setting: Setting | None, index: int) -> str | None:
        likelihood = None if setting is None else self._likelihoods.get(setting)
        if setting is None or likelihood is None or likelihood < self._likeliest - DOUBT:
            return "is chosen under another setting than the likeliest"
        promise = self._promise(proposed.copied, proposed.member, setting)
        if not 0 <= index < len(promise.points):
            return f"is chosen as candidate {index}, which there isn't"
        expected = self._take(promise.points[index], setting)
        if any(proposed.hyperparameters.get(name) != value for name, value in expected.items()):
            return f"isn't candidate {index}"
        short = promise.bounds[promise.best] - promise.bounds[index]
        if short > TOLERANCE:
            return f"is candidate {index}, which promises {short:.3g} less than candidate {promise.best}"
        return None

    # what the gains say

    @property
    def _is_little(self) -> bool:
        return len(self._sizes) < FEWEST_GAINS

    @property
    def _likelihoods(self) -> Mapping[Setting, float]:
        return likelihoods(self._points, self._sizes)

    @property
    def _likeliest(self) -> float:
        return max(self._likelihoods.values())

    @cached_property
    def _setting(self) -> Setting:
        """The likeliest one; of those that rounding may order either way, the first."""
        found, likeliest = self._likelihoods, self._likeliest
        return next(setting for setting in found if found[setting] >= likeliest - TOLERANCE)

    @cached_property
    def _evidence(self) -> float:
        return self._likeliest - indifferent(self._sizes)

    def _posterior(self, setting: Setting) -> Posterior:
        if self._known is None or self._known[0] != setting:
            self._known = setting, Posterior(self._points, self._sizes, setting)
        return self._known[1]

    def _promise(self, copied: Mapping[str, Value], member: int, setting: Setting) -> Promise:
        """What each candidate may gain in the next round at the most: the less is known of it, the more."""
        rng = self._view.chance(member, "explore/candidates")
        points = candidates(self._space, copied, number=self._view.number + 1, rng=rng)
        means, deviations = self._posterior(setting).predict(points)
        confidence = math.sqrt(0.2 + max(0.0, math.log(0.4 * len(self._sizes))))
        return Promise(points, (means + confidence * deviations).tolist())

    def _take(self, point: Point, setting: Setting) -> dict[str, Value]:
        """The values there, which count as tried from now on."""
        self._posterior(setting).add(point)
        return self._space.values(point)
