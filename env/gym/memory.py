"""What an episode remembers: the requests that were too small.

One observation does not tell them. Without them the scheduler's reason says that CPU is short, CPU goes down, pods
starve, CPU goes up, and so on; with them, one that meets the floor of CPU reduces memory instead, or gives up. The
environments keep it, and it is part of the state, so that agents stay functions of the state.
"""

from __future__ import annotations

from typing import NamedTuple

from env.observation import Observation


class Floors(NamedTuple):
    """The largest requests of this episode that were too small; a tuple, as numba compiles those.

    Attributes:
        cpu_m: The largest CPU request at which a pod was short of CPU, millicores; -1: none was.
        memory_bytes: The largest memory request at which a pod was OOM-killed; -1: none was.
    """

    cpu_m: int
    memory_bytes: int


NO_FLOORS = Floors(-1, -1)
"""None was met: before the first observation of an episode."""


def raised(floors: Floors, observation: Observation) -> Floors:
    """The floors after one more observation; numba compiles it."""
    asked = observation.resources
    cpu_m = max(floors.cpu_m, asked.cpu_m) if observation.cpu_starved > 0 else floors.cpu_m
    memory_bytes = max(floors.memory_bytes, asked.memory_bytes) if observation.oom_killed > 0 else floors.memory_bytes
    return Floors(cpu_m, memory_bytes)
