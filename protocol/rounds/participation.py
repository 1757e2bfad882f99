"""Who took part in closed rounds, who was left out, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from protocol.rounds.federation import closed_rounds
from protocol.rounds.reader import AT_ONCE
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.federation_documents import Decision
from protocol.wire.sampling import Sampling, Turns

ROUNDS_READ = 100  # of the last rounds; a federation has at most so many unless told otherwise
NAMED = 20  # members or rounds that a line names before it counts the others


def left_out(decision: Decision, sampling: Sampling) -> dict[int, str]:
    """The members without a part in a closed round that drew them, with the reason; one that failed has no part."""
    if decision.error is not None:
        return {item.member: item.reason for item in decision.left_out}
    averaged = {participant.member for participant in decision.participants}
    reasons = {m: "no update when the round closed" for m in sampling.members(decision.round) if m not in averaged}
    reasons.update((member, "its job had ended") for member in decision.departed if member in reasons)
    reasons.update((item.member, item.reason) for item in decision.left_out)
    return reasons


def left_out_lines(decision: Decision, sampling: Sampling) -> tuple[str, ...]:
    """The same, a line for each reason."""
    by_reason: dict[str, list[int]] = defaultdict(list)
    for member, reason in left_out(decision, sampling).items():
        by_reason[reason].append(member)
    return tuple(f"{named(members)}: {reason}" for reason, members in by_reason.items())


def rounds_without(turns: Turns, decisions: Sequence[Decision]) -> tuple[str, ...]:
    """The rounds that drew a member and have no part of it, a line for each reason."""
    by_reason: dict[str, list[int]] = defaultdict(list)
    for decision in decisions:
        if (reason := left_out(decision, turns.sampling).get(turns.member)) is not None:
            by_reason[reason].append(decision.round)
    return tuple(f"{named(rounds, 'round')}: {reason}" for reason, rounds in by_reason.items())


@dataclass(frozen=True)
class Participation:
    """A member's part in the rounds of its federation.

    Attributes:
        left_out: The rounds without it, of those that drew it; a line for each reason.
        none: Whether all rounds are closed, and it has no part in any that was read and drew it.
    """

    left_out: tuple[str, ...] = ()
    none: bool = False


def read_participation(
    bucket: Bucket, group: str, turns: Turns, rounds: int, *, known_closed: int = 0, whole: bool = True
) -> Participation:
    """What the closed rounds say of a member; of more than ROUNDS_READ the last ones are read.

    Args:
        turns: The member's.
        rounds: Of the federation.
        known_closed: Rounds known to be closed, which saves requests.
        whole: Read all of them. Else only the last one that drew the member, if that has it.
    """
    closed = closed_rounds(bucket, group, rounds, known_closed)
    newest = turns.last(closed)
    last = documents.read_if_valid(bucket, Decision, keys.decision(group, newest)) if newest else None
    if not whole and last is not None and turns.member not in left_out(last, turns.sampling):
        return Participation()
    before = filter(turns.has, range(max(1, closed - ROUNDS_READ + 1), newest))
    reads = [partial(documents.read_if_valid, bucket, Decision, keys.decision(group, n)) for n in before]
    batches = [reads[start : start + AT_ONCE] for start in range(0, len(reads), AT_ONCE)]
    found = [*(row for batch in batches for row in bucket.clock.together(batch)), *([last] if newest else [])]
    decisions = [decision for decision in found if decision is not None]
    known = closed == rounds and len(decisions) == len(found) > 0
    none = known and all(turns.member in left_out(decision, turns.sampling) for decision in decisions)
    return Participation(rounds_without(turns, decisions), none)


def named(numbers: Sequence[int], noun: str = "member") -> str:
    """Members or rounds for people: `rounds 1, 2 and 30 more`."""
    names = ", ".join(map(str, numbers[:NAMED]))
    more = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED else ""
    return f"{noun}{'s' * (len(numbers) > 1)} {names}{more}"
