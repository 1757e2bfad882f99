"""What speaks against another process's decision about a round. A pure function of what was read.

Where members close rounds any of them may be the one that decides. A decision stands if `decide` could have come to it
at some moment before it was written. Which updates were visible just then is not known any more, so at the deadline
only those must be listed that were written by half of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from protocol.rounds.decide import OpenRound
from protocol.wire.federation_documents import Decision


def objections(decision: Decision, seen: OpenRound, usable: Mapping[int, int]) -> Iterator[str]:
    """Why a round cannot have been closed like this; nothing if it can.

    Args:
        decision: of a round that was closed, not one that failed.
        seen: the round as it is now, with `server_time` the moment when the decision was written, and `departed` the
            members that ended until now.
        usable: the weight of each update that can be averaged, of those that the decision names.
    """
    listed = {participant.member: participant.weight for participant in decision.participants}
    left_out = {item.member for item in decision.left_out}
    counted = seen.counted
    if [participant.member for participant in decision.participants] != sorted(listed):
        yield "lists a member twice, or out of order"
    for member, weight in listed.items():
        if member not in counted:
            yield f"lists member {member}, whose update is {seen.left_out.get(member, 'not there')}"
        elif usable.get(member) != weight:
            yield f"gives member {member} the weight {weight}, not {usable.get(member)}"
    yield from (
        f"leaves out member {m}, whose update counts" for m in sorted(left_out & usable.keys() & counted.keys())
    )
    if len(listed) < seen.federation.min_participants:
        yield f"lists {len(listed)} of at least {seen.federation.min_participants} members"
    others = [m for m in seen.members if m not in listed and m not in left_out]
    if decision.reason == "full":
        yield from (f"does not wait for member {m}" for m in others if m not in seen.departed)
    else:
        yield from _before_the_deadline(seen, min(counted.values(), default=math.inf), others, counted)


def _before_the_deadline(
    seen: OpenRound, first: float, others: list[int], counted: Mapping[int, float]
) -> Iterator[str]:
    timeout_s = seen.federation.round_timeout_s
    if seen.server_time < first + timeout_s:
        yield "was written before the deadline"
    in_time = first + timeout_s / 2
    yield from (
        f"passes over member {m}, whose update was in time" for m in others if counted.get(m, math.inf) <= in_time
    )
