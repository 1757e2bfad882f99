"""The seven things an agent can do to a workload, and the safeguards around them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

from env.quantity import format_memory

MIB = 1024**2
GIB = 1024**3

CPU_STEP_M = 500
MEMORY_STEP_BYTES = 256 * MIB
REPLICAS_STEP = 1

MIN_CPU_M, MAX_CPU_M = 50, 16_000
MIN_MEMORY_BYTES, MAX_MEMORY_BYTES = 64 * MIB, 32 * GIB
MIN_REPLICAS, MAX_REPLICAS = 1, 100


class Action(IntEnum):
    """What an agent picks; the value is the index of the network's output."""

    NOOP = 0
    BUMP_CPU_SMALL = 1
    BUMP_MEM_SMALL = 2
    SCALE_UP_REPLICAS = 3
    REDUCE_CPU_SMALL = 4
    REDUCE_MEM_SMALL = 5
    SCALE_DOWN_REPLICAS = 6


@dataclass(frozen=True)
class Resources:
    """What a workload asks for: its first container's requests and its replicas."""

    cpu_m: int
    memory_bytes: int
    replicas: int


@dataclass(frozen=True)
class ActionOutcome:
    """What became of an action.

    Attributes:
        action: The action that was asked for.
        resources: What the workload asks for after it.
        changed: Whether that differs from before.
        blocked: Whether a safeguard refused the action.
        reason: Which safeguard, in words; None unless blocked.
    """

    action: Action
    resources: Resources
    changed: bool
    blocked: bool
    reason: str | None


def apply_action(resources: Resources, action: Action) -> ActionOutcome:
    """Apply `action`, unless its result lies beyond a safeguard; pure.

    Only the limit in the direction of the action counts, so a value recorded beyond the range can be
    brought back step by step: 17000m - 500m is allowed although 16500m still exceeds the maximum.
    """
    after = _stepped(resources, action)
    reason = _beyond(after, action)
    if reason is not None:
        return ActionOutcome(action, resources, changed=False, blocked=True, reason=reason)
    return ActionOutcome(action, after, changed=after != resources, blocked=False, reason=None)


def _stepped(before: Resources, action: Action) -> Resources:
    match action:
        case Action.NOOP:
            return before
        case Action.BUMP_CPU_SMALL:
            return replace(before, cpu_m=before.cpu_m + CPU_STEP_M)
        case Action.BUMP_MEM_SMALL:
            return replace(before, memory_bytes=before.memory_bytes + MEMORY_STEP_BYTES)
        case Action.SCALE_UP_REPLICAS:
            return replace(before, replicas=before.replicas + REPLICAS_STEP)
        case Action.REDUCE_CPU_SMALL:
            return replace(before, cpu_m=before.cpu_m - CPU_STEP_M)
        case Action.REDUCE_MEM_SMALL:
            return replace(before, memory_bytes=before.memory_bytes - MEMORY_STEP_BYTES)
        case Action.SCALE_DOWN_REPLICAS:
            return replace(before, replicas=before.replicas - REPLICAS_STEP)


def _beyond(after: Resources, action: Action) -> str | None:
    match action:
        case Action.BUMP_CPU_SMALL if after.cpu_m > MAX_CPU_M:
            return f"cpu {after.cpu_m}m would exceed the maximum {MAX_CPU_M}m"
        case Action.BUMP_MEM_SMALL if after.memory_bytes > MAX_MEMORY_BYTES:
            return f"memory {_memory(after)} would exceed the maximum {format_memory(MAX_MEMORY_BYTES)}"
        case Action.SCALE_UP_REPLICAS if after.replicas > MAX_REPLICAS:
            return f"{after.replicas} replicas would exceed the maximum {MAX_REPLICAS}"
        case Action.REDUCE_CPU_SMALL if after.cpu_m < MIN_CPU_M:
            return f"cpu {after.cpu_m}m would fall below the minimum {MIN_CPU_M}m"
        case Action.REDUCE_MEM_SMALL if after.memory_bytes < MIN_MEMORY_BYTES:
            return f"memory {_memory(after)} would fall below the minimum {format_memory(MIN_MEMORY_BYTES)}"
        case Action.SCALE_DOWN_REPLICAS if after.replicas < MIN_REPLICAS:
            return f"{after.replicas} replicas would fall below the minimum {MIN_REPLICAS}"
    return None


def _memory(resources: Resources) -> str:
    return format_memory(resources.memory_bytes)
