"""Values of a table as text, and what they are sorted by."""

from __future__ import annotations

import math

from runner.report.page import Cell, Kind

NOTHING = "–"
_BYTES = ("B", "kB", "MB", "GB", "TB")


def cell_text(value: Cell, kind: Kind, *, fractions: bool = False) -> str:
    """A value as a reader sees it; with `fractions` a whole number has as many digits as those beside it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    match kind:
        case "share":
            return f"{100 * value:.1f}\u202f%"
        case "seconds":
            return duration(value)
        case "bytes":
            return size(value)
        case "dollars":
            return f"${value:,.{2 if abs(value) >= 1 or value == 0 else 2 - math.floor(math.log10(abs(value)))}f}"
        case _:
            return f"{value:,.2f}" if fractions and (value == 0 or 0.1 <= abs(value) < 1000) else number(value)


def has_fraction(value: Cell) -> bool:
    """Whether it is a number that is not whole."""
    return isinstance(value, float) and math.isfinite(value) and not value.is_integer()


def sort_key(value: Cell) -> float | None:
    """The number that a value sorts by; None for text, which sorts as it is, and for what is not known."""
    if value is None or isinstance(value, str) or math.isnan(value):
        return None
    return float(value)


def number(value: float) -> str:
    """A number with as many digits as say something: `12,345`, `0.0123`, `3.14`."""
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"


def duration(seconds: float) -> str:
    """Seconds as `240 ms`, `12.3 s`, `4 min 05 s`, `3 h 07 min` or `2 d 04 h`."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 172_800:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600:02} h"


def size(amount: float) -> str:
    """Bytes in decimal units: `1.2 MB`."""
    power = min(len(_BYTES) - 1, int(math.log10(abs(amount)) // 3)) if abs(amount) >= 1 else 0
    return f"{amount:.0f} B" if power == 0 else f"{amount / 1000**power:.3g} {_BYTES[power]}"
