"""How what was learned is told in words, in the commands and on the page."""

from collections.abc import Sequence

from pbt_operator.core.ancestry import Diversity, diversity, taken_over
from pbt_operator.core.value_origins import ValueOrigins, value_origins
from pbt_operator.page.incarnations import Incarnations
from pbt_operator.page.words import counted
from pbt_operator.records.archive import Archive

ADVICE = "a longer exploit.horizonPercent, sub-populations or more members keep more of them"


def diversity_of(archive: Archive, lives: Incarnations) -> list[Diversity]:
    """The diversity after each round of a population."""
    ancestors = {key: life.ancestor for key, life in lives.all.items()}
    return diversity(archive.rounds, ancestors.get)


def diversity_text(found: Sequence[Diversity]) -> str:
    """`2 first ancestors are alive after round 9`; empty before the first round."""
    if not found:
        return ""
    newest = found[-1]
    are = "is" if newest.ancestors == 1 else "are"
    return f"{counted(newest.ancestors, 'first ancestor')} {are} alive after round {newest.number:,}"


def warning_text(archive: Archive, found: Sequence[Diversity]) -> str:
    """That one start took over early, and what helps; empty where none did."""
    after = taken_over(found, archive.spec.schedule)
    if after is None:
        return ""
    return (
        f"one start has taken over by step {after.step:,}, in the first fifth of the run: all {after.members} members "
        f"descend from it, and only hyperparameters differ from then on; {ADVICE}"
    )


def newest_values_text(archive: Archive) -> str:
    """`values of the newest round that replaced losers, 9: 3 chosen, 1 resampled (5.1 nats from 96 gains)`."""
    found = value_origins(archive.rounds[-1:]) or value_origins(reversed(archive.rounds))[:1]
    if not found:
        return ""
    return f"the newest values are of round {found[0].number:,}: {origins_text(found[0])}"


def origins_text(found: ValueOrigins) -> str:
    """`3 chosen, 1 resampled (5.1 nats from 96 gains); 1 of 2 newborns migrated`."""
    told = ", ".join(f"{number:,} {origin}" for origin, number in found.values.items())
    if evidence := evidence_text(found):
        told += f" ({evidence})"
    if found.migrated:
        told += f"; {found.migrated:,} of {counted(found.newborns, 'newborn')} migrated"
    return told


def evidence_text(found: ValueOrigins) -> str:
    """`5.1 nats from 96 gains`; empty where no model was asked."""
    if found.evidence is None:
        return ""
    return f"{found.evidence:.1f} nats from {counted(found.gains, 'gain')}"
