"""Pods that go before a watch shows them cost their members seconds, and no population a slot."""

from unittest.mock import patch

import pytest

from pbt_operator.runners.kubernetes.unseen_pods import ASK_SECONDS
from simulate.apiserver import Body
from simulate.experiment import Experiment
from simulate.weather import Weather

POLL_SECONDS = 10.0  # the longest that an experiment's operator waits between two passes
WATCH_SECONDS = 20.0  # and that its watch lags


@pytest.mark.parametrize("seed", range(12))
def test_a_pod_that_went_unseen_is_made_again_within_seconds(seed: int) -> None:
    """Every third creation is of such a pod; nothing else goes wrong, so nothing else may be in the way."""
    experiment = Experiment(seed)
    experiment.weather.clears_at = 0.0
    created, gone = 0, dict[str, float]()
    waits: list[float] = []
    strikes, write = Weather.strikes, experiment.server._create_pod

    def goes_unseen(self: Weather, fault: str) -> bool:
        nonlocal created
        if fault != "pod goes unseen":
            return strikes(self, fault)
        created += 1
        return created % 3 == 1

    def note(body: Body, *, dry: bool) -> Body:
        pod, now = write(body, dry=dry), experiment.world.time.now
        name = pod["metadata"]["name"]
        if name in gone:
            waits.append(now - gone.pop(name))
        if not dry and name not in experiment.server.pods:
            gone[name] = now
        return pod

    with (
        patch.object(Weather, "strikes", goes_unseen),
        patch.object(experiment.server, "_create_pod", note),
    ):
        outcome = experiment.run()
    assert outcome.wrong == []
    assert waits
    assert max(waits) < ASK_SECONDS + POLL_SECONDS + WATCH_SECONDS, waits
