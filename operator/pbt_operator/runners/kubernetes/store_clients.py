"""The administrator's stores: where a population lies in one, and one client for each, made from its config alone."""

import re
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from pbt_contract.errors import StoreRefused
from pbt_contract.key_rules import check_key, check_prefix
from pbt_contract.stores import Store
from pbt_contract.stores.s3 import S3Store
from pbt_contract.stores.s3_client import make_client
from pbt_operator.manifest.population_spec import Storage
from pbt_operator.runners.kubernetes.config import MAX_WORKERS, StoreConfig

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

UID_CHARACTERS = 8

_making = Lock()


def location_of(store: StoreConfig, *, namespace: str, name: str, uid: str, storage: Storage) -> str:
    """The URL of a population's location, below `<store prefix>/<namespace>/` whatever the manifest says.

    Raises:
        KeyRefused: the manifest would leave it.
    """
    below = _folder(store, namespace, storage) + _leaf(name, uid, storage)
    return f"s3://{store.bucket}/{check_key(below)}"


def open_location(store: StoreConfig, url: str) -> Store:
    """Opens what `location_of` named, with the operator's identity for this store.

    Raises:
        StoreRefused: it lies in no folder of the store, or the client can't be made.
    """
    home = "/".join(part for part in (f"s3://{store.bucket}", store.prefix) if part)
    if not url.startswith(f"{home}/"):
        raise StoreRefused(f"{url} lies outside of the store '{store.name}', which is {home}")
    return S3Store(store.bucket, url.removeprefix(f"s3://{store.bucket}/"), client=client_of(store))


def siblings(store: StoreConfig, *, namespace: str, name: str, uid: str, storage: Storage) -> list[str]:
    """Other locations of a population of this name, as `storage.adopt` takes them: `digits-0a1b2c3d`.

    Raises:
        StoreUnavailable: the store can't be reached, or refuses.
    """
    form = re.compile(rf"{re.escape(name)}-[0-9a-f]{{{UID_CHARACTERS}}}")
    folder = _folder(store, namespace, storage).removesuffix("/")
    found = S3Store(store.bucket, folder, client=client_of(store)).folders(f"{name}-")
    return [leaf for leaf in found if form.fullmatch(leaf) and leaf != _leaf(name, uid, storage)]


def _folder(store: StoreConfig, namespace: str, storage: Storage) -> str:
    """What all locations of a namespace's storage prefix begin with."""
    parts = (store.prefix, namespace, storage.prefix)
    return check_prefix("/".join(part for part in parts if part) + "/")


def _leaf(name: str, uid: str, storage: Storage) -> str:
    return storage.adopt or f"{name}-{uid[:UID_CHARACTERS]}"


def client_of(store: StoreConfig) -> "S3Client":
    """The one client that all requests to a store are made by.

    Raises:
        StoreRefused: it can't be made.
    """
    with _making:  # so that several threads don't each make one
        return _made(store)


@cache
def _made(store: StoreConfig) -> "S3Client":
    options: dict[str, Any] = {
        "request_checksum_calculation": store.checksum_setting,
        "response_checksum_validation": store.checksum_setting,
        "s3": {"addressing_style": store.addressing},
        "max_pool_connections": MAX_WORKERS,  # each worker may have one; they are opened when needed
        # Of the process's own variables only those that hold credentials count.
        "ignore_configured_endpoint_urls": True,
        "use_dualstack_endpoint": False,
        "use_fips_endpoint": False,
    }
    if store.ca_bundle is not None and not store.ca_bundle.is_file():
        raise StoreRefused(f"store '{store.name}': caBundle {store.ca_bundle} is no readable file")
    return make_client(
        credentials=store.credentials,
        options=options,
        region_name=store.region or "us-east-1",
        endpoint_url=store.endpoint,
        verify=str(store.ca_bundle) if store.ca_bundle else True,
    )
