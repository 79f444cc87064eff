"""Opens a store from the URL of a location."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from pbt_contract.errors import StoreRefused
from pbt_contract.stores.base import Store


def open_store(url: str) -> Store:
    """Opens a location.

    Args:
        url: a path or `file:///path` for a folder, or `s3://BUCKET/PREFIX`. Endpoint, region and credentials
            of S3 come from the usual AWS_* variables and files.

    Raises:
        StoreRefused: the URL names neither.
    """
    parts = urlsplit(url)
    folder = "" if parts.scheme else url
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        folder = unquote(parts.path)
    if folder:
        from pbt_contract.stores.folder import FolderStore

        return FolderStore(Path(folder))
    if parts.scheme == "s3" and parts.netloc and not (parts.query or parts.fragment):
        from pbt_contract.stores.s3 import S3Store

        return S3Store(bucket=parts.netloc, prefix=parts.path.strip("/"))
    raise StoreRefused(f"{url!r} is no location: it should be a folder or s3://BUCKET/PREFIX")
