"""Containers that were OOM-killed: what they used is a floor, and not their need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from env.usage.enough import needed_memory
from env.usage.usage import ContainerKey, ContainerUse

Killed = Mapping[ContainerKey, int | None]
"""Containers that were OOM-killed, with the memory limit that they had, bytes; None: they had none."""
NONE_KILLED: Killed = MappingProxyType({})


def with_killed(uses: Mapping[ContainerKey, ContainerUse], killed: Killed) -> dict[ContainerKey, ContainerUse]:
    """The uses, with the floors of those that were killed at a limit; also of those of which nothing else is known."""
    floors = {key: limit for key, limit in killed.items() if limit}
    known = {key: uses.get(key, ContainerUse(source="pod status", window_s=0.0)) for key in floors}
    return {**uses, **{key: with_floor(known[key], limit) for key, limit in floors.items()}}


def with_floor(use: ContainerUse, floor_bytes: int) -> ContainerUse:
    """The use of a container that was OOM-killed with so much memory, unless it ran with clearly more since."""
    killed = replace(use, memory_bytes=floor_bytes, is_floor=True)
    if use.memory_bytes is not None and use.memory_bytes >= (needed_memory(killed) or 0):
        return use
    return replace(killed, memory_bytes=max(floor_bytes, use.memory_bytes or 0))
