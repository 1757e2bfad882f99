"""What may go wrong between a client and its S3 server: the kinds of fault, their rates, and triggers at a request.

A fault falls on a known side of a request's effect: before the server saw it, or after the server applied it and before
the client knew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random


class NetworkFault(StrEnum):
    """What a proxy does to a request and its answer."""

    CUT_BEFORE = "cut before"  # the connection is reset, the server never sees the request
    CUT_AFTER = "cut after"  # applied, then the connection is reset: the client cannot know
    ERROR_BEFORE = "500 before"
    ERROR_AFTER = "500 after"  # applied all the same
    BUSY_BEFORE = "503 before"
    BUSY_AFTER = "503 after"
    HALF_ANSWER = "half an answer"  # the connection ends in the middle of it, headers or body
    HANG = "hang"  # applied, and not answered: the client gives up, or is reset after a long silence
    DELAY = "delay"
    TWICE = "twice"  # delivered two times; the client sees the second answer
    LATE = "late"  # the client sees a reset; the server gets the request long afterwards


@dataclass(frozen=True)
class NetworkPhase:
    """How a network is for a while.

    Attributes:
        seconds: how long.
        cut: connections are refused, and those that were open are reset.
        rates: the share of requests that meet each fault.
        late_s: how long a request with the fault LATE is under way.
        hang_s: how long a request with the fault HANG waits before its connection is reset, if the client still does.
    """

    seconds: float = math.inf
    cut: bool = False
    rates: Mapping[NetworkFault, float] = field(default_factory=dict)
    late_s: float = 0.0
    hang_s: float = 120.0

    def draw(self, random: Random) -> NetworkFault | None:
        """A request's fault."""
        left = random.random()
        for fault, rate in self.rates.items():
            left -= rate
            if left < 0:
                return fault
        return None


CALM = NetworkPhase()


@dataclass(frozen=True)
class Exchange:
    """A request that passed a proxy; `status` is the server's, None where it got no request or gave no answer."""

    client: str
    method: str
    path: str
    create_only: bool
    status: int | None
    fault: NetworkFault | None


class Moment(StrEnum):
    """The side of a request's effect on which a trigger waits."""

    BEFORE = "before a request"
    AFTER = "after a request"


@dataclass
class Trigger:
    """A function to call at a client's request, once `skip` requests have passed.

    Attributes:
        fire: told the request; answers how many seconds to hold it (or its answer), or None to let it vanish.
    """

    moment: Moment
    skip: int
    fire: Callable[[str], float | None]
