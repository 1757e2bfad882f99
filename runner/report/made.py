"""What made a page, and when: its last line."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version


def made() -> str:
    """With the version of Sim-Arena and the time in UTC."""
    return f"Made by sim-arena {version('sim-arena')} on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC."
