"""What a federation costs in requests and dollars, as far as its documents tell: an estimate.

The requests of the work itself follow from the rounds' documents. How often processes polled and renewed leases is
not written down: that is taken from what `sim-arena bench protocol` measures, for rounds of about 10 s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from protocol.report.record import Record
from protocol.wire.choices import Closers
from protocol.wire.prices import DOLLARS

POLLS = 15  # GETs by which a member waits for a round's global weights: 13 to 16 for 2 to 128 members
CLOSERS_POLLS = 25  # LISTs of a sync-server in a round: 21 to 40 for 2 to 32 members
START_AND_END = {"PUT": 6, "GET": 5, "LIST": 3}  # of a member's job, from claim to result


@dataclass(frozen=True)
class Cost:
    """Requests for one purpose, by verb."""

    purpose: str
    requests: Mapping[str, int]

    @property
    def dollars(self) -> float:
        """At AWS's list prices."""
        return sum(DOLLARS[verb] * number for verb, number in self.requests.items())


def costs(record: Record, ttl_s: float) -> list[Cost]:
    """The requests of all processes, estimated; those for rounds that were not read as those that were.

    Args:
        ttl_s: of leases, which are renewed three times in it.
    """
    federation = record.federation
    read = record.averaged
    if not read:
        return []
    scale = record.closed / len(read)
    updates = round(scale * sum(round_.participants for round_ in read))
    each = updates / record.closed  # members in a round
    by_members = federation.barrier is Closers.WORKERS
    owners = len({member.worker for member in record.members if member.worker}) or 1
    renewals = round(3 * (record.seconds or 0.0) * owners / ttl_s)
    closing = {
        "GET": updates,
        "PUT": (3 if federation.strategy.keeps_state else 2) * record.closed,
        "LIST": record.closed + (0 if by_members else CLOSERS_POLLS * record.closed),
    }
    if by_members:  # the others make the average again: round.json, the updates, two listings
        others = round(record.closed * max(0.0, each - 1))
        closing["GET"] += others + round(others * each)
        closing["LIST"] += 2 * others
    return [
        Cost("states and updates written, weights read", {"PUT": 2 * updates, "GET": updates}),
        Cost("waiting for a round's weights", {"GET": POLLS * updates}),
        Cost("leases renewed", {"PUT": renewals, "LIST": renewals}),
        Cost("rounds closed", closing),
        Cost(
            "jobs started and ended",
            {verb: number * federation.size for verb, number in START_AND_END.items()},
        ),
    ]
