"""What an agent can do to a workload, and the safeguards around it.

numba compiles `stepped` and `is_beyond`, and `STEPS` with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from env.quantity import GIB, MIB, format_memory
from env.words import count
from env.workload import Resources

CPU_STEP_M = 500
MEMORY_STEP_BYTES = 256 * MIB
REPLICAS_STEP = 1
STEP = Resources(CPU_STEP_M, MEMORY_STEP_BYTES, REPLICAS_STEP)

MIN_CPU_M, MAX_CPU_M = 50, 16_000
MIN_MEMORY_BYTES, MAX_MEMORY_BYTES = 64 * MIB, 32 * GIB
MIN_REPLICAS, MAX_REPLICAS = 1, 100
LEAST = Resources(MIN_CPU_M, MIN_MEMORY_BYTES, MIN_REPLICAS)
MOST = Resources(MAX_CPU_M, MAX_MEMORY_BYTES, MAX_REPLICAS)


class Action(IntEnum):
    """What an agent picks; the value is the index of the network's output."""

    NOOP = 0
    BUMP_CPU_SMALL = 1
    BUMP_MEM_SMALL = 2
    SCALE_UP_REPLICAS = 3
    REDUCE_CPU_SMALL = 4
    REDUCE_MEM_SMALL = 5
    SCALE_DOWN_REPLICAS = 6


STEPS: tuple[Resources, ...] = (
    Resources(0, 0, 0),
    Resources(CPU_STEP_M, 0, 0),
    Resources(0, MEMORY_STEP_BYTES, 0),
    Resources(0, 0, REPLICAS_STEP),
    Resources(-CPU_STEP_M, 0, 0),
    Resources(0, -MEMORY_STEP_BYTES, 0),
    Resources(0, 0, -REPLICAS_STEP),
)
"""What each action adds to the requests, in the order of `Action`."""


@dataclass(frozen=True)
class ActionOutcome:
    """The outcome of an action.

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


@dataclass(frozen=True)
class Ceiling:
    """The most that actions make a workload request: `MOST`, or less where its manifest allows less.

    Attributes:
        most: The amounts; 0 replicas for a workload whose manifest does not say how many: none can be asked for.
        cpu_by: What sets that of CPU, in words: `the limit 500m of container web`; "" where `MOST` does.
        memory_by: The same for memory.
        replicas_by: What sets the replicas instead of the manifest; "" where the manifest does.
    """

    most: Resources = MOST
    cpu_by: str = ""
    memory_by: str = ""
    replicas_by: str = ""


NO_CEILING = Ceiling()


def apply_action(resources: Resources, action: Action, ceiling: Ceiling = NO_CEILING) -> ActionOutcome:
    """Apply `action`, unless its result lies beyond a safeguard; pure.

    Only the limit in the direction of the action counts, so a value recorded beyond the range can be
    brought back step by step: 17000m - 500m is allowed although 16500m still exceeds the maximum.
    """
    after = stepped(resources, action)
    if is_beyond(resources, after, ceiling.most):
        reason = _reason(resources, after, ceiling)
        return ActionOutcome(action, resources, changed=False, blocked=True, reason=reason)
    return ActionOutcome(action, after, changed=after != resources, blocked=False, reason=None)


def stepped(before: Resources, action: int) -> Resources:
    """The requests after `action`, before the safeguards are applied."""
    step = STEPS[action]
    return Resources(
        before.cpu_m + step.cpu_m, before.memory_bytes + step.memory_bytes, before.replicas + step.replicas
    )


def is_beyond(before: Resources, after: Resources, most: Resources) -> bool:
    """Whether a safeguard refuses the action that leads from `before` to `after`."""
    return (
        passes(before.cpu_m, after.cpu_m, LEAST.cpu_m, most.cpu_m)
        | passes(before.memory_bytes, after.memory_bytes, LEAST.memory_bytes, most.memory_bytes)
        | passes(before.replicas, after.replicas, LEAST.replicas, most.replicas)
        | (most.replicas == 0) & (after.replicas != before.replicas)
    )


def passes(before: int, after: int, least: int, most: int) -> bool:
    """Whether a step led past the limit that lies in its direction. Branch-free: actions are unpredictable."""
    return (after > most) & (after > before) | (after < least) & (after < before)


def least_reachable(start: Resources, need: Resources, most: Resources = MOST) -> Resources | None:
    """The smallest requests of at least `need` to which actions lead, and replicas of exactly `need`; None: none do."""
    found: list[int] = []
    for here, wanted, step, low, high in zip(start, need, STEP, LEAST, most, strict=True):
        least = max(wanted, low)
        moves = -(-(wanted - here) // step) if here < wanted else -max(0, (here - least) // step)
        value = here + moves * step
        if moves > 0 and value > high:
            return None
        found.append(value)
    return Resources(*found) if found[2] == need.replicas else None


def _reason(before: Resources, after: Resources, ceiling: Ceiling) -> str:
    """The safeguard that refuses to go from `before` to `after`, in words."""
    if ceiling.replicas_by and after.replicas != before.replicas:
        return f"it has no replicas: {ceiling.replicas_by}"
    setters = (ceiling.cpu_by, ceiling.memory_by, "")
    for was, here, least, most, name, setter in zip(
        before, after, LEAST, ceiling.most, Resources._fields, setters, strict=True
    ):
        if passes(was, here, least, most):
            if here > was and setter:
                return f"{_asked(name, here)} would exceed {setter}"
            limit, end = ("exceed the maximum", most) if here > was else ("fall below the minimum", least)
            return f"{_asked(name, here)} would {limit} {_written(name, end)}"
    return ""


def _written(name: str, amount: int) -> str:
    """An amount of CPU, memory or replicas, in words."""
    if name == "memory_bytes":
        return format_memory(amount)
    return f"{amount}m" if name == "cpu_m" else str(amount)


def _asked(name: str, amount: int) -> str:
    """What a workload would ask for."""
    return count(amount, "replica") if name == "replicas" else f"{name.split('_')[0]} {_written(name, amount)}"
