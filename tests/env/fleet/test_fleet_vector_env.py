"""Many fleets at once: the same numbers as one by one, and as plain Python."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st

from env.errors import ConfigError
from env.fleet.draw import problems_of
from env.fleet.features import action_mask, feature_names, features
from env.fleet.fleet_env import FleetEnv
from env.fleet.kernel import LANE, game_of, given_of, start_lane, step_lane
from env.fleet.placement import new_room, replay
from env.fleet.variants import VARIANTS
from env.fleet.vector_env import FleetVectorEnv

KEYS = ("nodes", "in_use", "waiting", "action_mask")
variants = st.sampled_from([*VARIANTS])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**64), st.integers(1, 5), variants, st.integers(1, 9), st.booleans())
def test_fleets_step_as_in_the_single_environment(
    seed: int, num_envs: int, variant: str, steps: int, given_ones: bool
) -> None:
    problems = problems_of(VARIANTS[variant], range(3)) if given_ones else None

    def one() -> gymnasium.Env[Any, Any]:
        return gymnasium.wrappers.TimeLimit(FleetEnv(variant, problems), steps)

    many = FleetVectorEnv(num_envs, variant, problems, max_episode_steps=steps)
    one_by_one = SyncVectorEnv([one] * num_envs)
    states, info = many.reset(seed=seed)
    expected_states, expected_info = one_by_one.reset(seed=seed)
    results: tuple[Any, ...] = (states,)
    expected: tuple[Any, ...] = (expected_states,)
    actions = np.random.default_rng(seed).integers(VARIANTS[variant].actions, size=(25, num_envs))
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


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**62), variants)
def test_compiled_code_computes_what_plain_python_does(seed: int, variant: str) -> None:
    many = FleetVectorEnv(1, variant)
    states, info = many.reset(seed=seed)
    game, none, room = game_of(VARIANTS[variant]), given_of(None), new_room()
    lane = np.zeros(1, LANE).view(np.recarray)[0]
    lane.key = seed
    start_lane(lane, game, none, -1, room)
    state = np.empty(len(feature_names(VARIANTS[variant])), np.float32)
    mask = np.empty(VARIANTS[variant].actions, np.bool_)
    for action in np.random.default_rng(seed).integers(VARIANTS[variant].actions, size=20).tolist():
        features(lane, game.most, game.steps, state)
        action_mask(lane, game.most, mask)
        assert states[0].tobytes() == state.tobytes()
        assert np.array_equal(info["action_mask"][0], mask)
        states, rewards, _, _, info = many.step(np.array([action]))
        assert rewards[0] == step_lane(lane, action, room)


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_put_back_and_placed_again_is_where_a_replay_of_all_puts_it(variant: str) -> None:
    many = FleetVectorEnv(4, variant)
    many.reset(seed=3)
    for actions in np.random.default_rng(3).integers(VARIANTS[variant].actions, size=(12, 4)):
        many.step(actions)
    for lane in many.lanes.copy().view(np.recarray):
        room, ready, nodes = new_room(), np.zeros_like(lane.ready), int(lane.nodes)
        assert replay(lane, nodes, lane.replicas, ready, room) == lane.waiting
        assert np.array_equal(ready[: lane.services], lane.ready[: lane.services])
        deployments = lane.neighbours + lane.services
        assert np.array_equal(room.on[:deployments, :nodes], lane.on[:deployments, :nodes])


def test_an_episode_is_the_generated_problem_of_its_seed() -> None:
    envs = FleetVectorEnv(2)
    envs.reset(seed=7)
    (expected,) = problems_of(VARIANTS["small"], [int(envs.lanes["seed"][0])])
    assert all(np.array_equal(envs.lanes[name][0], expected[name]) for name in expected.dtype.names)


def test_it_is_made_by_gymnasium_and_says_how_it_resets() -> None:
    envs = gymnasium.make_vec("env:SimArena/Fleet-v0", num_envs=3)
    assert isinstance(envs.unwrapped, FleetVectorEnv)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    envs.reset(seed=0)
    ends = [envs.step(np.zeros(3, np.int64))[3].all() for _ in range(61)]
    assert ends == [False] * 59 + [True, False]


def test_environments_that_are_given_no_seed_go_on_with_theirs() -> None:
    envs = FleetVectorEnv(2)
    first, _ = envs.reset(seed=[5, 6])
    second, _ = envs.reset(seed=[5, None])
    assert np.array_equal(first[0], second[0])
    assert not np.array_equal(first[1], second[1])


def test_each_environment_shows_its_fleet() -> None:
    envs = FleetVectorEnv(2, render_mode="ansi")
    assert envs.render() is None
    envs.reset(seed=[2, 2])
    lines = envs.render()
    assert lines is not None
    assert lines[0] == lines[1]
    assert str(lines[0]).startswith("step 0: reset -> ")


@pytest.mark.parametrize("actions", [[1], [1, 42], [-1, 0], [0.0, 1.0]])
def test_actions_that_do_not_fit_are_refused(actions: list[float]) -> None:
    envs = FleetVectorEnv(2)
    with pytest.raises(gymnasium.error.ResetNeeded):
        envs.step(np.array([0, 0]))
    envs.reset(seed=1)
    with pytest.raises(ConfigError, match="actions"):
        envs.step(np.array(actions))
