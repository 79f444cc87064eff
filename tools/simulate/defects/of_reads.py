"""Defects of passes that have few reads: what becomes of that which one of them leaves to the next."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from pbt_operator.core.allowance import Allowance
from pbt_operator.records.paged_names import PagedNames


def _a_listing_is_over_after_its_first_page() -> Any:
    go_on = PagedNames.go_on

    def first_page(self: PagedNames, allowance: Allowance) -> Iterator[str]:
        yield from go_on(self, allowance)
        self.is_whole = True

    return patch.object(PagedNames, "go_on", first_page)


MADE = (_a_listing_is_over_after_its_first_page,)
