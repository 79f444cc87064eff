"""The scale scenario's own client of S3, against a real server; what it writes, the product reads."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from bench.scale import QUICK, SIZES
from bench.scale_s3 import Bucket
from pbt_contract.errors import NotFound
from pbt_contract.stores.s3 import S3Store
from support.minio import Server, minio

__all__ = ["minio"]


@pytest.fixture
def bucket(minio: Server) -> Iterator[Bucket]:
    with closing(Bucket(minio)) as found:
        yield found


def test_what_is_written_by_hand_is_there_for_the_product(minio: Server, bucket: Bucket) -> None:
    store = S3Store(minio.bucket, "scale", client=minio.client())
    before = time.time()
    for number in range(3):
        bucket.put(f"scale/rounds/{number:07}.json", b"{}")
    assert store.read("rounds/0000002.json") == bucket.get("scale/rounds/0000002.json") == b"{}"
    listed = list(bucket.listed("scale/rounds/"))
    assert [key for key, _ in listed] == [f"scale/{key}" for key in store.names("rounds/")]
    assert all(before - 1 <= at <= time.time() + 1 for _, at in listed)
    with pytest.raises(NotFound):
        store.read("rounds/0000003.json")
    with pytest.raises(RuntimeError, match="404"):
        bucket.get("scale/rounds/0000003.json")


def test_a_listing_has_as_many_pages_as_it_needs(bucket: Bucket) -> None:
    for number in range(1001):
        bucket.put(f"many/{number:04}", b"")
    assert [key for key, _ in bucket.listed("many/")] == [f"many/{number:04}" for number in range(1001)]


def test_the_sizes_are_those_of_the_table() -> None:
    assert [size.total for size in SIZES] == [100, 1000, 5000, 3200]
    assert max(size.total for size in QUICK) <= 300
    assert all(len(set(size.names)) == size.populations for size in SIZES)
