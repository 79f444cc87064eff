"""`python -m simulate.trials NAME --seeds N`: prints a table of figures in virtual time."""

import argparse
import logging
from collections.abc import Callable
from dataclasses import replace
from random import Random
from statistics import mean, median

from simulate.trials.trial import Setting, Trial

MIXED = (1.0, 1.0, 1.5, 2.0, 2.0, 3.0, 4.0, 4.0)
OUTAGE = (900.0, 2700.0)


def _bursts(member: int, number: int) -> float:
    return 4.0 if Random(f"{member}/{number}").random() < 0.2 else 1.0


def speeds(seeds: int) -> None:
    """Mixed and bursty speeds with gates, as ratios to the same run without."""
    base = Setting(interval_seconds=600.0, rounds=20)
    for name, setting in (
        ("mixed 1..4 x", replace(base, paces=MIXED)),
        ("bursty", replace(base, pace_of=_bursts)),
        ("equal", base),
    ):
        wall, slots, leads, vain, waste = [], [], [], 0, []
        for seed in range(seeds):
            pair = [Trial(seed, replace(setting, has_gates=has_gates)) for has_gates in (True, False)]
            gated, free = [trial.measure() for trial in pair]
            wall.append(pair[0].wall_seconds / pair[1].wall_seconds)
            slots.append(pair[0].slot_seconds / pair[1].slot_seconds)
            leads.append(pair[0].lead)
            vain += pair[0].vain
            waste.append(
                (gated.seconds.discarded / gated.seconds.total, free.seconds.discarded / free.seconds.total)
            )
        print(
            f"{name}: wall {mean(wall):.3f} (worst {max(wall):.3f}), slot seconds {mean(slots):.3f} "
            f"(worst {max(slots):.3f}), lead {max(leads)} (maxLead {setting.max_lead}), {vain} waits in vain; "
            f"discarded {mean(w[0] for w in waste):.1%} with gates, {mean(w[1] for w in waste):.1%} without; "
            f"{seeds} seeds"
        )


def outage(seeds: int) -> None:
    """An operator that is away for 30 minutes: what is left of the steps made meanwhile."""
    shares = []
    for seed in range(seeds):
        setting = Setting(rounds=60)
        there, away = Trial(seed, setting), Trial(seed, replace(setting, away=OUTAGE))
        there.measure()
        away.measure()
        shares.append(away.living_steps(*OUTAGE) / there.living_steps(*OUTAGE))
    print(
        f"operator away 30 min, interval 60 s, quorum 75: {mean(shares):.1%} of the steps that live without the "
        f"outage (median {median(shares):.1%}, worst {min(shares):.1%}); {seeds} seeds"
    )


def regions(seeds: int) -> None:
    """Regions that crash: slots failed at the end, and values that were blamed though they lie outside."""
    for name, region in (
        ("at once", (0.6, 0, 1.0)),
        ("after 1.5 intervals", (0.6, 15, 1.0)),
        ("5 % of the steps at random", (0.6, 0, 0.05)),
    ):
        failed = wrong = explored = 0
        for seed in range(seeds):
            trial = Trial(seed, Setting(region=region, rounds=20))
            trial.measure()
            failed += trial.failed()
            found = trial.reverted_wrongly()
            wrong, explored = wrong + found[0], explored + found[1]
        print(
            f"region that crashes {name}: {failed} slots failed at the end of {seeds} seeds x 8; "
            f"{wrong} of {explored} explores blamed outside the region ({wrong / explored:.2%})"
        )


def leads(seeds: int) -> None:
    """Quorum 100: the same decisions with any maxLead, also where 20 processes are killed."""
    different = 0
    for seed in range(seeds):
        found = []
        for max_lead in (0, 1, 3, 50):
            for kills in (0, 20):
                setting = Setting(quorum=100, max_lead=max_lead, rounds=30, members=5, kills=kills)
                trial = Trial(seed, setting)
                trial.measure()
                found.append(trial.decisions())
        different += any(one != found[0] for one in found)
    print(
        f"quorum 100, maxLead 0, 1, 3 and 50, each with 0 and 20 kills: {different} of {seeds} seeds differ"
    )


TRIALS: dict[str, Callable[[int], None]] = {
    "speeds": speeds,
    "outage": outage,
    "regions": regions,
    "leads": leads,
}


def main() -> None:
    """Does what the command line says."""
    parser = argparse.ArgumentParser(prog="simulate.trials", description="Figures in virtual time.")
    parser.add_argument("names", nargs="*", choices=[*TRIALS, []], help="which; all where none is named")
    parser.add_argument("--seeds", type=int, default=12, help="of each")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    for name in arguments.names or TRIALS:
        TRIALS[name](arguments.seeds)


if __name__ == "__main__":
    main()
