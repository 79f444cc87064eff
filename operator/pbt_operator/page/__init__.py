"""The HTML page about a population."""

from pbt_operator.page.page import page
from pbt_operator.page.tables import Comparison

__all__ = ["Comparison", "page"]
