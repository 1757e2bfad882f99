"""May this round close? A pure function of what was read.

open ── every live member has answered ───────────────────▶ closed (full), or failed if too few updates count
     ── round_timeout after the first update that counts ─▶ closed (deadline), if enough updates count
                                 else extended by another round_timeout: closed as soon as there are enough,
                                 failed after EXTENSIONS of them
     ── no member left that could deliver ────────────────▶ failed

Where rounds draw members (`--sample`), those that are not drawn neither count nor are waited for.

An update counts if it was written after the round opened and can be averaged. All times are S3's, in whole seconds:
no member's clock matters, and what was written within the second of the opening counts.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from env.words import count
from protocol.wire.federation_documents import Federation

EXTENSIONS = 3
"""How often a round is extended that lacks updates: the silence of a few members ends no federation at once."""


@dataclass(frozen=True)
class OpenRound:
    """What is known of an open round. Times are Last-Modified or Date of S3, epoch seconds.

    Attributes:
        round: which one.
        delivered: when each member's update was written.
        departed: members whose job ended for good.
        server_time: S3's clock when `delivered` was listed.
        opened: when the round opened, that is when the weights were written that it starts from; in round 1
            federation.json. Minus infinity while unknown: then no update is early.
        unusable: members whose update was read and may not be averaged, with the reason.
    """

    federation: Federation
    round: int
    delivered: Mapping[int, float]
    departed: Collection[int]
    server_time: float
    opened: float = -math.inf
    unusable: Mapping[int, str] = field(default_factory=dict)

    @property
    def early(self) -> tuple[int, ...]:
        """Members whose update was written before the round opened: no honest one can be."""
        return tuple(member for member, written in self._updates if _second(written) < _second(self.opened))

    @property
    def counted(self) -> dict[int, float]:
        """The updates that count."""
        without = {*self.early, *self.unusable}
        return {m: written for m, written in self._updates if m not in without}

    @property
    def members(self) -> Sequence[int]:
        """Those that take part in the round."""
        return self.federation.sampling.members(self.round)

    @property
    def missing(self) -> tuple[int, ...]:
        """Members that may still deliver."""
        return tuple(m for m in self.members if m not in self.delivered and m not in self.departed)

    @property
    def left_out(self) -> dict[int, str]:
        """Members that delivered what does not count, with the reason."""
        early = {m: f"written {self.opened - self.delivered[m]:.0f} s before the round opened" for m in self.early}
        return dict(sorted({**self.unusable, **early}.items()))

    @property
    def _updates(self) -> list[tuple[int, float]]:
        drawn = self.federation.sampling
        return sorted(row for row in self.delivered.items() if drawn.draws(self.round, row[0]))


@dataclass(frozen=True)
class KeepOpen:
    """Nothing to do yet.

    Attributes:
        until: when the deadline is, S3's clock; None before the first update that counts.
        extension: how often it was put off for lack of updates.
        delivered: updates that count.
    """

    until: float | None = None
    extension: int = 0
    delivered: int = 0


@dataclass(frozen=True)
class CloseRound:
    """Aggregate what these members delivered. `since`: when that became possible, by S3's clock (epoch seconds)."""

    members: tuple[int, ...]
    reason: str
    since: float


@dataclass(frozen=True)
class FailRound:
    """The federation cannot go on."""

    reason: str


def decide(seen: OpenRound) -> KeepOpen | CloseRound | FailRound:
    """What is to be done about an open round."""
    counted, missing = seen.counted, seen.missing
    needed, timeout_s = seen.federation.min_participants, seen.federation.round_timeout_s
    if missing and not counted:
        return KeepOpen()
    first = min(counted.values(), default=seen.server_time)
    passed = max(0, math.ceil((seen.server_time - first) / timeout_s) - 1)  # deadlines that lie behind
    enough = len(counted) >= needed
    if missing and (passed == 0 or (not enough and passed <= EXTENSIONS)):
        return KeepOpen(first + (passed + 1) * timeout_s, passed, len(counted))
    if not enough:
        return FailRound(_too_few(seen))
    if not missing:
        return CloseRound(tuple(counted), "full", max(counted.values()))
    return CloseRound(tuple(counted), "deadline", max(first + timeout_s, sorted(counted.values())[needed - 1]))


def _too_few(seen: OpenRound) -> str:
    size, needed = len(seen.members), seen.federation.min_participants
    if seen.missing:
        cause = f"the round timed out, {count(EXTENSIONS, 'extension')} included"
    else:
        ended = sum(member in seen.departed for member in seen.members)
        cause = f"{count(ended, 'member')} of {size} ended"
    reasons = "".join(f"; member {member}: {reason}" for member, reason in seen.left_out.items())
    return f"{count(len(seen.counted), 'update')}, at least {needed} needed: {cause}{reasons}"[:3000]


def _second(time_s: float) -> float:
    """Listings of some servers show fractions, others whole seconds."""
    return time_s if math.isinf(time_s) else math.floor(time_s)
