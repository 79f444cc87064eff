"""Episodes of a member: which ones count, when, and for whom."""

import random
import statistics

import pytest

from pbt_trainer import Episode, UsageError, Window
from pbt_trainer.session.metrics import plain


def test_an_episode_counts_when_all_that_started_before_it_have_ended() -> None:
    window = Window(10, at_least=1)
    first, second, third = window.start(), window.start(), window.start()
    third.end(3)
    second.end(2)
    assert window.values() == []
    first.end(1)
    assert window.values() == [1, 2, 3]


def test_one_that_was_dropped_or_forgotten_holds_nobody_back() -> None:
    window = Window(10, at_least=1)
    dropped, forgotten, last = window.start(), window.start(), window.start()
    last.end(3)
    dropped.drop()
    dropped.end(1)
    del forgotten
    assert window.values() == [3]


def test_an_episode_ends_once() -> None:
    window = Window(10, at_least=1)
    episode = window.start()
    episode.end(1)
    episode.end(2)
    assert window.values() == [1]


def test_the_newest_are_reported_and_nothing_where_they_are_too_few() -> None:
    window = Window(3, at_least=2)
    reported = []
    for value in range(5):
        window.start().end(value)
        reported.append(plain({"return": window})["return"])
    assert reported == [[], [0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]]


@pytest.mark.parametrize("at_least", [0, 4, -1])
def test_a_window_that_could_never_report_is_refused(at_least: int) -> None:
    with pytest.raises(UsageError, match="at_least is between 1 and 3"):
        Window(3, at_least=at_least)


def test_a_checkpoint_holds_what_counts_and_ends_what_is_under_way() -> None:
    """As at a resume, and where the process goes on as another member."""
    theirs, mine = Window(10, at_least=1), Window(10, at_least=1)
    theirs.start().end(7)
    mine.start().end(1)
    under_way = mine.start()
    mine.load_state_dict(theirs.state_dict())
    under_way.end(99)
    mine.start().end(8)
    assert mine.values() == [7, 8]


def test_an_exploit_empties_it() -> None:
    window = Window(10, at_least=1)
    window.start().end(1)
    under_way = window.start()
    window.__pbt_exploited__()
    under_way.end(99)
    assert window.values() == []
    window.start().end(2)
    assert window.values() == [2]


# what the first report after an exploit says of a policy

ENVIRONMENTS, LIMIT, STEPS, EXPLOITS = 8, 100, 300, 200
MEAN = 0.7 * (1 + LIMIT) / 2 + 0.3 * LIMIT


def lived(rng: random.Random) -> int:
    """How long an episode lasts, which is also what it returns; some reach the time limit."""
    return rng.randint(1, LIMIT) if rng.random() < 0.7 else LIMIT


def first_report(rng: random.Random, *, in_order_of_ends: bool) -> float:
    """The mean of what the first report after an exploit holds; every policy is the same one."""
    window = Window(1000, at_least=5)
    window.start().end(10 * LIMIT)
    window.__pbt_exploited__()
    ended: list[float] = []

    def start() -> tuple[Episode, int]:
        return window.start(), lived(rng)

    lives = [start() for _ in range(ENVIRONMENTS)]
    left = [length for _, length in lives]
    for _ in range(STEPS):
        for env, (episode, length) in enumerate(lives):
            left[env] -= 1
            if left[env] == 0:
                episode.end(length)
                ended.append(length)
                lives[env] = start()
                left[env] = lives[env][1]
    return statistics.fmean(ended if in_order_of_ends else window.tolist())


def standard_errors(*, in_order_of_ends: bool) -> float:
    """How far the mean of the first reports is from the policy's, in standard errors of the mean."""
    rng = random.Random(14)
    found = [first_report(rng, in_order_of_ends=in_order_of_ends) for _ in range(EXPLOITS)]
    return (statistics.fmean(found) - MEAN) / (statistics.stdev(found) / len(found) ** 0.5)


def test_the_first_report_after_an_exploit_is_not_biased() -> None:
    assert abs(standard_errors(in_order_of_ends=False)) < 2


def test_in_the_order_of_their_ends_short_episodes_would_come_first() -> None:
    assert standard_errors(in_order_of_ends=True) < -4
