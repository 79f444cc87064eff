"""How spans of time are written for people: what it took so far, and what is left."""

from msgspec import UnsetType

from pbt_operator.core.status import Forecast, SecondsSpent


def duration_text(seconds: float) -> str:
    """`2 h 05 min`, `3 min 20 s` or `12 s`."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600:,} h {whole % 3600 // 60:02} min"
    return f"{whole // 60} min {whole % 60:02} s" if whole >= 60 else f"{whole} s"


def spent_text(spent: SecondsSpent) -> str:
    """`1 h 20 min: 92 % productive, 3 % discarded, 2 % waiting, 3 % starting`."""
    total = spent.total
    shares = {name: getattr(spent, name) for name in spent.__struct_fields__}
    told = ", ".join(f"{_percent(seconds, total)} {name}" for name, seconds in shares.items())
    return f"{duration_text(total)}: {told}"


def _percent(part: float, whole: float) -> str:
    if 0 < part < whole / 100:
        return "<1 %"
    return f"{round(100 * part / whole) if whole else 0} %"


def forecast_text(forecast: Forecast) -> str:
    """`about 3 min 20 s, 1.5 GPU hours`."""
    hours = "" if isinstance(forecast.gpu_hours, UnsetType) else f", {forecast.gpu_hours:g} GPU hours"
    return f"about {duration_text(forecast.seconds)}{hours}"
