"""The one answer of a replay of a fleet, read from what a model wrote: how many replicas services shall have."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.llm.answer import LONGEST, REASONING, kind_of, objects_with, shown_reasoning, too_long, without_thoughts

REPLICAS = "replicas"


@dataclass(frozen=True)
class FleetAnswer:
    """What a model decided, or why that cannot be said.

    Attributes:
        replicas: Of the services that were named; None: it cannot be read.
        reasoning: As in `agents.llm.answer.Answer`.
        error: Why it cannot be read; "" where it can.
    """

    replicas: Mapping[str, int] | None
    reasoning: str = ""
    error: str = ""


def fleet_schema(services: Sequence[str]) -> Mapping[str, Any]:
    """JSON schema of an answer about these services; providers that are strict want each of them to be required."""
    return {
        "type": "object",
        "properties": {
            REASONING: {"type": "string", "description": "Why, in at most two sentences."},
            REPLICAS: {
                "type": "object",
                "properties": {name: {"type": "integer"} for name in services},
                "required": list(services),
                "additionalProperties": False,
                "description": "How many replicas each service shall have in the next replay.",
            },
        },
        "required": [REASONING, REPLICAS],
        "additionalProperties": False,
    }


def read_fleet_answer(text: str, services: Collection[str]) -> FleetAnswer:
    """Read a model's answer: the text is JSON, or has a JSON object with `replicas` in it.

    Several objects that differ are no answer; neither is one that names something else than these services, or gives
    one anything but an integer. Whether so many replicas are allowed is not asked here.
    """
    text = without_thoughts(text)
    if len(text) > LONGEST:
        return FleetAnswer(None, error=too_long(text))
    answers = [_answer(each, services) for each in objects_with(REPLICAS, text)]
    if not answers:
        return FleetAnswer(None, error=f"no JSON object with {REPLICAS}" if text.strip() else "empty")
    unreadable = [answer for answer in answers if answer.replicas is None]
    if unreadable:
        return unreadable[0]
    if any(answer.replicas != answers[0].replicas for answer in answers):
        return FleetAnswer(None, error=f"{len(answers)} answers that differ")
    return answers[-1]


def _answer(found: Mapping[str, Any], services: Collection[str]) -> FleetAnswer:
    said, wanted = shown_reasoning(found.get(REASONING)), found[REPLICAS]
    if not isinstance(wanted, dict):
        return FleetAnswer(None, said, f"{REPLICAS} is {kind_of(wanted)}, not an object")
    for name, number in wanted.items():
        if name not in services:
            return FleetAnswer(None, said, f"{REPLICAS} names something that is no service")
        if isinstance(number, bool) or not isinstance(number, int):
            return FleetAnswer(None, said, f"{REPLICAS} of {name} is {kind_of(number)}, not an integer")
    return FleetAnswer(wanted, said)
