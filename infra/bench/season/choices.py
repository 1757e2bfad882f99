"""What a member takes that has trained alone, in a federation, and from there by itself: its best on own workloads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from infra.bench.season.plan import Planned, Row
from infra.bench.season.scores import Score

Found = Mapping[Row, Sequence[tuple[Planned, Mapping[str, Score]]]]
OFFERED = (Row.ALONE, Row.FEDAVG, Row.PERSONAL)
"""What is chosen from; with equal costs the first."""


def validation_of(name: str) -> str:
    """The exam by which the member of this name chooses."""
    return f"{name}, to choose by"


def with_choices(found: Found, names: Sequence[str]) -> Found:
    """The rows, and one more with each member's choice.

    A seed has it once a member has all that is offered, and was examined on workloads to choose by: such as neither a
    training nor another exam has.

    Args:
        names: Of the members.
    """
    chosen = []
    for seed in sorted({planned.seed for planned, _ in found.get(Row.ALONE, ())}):
        for member, name in enumerate(names):
            offers = [
                each
                for row in OFFERED
                for each in found.get(row, ())
                if each[0].seed == seed and member in each[0].members and validation_of(name) in each[1]
            ]
            if len(offers) == len(OFFERED):
                planned, scores = min(offers, key=lambda each: each[1][validation_of(name)].above)
                chosen.append((replace(planned, row=Row.CHOSEN, members=(member,)), scores))
    return {**found, Row.CHOSEN: chosen} if chosen else found
