"""Deleting a Population removes its pods, and of the store exactly what it is asked to."""

from cluster.applied import Applied
from cluster.populations import SMALL, TINY
from cluster.space import Space


def all_keys(space: Space) -> set[str]:
    """The keys of all namespaces whose names begin as this one's."""
    pages = space.client.get_paginator("list_objects_v2").paginate(
        Bucket=space.server.bucket, Prefix=f"{space.release.prefix}/{space.name}"
    )
    return {found["Key"] for page in pages for found in page.get("Contents", ())}


def completed(space: Space, *, on_delete: str) -> Applied:
    """A population that ended."""
    retention = {"onDelete": on_delete}
    template = space.template("deterministic.py")
    applied = space.apply(space.population("tiny", TINY, retention=retention, template=template))
    applied.until_ended()
    return applied


def test_with_delete_a_running_population_goes_with_its_prefix_and_no_other_key(space: Space) -> None:
    template = space.template("deterministic.py", STEP_SECONDS="0.5")
    retention = {"onDelete": "Delete"}
    applied = space.apply(space.population("gone", SMALL, retention=retention, template=template))
    applied.until_round(1)
    home = f"{space.release.prefix}/{space.name}"
    own = f"{home}/{applied.store.url.rpartition('/')[2]}"
    foreign = {f"{own}x/births/a.json", f"{own}.json", f"{home}/gone-00000000/births/a.json", f"{home}x/a"}
    for key in foreign:
        space.client.put_object(Bucket=space.server.bucket, Key=key, Body=b"{}")
    applied.until(lambda: len(applied.live) == 4, "all members train")
    assert all_keys(space) > foreign
    applied.delete()
    assert all_keys(space) == foreign
    space.client.delete_object(Bucket=space.server.bucket, Key=f"{home}x/a")


def test_with_retain_every_key_stays(space: Space) -> None:
    applied = completed(space, on_delete="Retain")
    before = all_keys(space)
    applied.delete()
    assert all_keys(space) == before


def test_an_annotation_skips_the_purge(space: Space) -> None:
    applied = completed(space, on_delete="Delete")
    before = all_keys(space)
    space.kubectl("annotate", "population", "tiny", "pbt.dev/skip-purge=true")
    applied.delete()
    assert all_keys(space) == before
