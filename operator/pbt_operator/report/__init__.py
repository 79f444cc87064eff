"""The HTML page about a population."""

from pbt_operator.report.page import page
from pbt_operator.report.tables import Comparison

__all__ = ["Comparison", "page"]
