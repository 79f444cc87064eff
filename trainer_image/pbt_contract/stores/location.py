"""Opens a store from the URL of a location; `STORES` is the registry of the kinds of stores."""

import os
from collections.abc import Callable
from pkgutil import resolve_name
from urllib.parse import SplitResult, quote, urlsplit

from pbt_contract.errors import StoreRefused
from pbt_contract.stores.base import Store

STORES = {
    "file": "pbt_contract.stores.folder:FolderStore.at",
    "s3": "pbt_contract.stores.s3:S3Store.at",
}
"""By scheme, what opens a store: named, not imported, so that a folder loads no library of a cloud.

It takes the URL's parts and returns a store, or None where they name no location.
"""


def open_store(url: str) -> Store:
    """Opens a location.

    Args:
        url: a path or `file:///path` for a folder, or `s3://BUCKET/PREFIX`. Endpoint, region and credentials
            of S3 come from the usual AWS_* variables and files.

    Raises:
        StoreRefused: the URL names neither.
    """
    parts = urlsplit(url)
    if url and not parts.scheme:  # a path, whose signs mean themselves
        parts = SplitResult("file", "", quote(os.fsencode(url)), "", "")
    if parts.scheme in STORES:
        at: Callable[[SplitResult], Store | None] = resolve_name(STORES[parts.scheme])
        if store := at(parts):
            return store
    raise StoreRefused(f"{url!r} is no location: it should be a folder or s3://BUCKET/PREFIX")
