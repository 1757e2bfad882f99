"""The cluster in this process. It has no options."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Embedded:
    """Every environment makes its own, with the same answers."""

    def open(self, open_bucket: object) -> None:
        """None: there is nothing to share."""
