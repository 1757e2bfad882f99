"""The updates of a round: which are there, what their metadata says, how large they may be."""

from __future__ import annotations

import json
from collections.abc import Collection

from protocol.wire import keys
from protocol.wire.errors import BadDocument
from protocol.wire.federation_documents import Federation, Participant
from protocol.wire.store import Blob, ObjectSummary

MAX_RETURN = 1e12  # an episode's is far smaller; sums of what is believed stay finite


def delivered_updates(entries: Collection[ObjectSummary]) -> dict[int, float]:
    """Last-Modified of each member's update in a listing of a round's updates."""
    return {member: entry.modified for entry in entries if (member := keys.parse_update(entry.key)) is not None}


def max_update_bytes(federation: Federation) -> int:
    """A generous bound on a true update's size: its float32 tensors and their share of the header."""
    return sum(4 * spec.elements + 4096 for spec in federation.model) + 65_536


def participant_of(federation: Federation, round_: int, member: int, blob: Blob) -> Participant:
    """What an update's user metadata says about it, checked.

    Raises:
        BadDocument: the number of transitions is missing or impossible.
    """
    try:
        facts = json.loads(blob.metadata.get("facts", ""))
        transitions = int(facts["transitions"])
        reward = facts.get("reward")
        solved = facts.get("solved")
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise BadDocument("its metadata does not tell its number of transitions") from error
    training = federation.training
    units, steps = len(federation.schedule.of(round_)), training.unit_steps
    if not 0 < transitions <= units * steps:
        raise BadDocument(f"{transitions} transitions in {units} {training.unit}s of at most {steps} steps")
    return Participant(
        member=member,
        weight=transitions if federation.strategy.by_transitions else 1,
        reward=reward if isinstance(reward, float) and abs(reward) <= MAX_RETURN else None,
        solved=solved if type(solved) is int and 0 <= solved <= units else None,
    )


def update_facts(transitions: int, reward: float | None, solved: int | None) -> dict[str, str]:
    """The user metadata of an update; `participant_of` reads it back.

    Args:
        transitions: of all episodes of the round.
        reward: mean return of its episodes; None: not known.
        solved: how many of them reached the goal; None: not counted.
    """
    known = {
        "reward": None if reward is None else float(reward),
        "solved": None if solved is None else int(solved),
    }
    return {"facts": json.dumps({"transitions": transitions, **known})}
