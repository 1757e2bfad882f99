"""Times and lists in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

NAMES_SHOWN = 40


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(name[:200] for name in names[:NAMES_SHOWN]) + more if names else "not known"


def moment(time_s: float) -> str:
    """A time of S3's clock, epoch seconds; 0 if it is not known."""
    if time_s <= 0:
        return "not known"
    return f"{datetime.fromtimestamp(min(time_s, 2**37), UTC):%Y-%m-%d %H:%M:%S} UTC, by S3's clock"
