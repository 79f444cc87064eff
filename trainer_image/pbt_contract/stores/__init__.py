"""Object stores: one small interface over a local folder, S3 and memory, and the URL that opens one."""

from pbt_contract.stores.base import Store
from pbt_contract.stores.location import open_store

__all__ = ["Store", "open_store"]
