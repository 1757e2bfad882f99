from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from env.actions import Action, apply_action
from env.quantity import GIB, MIB
from env.workload import Resources

START = Resources(1000, 512 * MIB, 3)

resources = st.builds(Resources, st.integers(0, 40_000), st.integers(0, 64 * GIB), st.integers(0, 500))


@pytest.mark.parametrize(
    ("action", "after"),
    [
        (Action.NOOP, START),
        (Action.BUMP_CPU_SMALL, Resources(1500, 512 * MIB, 3)),
        (Action.BUMP_MEM_SMALL, Resources(1000, 768 * MIB, 3)),
        (Action.SCALE_UP_REPLICAS, Resources(1000, 512 * MIB, 4)),
        (Action.REDUCE_CPU_SMALL, Resources(500, 512 * MIB, 3)),
        (Action.REDUCE_MEM_SMALL, Resources(1000, 256 * MIB, 3)),
        (Action.SCALE_DOWN_REPLICAS, Resources(1000, 512 * MIB, 2)),
    ],
)
def test_each_action_is_one_step(action: Action, after: Resources) -> None:
    outcome = apply_action(START, action)
    assert outcome.resources == after
    assert outcome.changed == (action != Action.NOOP)
    assert not outcome.blocked
    assert outcome.reason is None


@pytest.mark.parametrize(
    ("before", "action", "reason"),
    [
        (Resources(15_501, GIB, 1), Action.BUMP_CPU_SMALL, "cpu 16001m would exceed the maximum 16000m"),
        (Resources(500, 32 * GIB, 1), Action.BUMP_MEM_SMALL, "memory 33024Mi would exceed the maximum 32Gi"),
        (Resources(500, GIB, 100), Action.SCALE_UP_REPLICAS, "101 replicas would exceed the maximum 100"),
        (Resources(500, GIB, 1), Action.REDUCE_CPU_SMALL, "cpu 0m would fall below the minimum 50m"),
        (Resources(500, 256 * MIB, 1), Action.REDUCE_MEM_SMALL, "memory 0 would fall below the minimum 64Mi"),
        (Resources(500, GIB, 1), Action.SCALE_DOWN_REPLICAS, "0 replicas would fall below the minimum 1"),
    ],
)
def test_a_safeguard_blocks_and_says_why(before: Resources, action: Action, reason: str) -> None:
    outcome = apply_action(before, action)
    assert outcome.blocked
    assert outcome.reason == reason
    assert outcome.resources == before
    assert not outcome.changed


@pytest.mark.parametrize(
    ("before", "action"),
    [
        (Resources(15_500, GIB, 1), Action.BUMP_CPU_SMALL),
        (Resources(550, GIB, 1), Action.REDUCE_CPU_SMALL),
        (Resources(500, 32 * GIB - 256 * MIB, 1), Action.BUMP_MEM_SMALL),
        (Resources(500, 320 * MIB, 1), Action.REDUCE_MEM_SMALL),
        (Resources(500, GIB, 99), Action.SCALE_UP_REPLICAS),
        (Resources(500, GIB, 2), Action.SCALE_DOWN_REPLICAS),
    ],
)
def test_the_limits_themselves_can_be_reached(before: Resources, action: Action) -> None:
    assert apply_action(before, action).changed


def test_a_value_above_the_maximum_may_be_reduced_step_by_step() -> None:
    assert apply_action(Resources(17_000, GIB, 1), Action.REDUCE_CPU_SMALL).resources.cpu_m == 16_500


def test_a_value_below_the_minimum_may_be_raised() -> None:
    assert apply_action(Resources(0, 0, 0), Action.SCALE_UP_REPLICAS).resources.replicas == 1
    assert apply_action(Resources(10, 0, 0), Action.BUMP_CPU_SMALL).resources.cpu_m == 510


@given(resources, st.sampled_from(Action))
def test_no_action_moves_a_value_further_outside_its_range(before: Resources, action: Action) -> None:
    after = apply_action(before, action).resources
    for old, new, low, high in (
        (before.cpu_m, after.cpu_m, 50, 16_000),
        (before.memory_bytes, after.memory_bytes, 64 * MIB, 32 * GIB),
        (before.replicas, after.replicas, 1, 100),
    ):
        assert min(old, low) <= new <= max(old, high)
