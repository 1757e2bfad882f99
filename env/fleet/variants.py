"""What is played: few services on few nodes, or many on many; and what an action changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from env.errors import ConfigError, nearest

JUMPS = (0, -4, -2, -1, 1, 2, 4)
"""What an action adds to the replicas of its service."""
ACTIONS = len(JUMPS)
"""Of each service; an action is `service * ACTIONS + index in JUMPS`."""
MOST_REPLICAS = 30
MOST_SERVICES = 14
MOST_NEIGHBOURS = 3
MOST_NODES = 96
"""kube-scheduler looks at all nodes while there are fewer than 100."""


@dataclass(frozen=True)
class Variant:
    """A size of problems.

    Attributes:
        name: As options have it.
        number: Of the random numbers that its problems are drawn from.
        fewest, most: Services of a problem; an observation has room for the most.
        least_load, most_load: What services use at the least, in thousandths of a node.
        steps: Of an episode, where nothing else is asked for; each is a replay.
    """

    name: str
    number: int
    fewest: int
    most: int
    least_load: int
    most_load: int
    steps: int

    @property
    def actions(self) -> int:
        """How many there are."""
        return ACTIONS * self.most


VARIANTS: Mapping[str, Variant] = {
    each.name: each
    for each in (
        Variant("small", 0, 3, 6, 3_500, 9_000, 60),
        Variant("large", 1, 8, MOST_SERVICES, 9_000, 20_000, 120),
    )
}


def variant_named(name: str) -> Variant:
    """The variant of a name.

    Raises:
        ConfigError: There is none; it names the nearest.
    """
    if not isinstance(name, str) or name not in VARIANTS:
        raise ConfigError(f"variant {name!r:.80}: unknown; {nearest(str(name), VARIANTS)}")
    return VARIANTS[name]
