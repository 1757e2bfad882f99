"""Rewards: pure functions of what was observed after an action, the target, and whether that action was blocked.

They are written in the part of Python that numba compiles, for `env.gym.vector_kernel`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

from env.actions import MAX_CPU_M, MAX_MEMORY_BYTES, MAX_REPLICAS, ActionOutcome
from env.errors import ConfigError
from env.observation import Observation
from env.plugins import Plugin, find
from env.quantity import GIB, MIB

RewardFunction = Callable[[Observation, int, bool], float]


def goal(observation: Observation, target: int) -> bool:
    """Exactly `target` pods exist, all of them are ready, and no neighbour lacks a pod for it."""
    o = observation
    return o.ready == target and o.total == target and o.pending == 0 and o.broken == 0


def reward(name: str, observation: Observation, target: int, outcome: ActionOutcome) -> float:
    """The reward `name` of the step in which `outcome` led to `observation`.

    Raises:
        ConfigError: No reward of that name, or it is no finite number.
    """
    return finite(name, reward_function(name)(observation, target, outcome.blocked))


def check_reward(name: str) -> None:
    """Accept the names in REWARDS, and those that installed packages add.

    Raises:
        ConfigError: No reward of that name, or its package cannot be imported.
    """
    reward_function(name)


def reward_function(name: str) -> RewardFunction:
    """The function of a reward, ours or an installed package's; ConfigError as `check_reward`."""
    plugin = reward_plugin(name)
    if plugin is None:
        return REWARD_FUNCTIONS[name]
    return getattr(plugin.function, "py_func", plugin.function)  # of one that numba has compiled, its Python


@cache
def reward_plugin(name: str) -> Plugin | None:
    """The package's function of this name; None if the reward is one of ours. ConfigError as `check_reward`."""
    return find("reward", name, REWARD_FUNCTIONS)


def finite(name: str, value: float) -> float:
    """What a reward returned, which may be any package's; ConfigError unless it is a finite number."""
    try:
        if math.isfinite(value):
            return float(value)
    except TypeError:
        pass
    raise ConfigError(f"reward {name!r}: returned {value!r:.80}; must be a finite number")


def base(observation: Observation, target: int, blocked: bool) -> float:
    """1 at the goal, else 0."""
    return 1.0 if goal(observation, target) else 0.0


def shaped(observation: Observation, target: int, blocked: bool) -> float:
    """1 at the goal, else within [-1, 1]:

    -0.10 |ready - target| - 0.05 pending - 0.15 max(0, total - target) - 0.08 max(0, target - total) - 0.10 broken
    """
    if goal(observation, target):
        return 1.0
    o = observation
    distance = 0.10 * abs(o.ready - target) + 0.05 * o.pending
    surplus, deficit = max(0, o.total - target), max(0, target - o.total)
    return clip(-distance - 0.15 * surplus - 0.08 * deficit - 0.10 * o.broken, -1.0, 1.0)


def max_punish(observation: Observation, target: int, blocked: bool) -> float:
    """`base`, less 0.5 for each of cpu > 16000m, memory > 32Gi, replicas > 100, broken > 0."""
    r = observation.resources
    excesses = (r.cpu_m > MAX_CPU_M) + (r.memory_bytes > MAX_MEMORY_BYTES) + (r.replicas > MAX_REPLICAS)
    excesses += observation.broken > 0
    return base(observation, target, blocked) - 0.5 * excesses


def cost_aware_v2(observation: Observation, target: int, blocked: bool) -> float:
    """0 at the goal, else within [-1, 0]: healthy is better than not, and smaller requests better than larger ones.

    With t = max(1, target); over and under = surplus and deficit of pods / t; harm = broken / (broken + t); everything
    clipped to [0, 1]:
        health = (ready/t)^2 - 0.85 pending/t - 0.75 under
        cost = 0.45 (cpu - 500m)/(cap_cpu - 500m) + 0.45 (memory - 256Mi)/(cap_memory - 256Mi) + 0.60 over
        cap_cpu = 16000m / t, cap_memory = 32Gi / t
    all needed pods ready, none pending: 0.9 - 0.6 cost - 1; else health - (0.08 if pending else 0.12) cost - 1.
    Harm to neighbours costs 0.75 harm more, a blocked action 0.12.
    """
    value = 0.0
    if not goal(observation, target):
        harm = observation.broken / (observation.broken + max(1, target))
        value = clip(health_less_cost(observation, max(1, target)) - 0.75 * harm - 1.0, -1.0, 0.0)
    return clip(value - 0.12, -1.0, 0.0) if blocked else value


def health_less_cost(observation: Observation, target: int) -> float:
    """What `cost_aware_v2` weighs, before 1 is taken away; `target` at least 1."""
    o = observation
    over, under = max(0, o.total - target) / target, max(0, target - o.total) / target
    cost = request_cost(o, target) + 0.60 * min(1.0, over)
    if o.ready >= target and o.pending == 0:
        return 0.9 - 0.6 * cost
    ready = min(1.0, o.ready / target)
    health = ready * ready - 0.85 * min(1.0, o.pending / target) - 0.75 * min(1.0, under)
    return health - (0.08 if o.pending else 0.12) * cost


def request_cost(observation: Observation, target: int) -> float:
    """What one pod's requests cost, against an equal share of one 16-CPU, 32-GiB node."""
    r = observation.resources
    cap_cpu_m = max(501, 16_000 // target)
    cap_memory_bytes = max(256 * MIB + 1, 32 * GIB // target)
    cpu = max(0, r.cpu_m - 500) / (cap_cpu_m - 500)
    memory = max(0, r.memory_bytes - 256 * MIB) / (cap_memory_bytes - 256 * MIB)
    return 0.45 * min(1.0, cpu) + 0.45 * min(1.0, memory)


def clip(value: float, low: float, high: float) -> float:
    """`value`, but at least `low` and at most `high`."""
    if value < low:
        return low
    return high if value > high else value


REWARD_FUNCTIONS: dict[str, RewardFunction] = {
    "base": base,
    "shaped": shaped,
    "max_punish": max_punish,
    "cost_aware_v2": cost_aware_v2,
}
REWARDS: tuple[str, ...] = tuple(REWARD_FUNCTIONS)
