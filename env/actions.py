"""The seven things an agent can do to a workload, and the safeguards around them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from env.quantity import GIB, MIB, format_memory
from env.workload import Resources

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
    after = stepped(resources, action)
    if is_beyond(after, action):
        return ActionOutcome(action, resources, changed=False, blocked=True, reason=_reason(after, action))
    return ActionOutcome(action, after, changed=after != resources, blocked=False, reason=None)


def stepped(before: Resources, action: int) -> Resources:
    """What `action` makes of `before`, whatever the safeguards say; numba compiles it."""
    cpu_m, memory_bytes, replicas = before
    if action == Action.BUMP_CPU_SMALL:
        cpu_m += CPU_STEP_M
    elif action == Action.BUMP_MEM_SMALL:
        memory_bytes += MEMORY_STEP_BYTES
    elif action == Action.SCALE_UP_REPLICAS:
        replicas += REPLICAS_STEP
    elif action == Action.REDUCE_CPU_SMALL:
        cpu_m -= CPU_STEP_M
    elif action == Action.REDUCE_MEM_SMALL:
        memory_bytes -= MEMORY_STEP_BYTES
    elif action == Action.SCALE_DOWN_REPLICAS:
        replicas -= REPLICAS_STEP
    return Resources(cpu_m, memory_bytes, replicas)


def is_beyond(after: Resources, action: int) -> bool:
    """Whether a safeguard refuses `action`, which would lead to `after`; numba compiles it."""
    if action == Action.BUMP_CPU_SMALL:
        return after.cpu_m > MAX_CPU_M
    if action == Action.BUMP_MEM_SMALL:
        return after.memory_bytes > MAX_MEMORY_BYTES
    if action == Action.SCALE_UP_REPLICAS:
        return after.replicas > MAX_REPLICAS
    if action == Action.REDUCE_CPU_SMALL:
        return after.cpu_m < MIN_CPU_M
    if action == Action.REDUCE_MEM_SMALL:
        return after.memory_bytes < MIN_MEMORY_BYTES
    if action == Action.SCALE_DOWN_REPLICAS:
        return after.replicas < MIN_REPLICAS
    return False


def _reason(after: Resources, action: Action) -> str:
    """The safeguard that refuses `action`, in words."""
    memory = format_memory(after.memory_bytes)
    match action:
        case Action.BUMP_CPU_SMALL:
            return f"cpu {after.cpu_m}m would exceed the maximum {MAX_CPU_M}m"
        case Action.BUMP_MEM_SMALL:
            return f"memory {memory} would exceed the maximum {format_memory(MAX_MEMORY_BYTES)}"
        case Action.SCALE_UP_REPLICAS:
            return f"{after.replicas} replicas would exceed the maximum {MAX_REPLICAS}"
        case Action.REDUCE_CPU_SMALL:
            return f"cpu {after.cpu_m}m would fall below the minimum {MIN_CPU_M}m"
        case Action.REDUCE_MEM_SMALL:
            return f"memory {memory} would fall below the minimum {format_memory(MIN_MEMORY_BYTES)}"
        case Action.SCALE_DOWN_REPLICAS:
            return f"{after.replicas} replicas would fall below the minimum {MIN_REPLICAS}"
        case Action.NOOP:
            return "nothing is done, so nothing can be refused"
