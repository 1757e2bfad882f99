"""Recomputes a round that another process closed.

No closer is trusted where members close rounds: a member that goes on from global weights first makes them again from
round.json and the updates. What differs cannot be mended, since both were created once and for all. And a member that
went on alone, without the weights, would end with others than those that people download. So the federation fails, with
the reason; that is all that a member with the right to close rounds can reach by a lie.
"""

from __future__ import annotations

from dataclasses import replace

from protocol.jobs import queue
from protocol.rounds.aggregate import Aggregate, AggregateOf
from protocol.rounds.decide import OpenRound
from protocol.rounds.objections import objections
from protocol.rounds.reader import RoundReader
from protocol.rounds.updates import delivered_updates
from protocol.wire import documents, keys
from protocol.wire.errors import FederationFailed
from protocol.wire.federation_documents import Decision


def audit_average(reader: RoundReader, aggregate_of: AggregateOf, weights: bytes) -> None:
    """Check the global weights of a round, and the server's state beside them.

    Raises:
        FederationFailed: they are not what the protocol makes of the round's updates.
        BadDocument: what they must be made of cannot be read.
    """
    key = keys.decision(reader.group, reader.round)
    decision = documents.read(reader.bucket, Decision, key)
    if decision is None:
        raise FederationFailed(f"{key}: missing beside global weights; was the group purged, or are they forged?")
    if decision.error is not None:
        raise FederationFailed(f"round {reader.round}: {decision.error}")
    found = audited(reader, aggregate_of, decision).finish()
    require_equal(reader, keys.global_weights(reader.group, reader.round), weights, found.weights)
    if found.server_state is not None:
        state = keys.server_state(reader.group, reader.round)
        require_equal(reader, state, reader.present(state), found.server_state)


def audited(reader: RoundReader, aggregate_of: AggregateOf, decision: Decision) -> Aggregate:
    """The aggregate of what another process's decision lists.

    Raises:
        FederationFailed: something speaks against the decision.
        BadDocument: what the round started from cannot be read.
    """
    key = keys.decision(reader.group, reader.round)
    entries = reader.bucket.list(keys.one_round(reader.group, reader.round)).entries
    decided_at = next((entry.modified for entry in entries if entry.key == key), None)
    if decided_at is None:
        raise FederationFailed(f"{key} is gone; was the group purged while it ran?")
    delivered = delivered_updates(entries)
    named = {participant.member for participant in decision.participants} | {out.member for out in decision.left_out}
    departed = _departed(reader, named) if decision.reason == "full" else frozenset()
    seen = OpenRound(reader.federation, reader.round, delivered, departed, decided_at, reader.opened_at())
    aggregate = aggregate_of(reader.federation, reader.before())
    judged = reader.judge(named & seen.counted.keys(), aggregate)
    seen = replace(seen, unusable=judged.unusable)
    usable = {participant.member: participant.weight for participant in judged.participants}
    if found := next(objections(decision, seen, usable), None):
        raise FederationFailed(f"round {reader.round}: refused, since round.json {found}")
    return aggregate


def require_equal(reader: RoundReader, key: str, there: bytes, computed: bytes) -> None:
    """Raise FederationFailed if an object is not what was computed of the round's updates."""
    if there != computed:
        name = key.rpartition("/")[2]
        raise FederationFailed(f"round {reader.round}: refused, since {name} is not made of what round.json lists")


def _departed(reader: RoundReader, named: set[int]) -> frozenset[int]:
    others = (member for member in reader.federation.sampling.members(reader.round) if member not in named)
    return frozenset(m for m in others if queue.is_over(reader.bucket, keys.member_job(reader.group, m)))
