"""Tables as the data frame that whoever asks works with."""

import sys
from importlib.util import find_spec
from typing import Any

from pbt_operator.records.rows import Table

LIBRARIES = ("pandas", "polars")


def framed(table: Table) -> Any:
    """A `pandas.DataFrame`, else a `polars.DataFrame`, else a list of dicts, by what is loaded, or installed."""
    rows = list(table.rows)
    library = _library()
    if library == "pandas":
        import pandas as pd

        return pd.DataFrame(rows, columns=table.columns)
    if library == "polars":
        return _polars(table.columns, rows)
    return rows


def _library() -> str | None:
    loaded = [name for name in LIBRARIES if name in sys.modules]
    installed = [name for name in LIBRARIES if find_spec(name) is not None] if not loaded else []
    return next(iter([*loaded, *installed]), None)


def _polars(columns: list[str], rows: list[dict[str, Any]]) -> Any:
    """Columns that mix numbers and lists, as metrics may, hold Python's own objects."""
    import polars as pl

    series = []
    for name in columns:
        values = [row[name] for row in rows]
        kinds = {list if isinstance(value, list) else type(value) for value in values if value is not None}
        mixed = len(kinds - {int, float}) + bool(kinds & {int, float}) > 1
        series.append(pl.Series(name, values, dtype=pl.Object if mixed else None, strict=False))
    return pl.DataFrame(series)
