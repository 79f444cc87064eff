"""What a script may read of its place in a population."""

from pathlib import Path

import pytest

from pbt_contract.records import Birth, Cause, Source
from pbt_trainer.session.place import Place
from unit.trainer.population import Population

SOURCE = Source(member=2, incarnation=1, step=40, checkpoint="checkpoints/x/", record="reports/x")


class Lived:
    """As much of a session as a place reads."""

    def __init__(self, tmp_path: Path, *, seed: int = 7, **given: object) -> None:
        fields = {"member": 3, "incarnation": 2, "cause": Cause.EXPLOIT, "hyperparameters": {}, "reason": ""}
        self.birth = Birth(**{**fields, **given})
        self.assignment = Population(tmp_path).assignment(seed=seed, population="digits")
        self.files = None


def test_it_says_whose_life_it_is(tmp_path: Path) -> None:
    place = Place(Lived(tmp_path, source=SOURCE), rank=1)
    assert (place.population, place.member, place.incarnation, place.rank) == ("digits", 3, 2, 1)
    assert place.parent == SOURCE


def test_a_run_alone_has_no_population_and_no_parent() -> None:
    place = Place(None, rank=0)
    assert (place.population, place.parent, place.member, place.incarnation) == (None, None, 0, 0)
    assert 0 <= place.rng_seed < 2**63


def test_a_seed_for_frameworks_with_keys_is_the_same_in_every_run_of_a_life(tmp_path: Path) -> None:
    assert Place(Lived(tmp_path), rank=0).rng_seed == Place(Lived(tmp_path), rank=0).rng_seed
    assert 0 <= Place(Lived(tmp_path), rank=0).rng_seed < 2**63


@pytest.mark.parametrize("other", [{"seed": 8}, {"member": 2}, {"incarnation": 3}, {"rank": 1}])
def test_and_another_one_for_each_member_life_and_rank(tmp_path: Path, other: dict[str, int]) -> None:
    rank = other.pop("rank", 0)
    known = Place(Lived(tmp_path), rank=0).rng_seed
    assert Place(Lived(tmp_path, **other), rank=rank).rng_seed != known
