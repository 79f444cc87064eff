"""Figures in virtual time, in small: what gates bound, what an outage leaves, what crashing regions don't take."""

import logging
from dataclasses import replace

import pytest

from simulate.trials.trial import Setting, Trial

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
MIXED = (1.0, 1.5, 2.0, 4.0)


@pytest.fixture(autouse=True)
def quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_mixed_speeds_keep_their_lead_and_nobody_waits_in_vain() -> None:
    setting = Setting(members=4, rounds=8, paces=MIXED, interval_seconds=600.0)
    gated, free = Trial(1, setting), Trial(1, replace(setting, has_gates=False))
    recorded = [trial.measure().seconds.total for trial in (gated, free)]
    assert gated.lead <= setting.max_lead + 1 < free.lead
    assert gated.vain == 0
    assert gated.wall_seconds <= 1.05 * free.wall_seconds
    assert all(told < trial.slot_seconds for told, trial in zip(recorded, (gated, free), strict=True))
    assert gated.slot_seconds <= 1.1 * free.slot_seconds


def test_most_steps_made_without_an_operator_count() -> None:
    away = (300.0, 2100.0)
    setting = Setting(members=4, rounds=45)
    there, gone = Trial(1, setting), Trial(1, replace(setting, away=away))
    there.measure()
    gone.measure()
    assert gone.vain
    assert gone.living_steps(*away) >= 0.6 * there.living_steps(*away)


@pytest.mark.parametrize("region", [(0.6, 0, 1.0), (0.6, 15, 1.0), (0.6, 0, 0.05)])
def test_a_region_that_crashes_takes_no_slot(region: tuple[float, int, float]) -> None:
    trial = Trial(1, Setting(members=6, rounds=8, region=region))
    trial.measure()
    assert trial.failed() == 0
    assert trial.reverted_wrongly()[0] == 0


def test_at_quorum_100_neither_leads_nor_kills_change_a_decision() -> None:
    found = []
    for max_lead, kills in ((0, 0), (1, 0), (3, 10), (50, 10)):
        trial = Trial(1, Setting(members=4, rounds=15, quorum=100, max_lead=max_lead, kills=kills))
        trial.measure()
        found.append(trial.decisions())
    assert len(found[0]) == 15
    assert found == 4 * found[:1]
