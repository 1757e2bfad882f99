"""The rows of a benchmark on fleets: one attempt of one agent at one problem each."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from env.fleet.variants import MOST_REPLICAS, MOST_SERVICES
from runner.benchmark.rows import AttemptRow, Count, Step

_Replicas = Annotated[
    list[Annotated[int, Field(ge=1, le=MOST_REPLICAS)]], Field(min_length=1, max_length=MOST_SERVICES)
]


class FleetStep(Step):
    """A replay.

    Attributes:
        replicas: Of the services, in their order: those that were replayed; of hill climbing those that it kept.
        nodes: The fewest on which all is Ready with them.
    """

    replicas: _Replicas
    nodes: Count


class FleetRow(AttemptRow):
    """One attempt on a fleet.

    Attributes:
        services, best_known, bound: See `runner.benchmark.fleet.scenarios.FleetScenario`.
        steps: The replays; the first is of the replicas of the start, but for rules, which know what pods use.
    """

    services: Annotated[int, Field(ge=1, le=MOST_SERVICES)]
    best_known: Annotated[int, Field(ge=1)]
    bound: Annotated[int, Field(ge=1)]
    steps: Annotated[list[FleetStep], Field(min_length=1)]

    @property
    def nodes(self) -> int:
        """The fewest on which all was Ready in any of the replays."""
        return min(step.nodes for step in self.steps)

    def nodes_after(self, replays: int) -> int:
        """The same of the first so many replays."""
        return min(step.nodes for step in self.steps[:replays])
