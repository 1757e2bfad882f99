"""Many workloads at once: the same numbers as one by one, and as plain Python."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st

from env.errors import ConfigError
from env.problems.draw import episode_words
from env.problems.philox import seed_of
from env.season.features import FEATURES, features
from env.season.kernel import LANE, game_of, given_of, start_lane, step_lane
from env.season.laws import KINDS
from env.season.season_env import SeasonEnv
from env.season.series import generated, kind_number
from env.season.variants import ALL_WINDOWS, JUMPS, VARIANTS, WINDOWS
from env.season.vector_env import SeasonVectorEnv

KEYS = ("oom", "changed", "held", "cost")
kinds = st.sampled_from([None, *KINDS])
variants = st.sampled_from([*VARIANTS])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**64), st.integers(1, 5), variants, kinds, st.integers(1, 9), st.booleans())
def test_workloads_step_as_in_the_single_environment(
    seed: int, num_envs: int, variant: str, kind: str | None, windows: int, given_ones: bool
) -> None:
    series = generated(VARIANTS[variant], [1, 2, 3])[0] if given_ones else None
    kind = None if given_ones else kind

    def one() -> gymnasium.Env[Any, Any]:
        return gymnasium.wrappers.TimeLimit(SeasonEnv(variant, kind, series=series), windows)

    many = SeasonVectorEnv(num_envs, variant, kind, series=series, max_episode_steps=windows)
    one_by_one = SyncVectorEnv([one] * num_envs)
    states, info = many.reset(seed=seed)
    expected_states, expected_info = one_by_one.reset(seed=seed)
    results: tuple[Any, ...] = (states,)
    expected: tuple[Any, ...] = (expected_states,)
    actions = np.random.default_rng(seed).integers(len(JUMPS), size=(25, num_envs))
    for step in range(len(actions) + 1):
        for ours, theirs in zip(results, expected, strict=True):
            assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
            assert ours.tobytes() == theirs.tobytes()
        for key in KEYS:
            assert np.array_equal(info[key], expected_info[key])
            assert info["_" + key].all()
        if step < len(actions):
            *results, info = many.step(actions[step])  # type: ignore[assignment]
            *expected, expected_info = one_by_one.step(actions[step])  # type: ignore[assignment]


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**62), variants, kinds)
def test_compiled_code_computes_what_plain_python_does(seed: int, variant: str, kind: str | None) -> None:
    many = SeasonVectorEnv(1, variant, kind, kappa=3)
    states, _ = many.reset(seed=seed)
    game, none = game_of(VARIANTS[variant], 3.0, kind_number(kind)), given_of(None)
    lane = np.zeros(1, LANE).view(np.recarray)[0]
    lane.key = seed
    start_lane(lane, game, none, -1)
    state = np.empty(len(FEATURES), np.float32)
    for action in np.random.default_rng(seed).integers(len(JUMPS), size=40).tolist():
        features(lane, 3.0, state)
        assert states[0].tobytes() == state.tobytes()
        states, rewards, _, _, _ = many.step(np.array([action]))
        assert rewards[0] == step_lane(lane, game, action)


def test_an_episode_is_the_generated_workload_of_its_seed() -> None:
    first, second, _, _ = episode_words(7, 0)
    series, _ = generated(VARIANTS["memory"], [seed_of(first, second)])
    drawn, played = SeasonEnv(), SeasonEnv(series=series)
    drawn.reset(seed=7)
    played.reset(seed=8)
    actions = np.random.default_rng(0).integers(len(JUMPS), size=WINDOWS)
    for action in actions:
        ours, theirs = drawn.step(action), played.step(action)
        assert ours[0].tobytes() == theirs[0].tobytes()
        assert ours[1] == theirs[1]


def test_it_is_made_by_gymnasium_and_says_how_it_resets() -> None:
    envs = gymnasium.make_vec("env:SimArena/Season-v0", num_envs=3, kind="daily")
    assert isinstance(envs.unwrapped, SeasonVectorEnv)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    envs.reset(seed=0)
    ends = [envs.step(np.zeros(3, np.int64))[3].all() for _ in range(WINDOWS + 1)]
    assert ends == [False] * (WINDOWS - 1) + [True, False]
    assert ALL_WINDOWS == 140


def test_environments_that_are_given_no_seed_go_on_with_theirs() -> None:
    envs = SeasonVectorEnv(2)
    first, _ = envs.reset(seed=[5, 6])
    second, _ = envs.reset(seed=[5, None])
    assert np.array_equal(first[0], second[0])
    assert not np.array_equal(first[1], second[1])


def test_each_environment_shows_its_workload() -> None:
    envs = SeasonVectorEnv(2, "replicas", render_mode="ansi")
    assert envs.render() is None
    envs.reset(seed=[2, 2])
    lines = envs.render()
    assert lines is not None
    assert lines[0] == lines[1]
    assert str(lines[0]).startswith("window 0: reset -> request ")
    assert str(lines[0]).endswith(" pods")


@pytest.mark.parametrize("actions", [[1], [1, len(JUMPS)], [-1, 0], [0.0, 1.0]])
def test_actions_that_do_not_fit_are_refused(actions: list[float]) -> None:
    envs = SeasonVectorEnv(2)
    with pytest.raises(gymnasium.error.ResetNeeded):
        envs.step(np.array([0, 0]))
    envs.reset(seed=1)
    with pytest.raises(ConfigError, match="actions"):
        envs.step(np.array(actions))
