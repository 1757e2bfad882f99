"""What people read of an open round: what it waits for."""

from __future__ import annotations

from env.words import count
from protocol.rounds.closer import extension_line
from protocol.rounds.decide import KeepOpen, OpenRound, decide
from protocol.rounds.participation import named
from protocol.rounds.reader import RoundReader
from protocol.rounds.updates import delivered_updates
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.federation_documents import Federation


def open_round_line(bucket: Bucket, federation: Federation, round_: int, departed: frozenset[int]) -> str:
    """What an open round waits for.

    Args:
        departed: members whose job ended.
    """
    reader = RoundReader(bucket, federation, round_)
    listing = bucket.list(keys.updates(federation.group, round_))
    delivered = delivered_updates(listing.entries)
    seen = OpenRound(federation, round_, delivered, departed, listing.server_time, reader.opened_at())
    early = "".join(f"; member {member} left out: {reason}" for member, reason in seen.left_out.items())
    return f"round {round_}: {_state(seen)}{early}"


def _state(seen: OpenRound) -> str:
    verdict = decide(seen)
    if not isinstance(verdict, KeepOpen):
        return "waits for the process that closes rounds"
    if verdict.extension:
        return extension_line(verdict, seen.federation)
    waits = f"{count(verdict.delivered, 'update')}, waits for {named(seen.missing)}"
    return waits if verdict.until is None else f"{waits} until the deadline in {verdict.until - seen.server_time:.0f} s"
