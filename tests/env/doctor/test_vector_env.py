"""Many clusters at once: the same numbers as one by one, and as plain Python."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st

from env.doctor.actions import ACTIONS
from env.doctor.cluster import record
from env.doctor.doctor_env import PROBLEMS, DoctorEnv
from env.doctor.features import FEATURES, features
from env.doctor.kernel import LANE, start_lane, step_lane
from env.doctor.mask import action_mask
from env.doctor.recording import Nodes, Recording, starts_of
from env.doctor.vector_env import DoctorVectorEnv
from env.errors import ConfigError

STARTS = starts_of([
    Recording(
        at="2026-11-29T01:30:00Z",
        nodes=(Nodes(state="ready", pods=7, number=5), Nodes(state="cordoned", pods=1, number=1)),
        deployments=6,
        faults={"crash-loop": 2, "too-many-replicas": 9},
        cpu_used=0.2,
        memory_used=0.6,
    ),
    Recording(at="2026-11-29T01:31:00Z", nodes=(Nodes(state="ready", pods=30, number=3),), deployments=20),
])  # fmt: skip
"""A cluster with faults, and a healthy one without a metrics API."""
KEYS = ("is_success", "reported", "action_mask")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**64), st.integers(1, 7), st.sampled_from(PROBLEMS), st.integers(1, 12), st.booleans())
def test_clusters_step_as_in_the_single_environment(
    seed: int, num_envs: int, problems: str, max_steps: int, recorded: bool
) -> None:
    starts = STARTS if recorded else None
    many = DoctorVectorEnv(num_envs, problems, max_steps, recorded=starts)
    one_by_one = SyncVectorEnv([lambda: DoctorEnv(problems, max_steps, recorded=starts)] * num_envs)
    states, info = many.reset(seed=seed)
    expected_states, expected_info = one_by_one.reset(seed=seed)
    results: tuple[Any, ...] = (states,)
    expected: tuple[Any, ...] = (expected_states,)
    actions = np.random.default_rng(seed).integers(ACTIONS, size=(30, num_envs))
    for step in range(len(actions) + 1):
        for ours, theirs in zip(results, expected, strict=True):
            assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
            assert ours.tobytes() == theirs.tobytes()
        for key in KEYS:
            assert np.array_equal(info[key], np.stack(expected_info[key]))
            assert info["_" + key].all()
        if step < len(actions):
            *results, info = many.step(actions[step])  # type: ignore[assignment]
            *expected, expected_info = one_by_one.step(actions[step])  # type: ignore[assignment]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**62), st.sampled_from(PROBLEMS), st.booleans())
def test_compiled_code_computes_what_plain_python_does(seed: int, problems: str, recorded: bool) -> None:
    many = DoctorVectorEnv(1, problems, recorded=STARTS if recorded else None)
    states, info = many.reset(seed=seed)
    lane = record(np.zeros(1, LANE), 0)
    lane.key = seed
    starts = STARTS if recorded else STARTS[:0]
    start_lane(lane, PROBLEMS.index(problems), -1, -1, starts.view(np.recarray))
    state, mask = np.empty(len(FEATURES), np.float32), np.empty(ACTIONS, np.bool_)
    for action in np.random.default_rng(seed).integers(ACTIONS, size=60).tolist():
        features(lane, state)
        action_mask(lane, mask)
        assert states[0].tobytes() == state.tobytes()
        assert info["action_mask"][0].tobytes() == mask.tobytes()
        if lane.is_success:
            break
        states, rewards, _, _, info = many.step(np.array([action]))
        assert rewards[0] == step_lane(lane, action)


def test_it_is_made_by_gymnasium_and_says_how_it_resets() -> None:
    envs = gymnasium.make_vec("env:SimArena/Doctor-v0", num_envs=3, problems="small", max_steps=5)
    assert isinstance(envs.unwrapped, DoctorVectorEnv)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP


def test_environments_that_are_given_no_seed_go_on_with_theirs() -> None:
    envs = DoctorVectorEnv(2, "large")
    first, _ = envs.reset(seed=[5, 6])
    second, _ = envs.reset(seed=[5, None])
    assert np.array_equal(first[0], second[0])
    assert not np.array_equal(first[1], second[1])


def test_a_problem_may_be_given() -> None:
    envs = DoctorVectorEnv(2, render_mode="ansi")
    assert envs.render() is None
    envs.reset(seed=1, options={"faults": ["dns"], "shape": 1})
    assert [envs.faults(i) for i in range(2)] == [{"dns": 1}] * 2
    assert envs.action_masks().shape == (2, ACTIONS)
    envs.step(np.array([14, 6]))
    assert envs.render() == (
        "step 1: wait -> 11 pods running; dns 1",
        "step 1: restart_failed_pods -> 12 pods running; healthy",
    )


@pytest.mark.parametrize("actions", [[1], [1, 15], [-1, 0], [0.0, 1.0]])
def test_actions_that_do_not_fit_are_refused(actions: list[float]) -> None:
    envs = DoctorVectorEnv(2)
    with pytest.raises(gymnasium.error.ResetNeeded):
        envs.step(np.array([0, 0]))
    envs.reset(seed=1)
    with pytest.raises(ConfigError, match="actions"):
        envs.step(np.array(actions))


@pytest.mark.parametrize("seed", [[1], [1, -1], [1, 2, 3]])
def test_seeds_that_do_not_fit_are_refused(seed: list[int]) -> None:
    with pytest.raises(ConfigError, match="seed"):
        DoctorVectorEnv(2).reset(seed=seed)
