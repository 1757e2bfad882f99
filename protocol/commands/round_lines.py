"""What people read of a round: who was left out and why, and what an open one waits for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from env.words import count
from protocol.rounds.closer import extension_line
from protocol.rounds.decide import KeepOpen, OpenRound, decide
from protocol.rounds.reader import RoundReader
from protocol.rounds.updates import delivered_updates
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.federation_documents import Decision, Federation

NAMED = 20  # members or rounds that a line names before it counts the others


def left_out(decision: Decision, size: int) -> dict[int, str]:
    """The members without a part in a closed round, with the reason; nobody takes part in one that failed."""
    if decision.error is not None:
        return {item.member: item.reason for item in decision.left_out}
    averaged = {participant.member for participant in decision.participants}
    reasons = {m: "no update when the round closed" for m in range(size) if m not in averaged}
    reasons.update((member, "its job had ended") for member in decision.departed if member in reasons)
    reasons.update((item.member, item.reason) for item in decision.left_out)
    return reasons


def left_out_lines(decision: Decision, size: int) -> tuple[str, ...]:
    """The same, a line for each reason."""
    by_reason: dict[str, list[int]] = defaultdict(list)
    for member, reason in left_out(decision, size).items():
        by_reason[reason].append(member)
    return tuple(f"{_named(members)}: {reason}" for reason, members in by_reason.items())


def rounds_without(member: int, decisions: Sequence[Decision], size: int) -> tuple[str, ...]:
    """The rounds that a member has no part in, a line for each reason."""
    by_reason: dict[str, list[int]] = defaultdict(list)
    for decision in decisions:
        if (reason := left_out(decision, size).get(member)) is not None:
            by_reason[reason].append(decision.round)
    return tuple(f"{_named(rounds, 'round')}: {reason}" for reason, rounds in by_reason.items())


def open_round_line(bucket: Bucket, federation: Federation, round_: int, departed: frozenset[int]) -> str:
    """What an open round waits for.

    Args:
        departed: members whose job ended.
    """
    reader = RoundReader(bucket, federation, round_)
    listing = bucket.list(keys.updates(federation.group, round_))
    delivered = delivered_updates(listing.entries)
    seen = OpenRound(federation, delivered, departed, listing.server_time, reader.opened_at())
    early = "".join(f"; member {member} left out: {reason}" for member, reason in seen.left_out.items())
    return f"round {round_}: {_state(seen)}{early}"


def _state(seen: OpenRound) -> str:
    verdict = decide(seen)
    if not isinstance(verdict, KeepOpen):
        return "waits for the process that closes rounds"
    if verdict.extension:
        return extension_line(verdict, seen.federation)
    waits = f"{count(verdict.delivered, 'update')}, waits for {_named(seen.missing)}"
    return waits if verdict.until is None else f"{waits} until the deadline in {verdict.until - seen.server_time:.0f} s"


def _named(numbers: Sequence[int], noun: str = "member") -> str:
    names = ", ".join(map(str, numbers[:NAMED]))
    more = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED else ""
    return f"{noun}{'s' * (len(numbers) > 1)} {names}{more}"
