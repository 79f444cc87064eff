"""Object stores: one small interface over a local folder and S3, and the URL that opens one.

Another kind of store is a module here with a class that follows `base.Store`, a line in `location.STORES`, and the
conformance suite (`tests/unit/contract/test_conformance.py`) over it.
"""

from pbt_contract.stores.base import Store
from pbt_contract.stores.location import open_store

__all__ = ["Store", "open_store"]
