"""A room from (kind, seed, attempt): surroundings, the workload's goal in them, and a start some wrong actions away.

That the goal is one is not known here: the engine decides who gets which node. `env.gym.rooms` draws attempt after
attempt until the engine agrees.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from env.actions import (
    CPU_STEP_M,
    MAX_CPU_M,
    MAX_MEMORY_BYTES,
    MAX_REPLICAS,
    MEMORY_STEP_BYTES,
    MIN_CPU_M,
    MIN_MEMORY_BYTES,
    Action,
)
from env.demand import DEMAND_ANNOTATION
from env.engine.manifests.edited_container import DEFAULT_CONTAINER
from env.problems.rooms.dice import Dice
from env.problems.rooms.kinds import KINDS, ROOMS
from env.problems.rooms.manifests import NAMESPACE, container, deployment
from env.problems.rooms.surroundings import APP, CPU_GRAIN_M, MEMORY_GRAIN_BYTES, Surroundings
from env.problems.scenario import Scenario
from env.quantity import format_cpu, format_memory
from env.trace.document import Manifest, Trace
from env.trace.upgrade import upgraded
from env.workload import Resources, WorkloadRef

GENERATOR_VERSION = 1
"""Raised when a kind, seed and attempt come to stand for another room."""
HEALTHY_ONE_IN = 16
_MOST_REPLICAS_OFF = 3
_START_TS = 1_735_689_600  # 2025-01-01T00:00:00Z
_BETWEEN_EVENTS_S = 60
_CPU = (CPU_STEP_M, MIN_CPU_M, MAX_CPU_M, CPU_GRAIN_M)
_MEMORY = (MEMORY_STEP_BYTES, MIN_MEMORY_BYTES, MAX_MEMORY_BYTES, MEMORY_GRAIN_BYTES)
_ROLLED_OUT = "registry.k8s.io/pause:3.11"


@dataclass(frozen=True)
class Candidate:
    """A room that may have a solution.

    Attributes:
        scenario: What is to be solved.
        start: What the workload asks for as recorded.
        goal: What should solve it.
        actions: That lead from start to goal.
    """

    scenario: Scenario
    start: Resources
    goal: Resources
    actions: tuple[Action, ...]


def draw_room(kind: str, seed: int, attempt: int) -> Candidate:
    """The room of (kind, seed, attempt): always the same one.

    Args:
        kind: One of `env.problems.rooms.kinds.ROOMS`.
        seed: 0 to 2^63 - 1.
        attempt: 0 for the first.
    """
    dice = Dice(ROOMS.index(kind), seed, attempt)
    around = KINDS[kind](dice)
    target = dice.between(*around.pods)
    goal = _goal(dice, around, target)
    start, use = goal, goal
    while start == goal:
        start, use = _start(dice, around, goal)
    if seed % HEALTHY_ONE_IN == 0:
        start = goal
    name = f"{kind}-{seed}"
    trace = _trace(name, _events(around, start, use), _metadata(kind, seed, around, target))
    scenario = Scenario(trace, WorkloadRef(NAMESPACE, APP), target, around.nodes, None, name, kind)
    return Candidate(scenario, start, goal, _actions(start, goal))


def _goal(dice: Dice, around: Surroundings, target: int) -> Resources:
    """Requests that fill a part of the room; no larger than most of the largest node."""
    cpu_m, memory_bytes = (of // target for of in around.room)
    largest_cpu_m, largest_memory_bytes = around.nodes.largest
    cpu_m = dice.share(min(cpu_m, largest_cpu_m), *around.filled, CPU_GRAIN_M)
    memory_bytes = dice.share(min(memory_bytes, largest_memory_bytes), *around.filled, MEMORY_GRAIN_BYTES)
    cpu_m, memory_bytes = (
        min(max(cpu_m, MIN_CPU_M), MAX_CPU_M),
        min(max(memory_bytes, MIN_MEMORY_BYTES), MAX_MEMORY_BYTES),
    )
    return Resources(cpu_m, memory_bytes, target)


def _start(dice: Dice, around: Surroundings, goal: Resources) -> tuple[Resources, Resources]:
    """What is asked for at first, and what a pod uses: 0 where it runs with anything."""
    wrong = dice.between(1, 7)  # one bit each for CPU, memory and replicas
    cpu_m, cpu_use_m = _request(dice, around, wrong & 1, goal.cpu_m, _CPU)
    memory_bytes, memory_use_bytes = _request(dice, around, wrong & 2, goal.memory_bytes, _MEMORY)
    replicas, off = goal.replicas, dice.between(1, _MOST_REPLICAS_OFF)
    if around.few:
        replicas = max(1, replicas - off)
    elif wrong & 4 and dice.one_in(2):
        replicas = max(1, replicas - off) if dice.one_in(2) else min(MAX_REPLICAS, replicas + off)
    return Resources(cpu_m, memory_bytes, replicas), Resources(cpu_use_m, memory_use_bytes, goal.replicas)


def _request(
    dice: Dice, around: Surroundings, wrong: int, goal: int, sizes: tuple[int, int, int, int]
) -> tuple[int, int]:
    """(start, use) of one request.

    A use lies less than one action below the goal, so that a request which is lowered too far is missed at once. A
    request that is too small is below it.
    """
    step, least, most, grain = sizes
    actions = min(dice.between(1, around.far), (most - goal) // step)
    lacks = bool(wrong) and around.grows and goal >= least + step and dice.one_in(3)
    used = lacks or not dice.one_in(4)
    lowest = max(goal - step + grain, goal // 2)
    use = dice.between(-(-lowest // grain), goal // grain) * grain if used else 0
    if lacks:
        return goal - step * min(actions, (goal - least) // step), use
    return goal + (step * actions if wrong else 0), use


def _events(around: Surroundings, start: Resources, use: Resources) -> list[list[Manifest]]:
    uses = {
        **({"cpu": format_cpu(use.cpu_m)} if use.cpu_m else {}),
        **({"memory": format_memory(use.memory_bytes)} if use.memory_bytes else {}),
    }
    note = {
        **({DEFAULT_CONTAINER: APP} if around.beside or around.init else {}),
        **({DEMAND_ANNOTATION: json.dumps({APP: uses})} if uses else {}),
    }
    spec = {"strategy": around.strategy} if around.strategy is not None else {}

    def workload(**image: str) -> list[Manifest]:
        first = container(APP, start.cpu_m, start.memory_bytes, **image)
        init = {"initContainers": [*around.init]} if around.init else {}
        pod = {**around.pod, "containers": [first, *around.beside], **init}
        return [deployment(APP, start.replicas, pod, note=note, **spec)]

    again = [workload(image=_ROLLED_OUT)] if around.strategy is not None else []
    return [*map(list, around.before), workload(), *again, *map(list, around.after)]


def _trace(name: str, events: list[list[Manifest]], metadata: Manifest) -> Trace:
    """The trace of these events, a minute apart, and one that applies nothing after them."""
    timed = [
        {"ts": _START_TS + _BETWEEN_EVENTS_S * number, "applied_objs": applied, "deleted_objs": []}
        for number, applied in enumerate([*events, []])
    ]
    return Trace(upgraded({"version": 1, "events": timed, "metadata": {"scenario": metadata}}), name)


def _metadata(kind: str, seed: int, around: Surroundings, target: int) -> Manifest:
    """What makes the file alone give the room back."""
    nodes = [
        {
            "count": pool.count,
            "cpu": format_cpu(pool.cpu_m),
            "memory": format_memory(pool.memory_bytes),
            "pods": pool.pods,
            "labels": dict(pool.labels),
            "taints": [{"key": taint.key, "value": taint.value, "effect": taint.effect} for taint in pool.taints],
        }
        for pool in around.nodes.pools
    ]
    facts = {"problem": kind, "deploy": APP, "namespace": NAMESPACE, "target": target}
    return {**facts, "nodes": nodes, "seed": seed}


def _actions(start: Resources, goal: Resources) -> tuple[Action, ...]:
    """The actions that lead from start to goal, straight."""
    ways = (
        (CPU_STEP_M, Action.BUMP_CPU_SMALL, Action.REDUCE_CPU_SMALL),
        (MEMORY_STEP_BYTES, Action.BUMP_MEM_SMALL, Action.REDUCE_MEM_SMALL),
        (1, Action.SCALE_UP_REPLICAS, Action.SCALE_DOWN_REPLICAS),
    )
    found: list[Action] = []
    for here, wanted, (step, up, down) in zip(start, goal, ways, strict=True):
        found += [up if wanted > here else down] * (abs(wanted - here) // step)
    return tuple(found)
