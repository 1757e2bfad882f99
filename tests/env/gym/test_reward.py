from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from env.actions import Action, ActionOutcome
from env.errors import ConfigError
from env.gym.reward import REWARDS, goal, reward
from env.observation import Observation
from env.quantity import GIB, MIB
from env.workload import Resources

TARGET = 3


def observe(ready: int, pending: int, *, cpu_m: int = 500, memory_bytes: int = 512 * MIB) -> Observation:
    total = ready + pending
    asked = Resources(cpu_m, memory_bytes, total)
    return Observation(ready, pending, total, asked, 16_000, 32 * GIB, 48_000, 96 * GIB, 3, 0, 0, 0)


def outcome(observation: Observation, *, blocked: bool = False) -> ActionOutcome:
    reason = "beyond a safeguard" if blocked else None
    return ActionOutcome(Action.NOOP, observation.resources, changed=False, blocked=blocked, reason=reason)


@pytest.mark.parametrize(
    ("observation", "base", "shaped", "cost_aware_v2", "max_punish"),
    [
        (observe(0, 3, cpu_m=17_000, memory_bytes=2 * GIB), 0, -0.45, -1.000, -0.5),
        (observe(1, 2), 0, -0.30, -1.000, 0),
        (observe(2, 1), 0, -0.15, -0.840, 0),
        (observe(5, 0), 0, -0.50, -0.346, 0),
        (observe(1, 0), 0, -0.36, -1.000, 0),
        (observe(2, 0, cpu_m=250, memory_bytes=256 * MIB), 0, -0.18, -0.806, 0),
        (observe(3, 0), 1, 1, 0, 1),
        (observe(3, 0, cpu_m=16_000, memory_bytes=32 * GIB), 1, 1, 0, 1),
    ],
)
def test_rewards_have_their_known_values(
    observation: Observation, base: float, shaped: float, cost_aware_v2: float, max_punish: float
) -> None:
    got = {name: reward(name, observation, TARGET, outcome(observation)) for name in REWARDS}
    assert got == pytest.approx(
        {"base": base, "shaped": shaped, "max_punish": max_punish, "cost_aware_v2": cost_aware_v2}, abs=6e-4
    )


def test_a_blocked_action_costs_more_when_costs_count() -> None:
    observation = observe(5, 0)
    free = reward("cost_aware_v2", observation, TARGET, outcome(observation))
    blocked = reward("cost_aware_v2", observation, TARGET, outcome(observation, blocked=True))
    assert blocked == pytest.approx(free - 0.12)


@pytest.mark.parametrize(
    ("observation", "excesses"),
    [
        (observe(0, 3, cpu_m=16_001), 1),
        (observe(0, 3, cpu_m=16_001, memory_bytes=32 * GIB + 1), 2),
        (observe(0, 101, cpu_m=16_001, memory_bytes=32 * GIB + 1), 3),
    ],
)
def test_each_excess_is_punished(observation: Observation, excesses: int) -> None:
    assert reward("max_punish", observation, TARGET, outcome(observation)) == -0.5 * excesses


def test_among_healthy_states_the_leaner_is_better() -> None:
    lean, lavish = observe(5, 0), observe(5, 0, cpu_m=4_000, memory_bytes=8 * GIB)
    rewards = [reward("cost_aware_v2", each, TARGET, outcome(each)) for each in (lean, lavish)]
    assert rewards[0] > rewards[1]


@pytest.mark.parametrize(
    ("observation", "reached"),
    [(observe(3, 0), True), (observe(3, 1), False), (observe(2, 1), False), (observe(4, 0), False)],
)
def test_the_goal_is_exactly_the_target_ready_and_nothing_else(observation: Observation, reached: bool) -> None:
    assert goal(observation, TARGET) is reached


@given(
    st.builds(
        observe,
        st.integers(0, 500),
        st.integers(0, 500),
        cpu_m=st.integers(0, 10**6),
        memory_bytes=st.integers(0, 2**50),
    ),
    st.integers(1, 100),
    st.booleans(),
)
def test_shaped_and_cost_aware_stay_in_their_ranges(observation: Observation, target: int, blocked: bool) -> None:
    done = outcome(observation, blocked=blocked)
    assert -1 <= reward("shaped", observation, target, done) <= 1
    assert -1 <= reward("cost_aware_v2", observation, target, done) <= 0


def test_an_unknown_reward_names_the_nearest() -> None:
    observation = observe(3, 0)
    with pytest.raises(ConfigError, match="'shape' is unknown; did you mean 'shaped'"):
        reward("shape", observation, TARGET, outcome(observation))
