"""May this round close? A pure function of what was read.

open ── every live member delivered ─────────────▶ closed (full)
     ── round_timeout after the first update ────▶ closed (deadline), or failed if too few delivered
     ── no member left that could deliver ───────▶ failed
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from env.words import count
from protocol.wire.federation_documents import Federation


@dataclass(frozen=True)
class KeepOpen:
    """Nothing to do yet."""


@dataclass(frozen=True)
class CloseRound:
    """Aggregate what these members delivered."""

    members: tuple[int, ...]
    reason: str


@dataclass(frozen=True)
class FailRound:
    """The federation cannot go on."""

    reason: str


def decide(
    federation: Federation, delivered: Mapping[int, float], departed: Collection[int], server_time: float
) -> KeepOpen | CloseRound | FailRound:
    """What is to be done about an open round.

    Args:
        delivered: Last-Modified (epoch seconds) of each member's update.
        departed: members whose job ended for good.
        server_time: S3's clock, epoch seconds.
    """
    members = tuple(sorted(member for member in delivered if member < federation.size))
    missing = [m for m in range(federation.size) if m not in delivered and m not in departed]
    late = bool(members) and server_time - min(delivered[m] for m in members) > federation.round_timeout_s
    if missing and not late:
        return KeepOpen()
    if len(members) < federation.min_participants:
        cause = "the round timed out" if missing else f"{count(len(departed), 'member')} of {federation.size} ended"
        return FailRound(f"{count(len(members), 'update')}, at least {federation.min_participants} needed: {cause}")
    return CloseRound(members, "deadline" if missing else "full")


def closable_at(federation: Federation, delivered: Mapping[int, float], verdict: CloseRound) -> float:
    """When a round that may close now could first have been closed, by S3's clock (epoch seconds)."""
    if verdict.reason == "full":
        return max(delivered.values())
    return min(delivered.values()) + federation.round_timeout_s
