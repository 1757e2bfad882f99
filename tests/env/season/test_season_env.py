"""The Gymnasium environment of a season."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

from env.errors import ConfigError
from env.season.features import FEATURES
from env.season.laws import KINDS
from env.season.season_env import SeasonEnv
from env.season.series import Series, measured
from env.season.variants import ALL_WINDOWS, JUMPS, VARIANTS, WARM_UP, WINDOWS

KEEP = np.int64(JUMPS.index(0))
ADD_4, REMOVE_4 = np.int64(JUMPS.index(4)), np.int64(JUMPS.index(-4))


def flat(level: float, n: int = 1) -> Series:
    """n workloads that use the same in every window."""
    return measured(np.full((n, ALL_WINDOWS), level))


@pytest.mark.parametrize("variant", VARIANTS)
def test_passes_gymnasiums_checks(variant: str) -> None:
    check_env(gymnasium.make("env:SimArena/Season-v0", variant=variant, render_mode="ansi").unwrapped)


def test_passes_stable_baselines3s_checks() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what its import warns about is not ours
        checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(SeasonEnv())


def test_a_window_costs_its_request_kappa_and_the_change() -> None:
    env = SeasonEnv(series=flat(8.0), kappa=2)
    env.reset(seed=1)  # 8 and 15 %, rounded up: 10
    assert env.step(KEEP)[1] == -10 / 8
    _, reward, terminated, _, info = env.step(REMOVE_4)
    assert reward == pytest.approx(-(6 / 8 + 2 + 0.02))
    assert not terminated
    assert info == {"oom": True, "changed": True, "held": 0.75, "cost": -reward, "kind": None}
    assert env.step(ADD_4)[4]["oom"] is False


def test_an_episode_is_truncated_after_four_weeks() -> None:
    env = SeasonEnv()
    env.reset(seed=1)
    ends = [env.step(KEEP)[2:4] for _ in range(WINDOWS)]
    assert ends == [(False, False)] * (WINDOWS - 1) + [(False, True)]
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(KEEP)


def test_a_seed_gives_the_same_workloads_and_each_episode_is_another_one() -> None:
    def starts(seed: int) -> list[bytes]:
        env = SeasonEnv()
        return [env.reset(seed=seed if i == 0 else None)[0].tobytes() for i in range(5)]

    assert starts(3) == starts(3)
    assert len(set(starts(3))) == 5
    assert starts(3) != starts(4)


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 2**62),
    st.sampled_from([*VARIANTS]),
    st.sampled_from(KINDS),
    st.floats(0, 1000),
    st.lists(st.integers(0, len(JUMPS) - 1), min_size=WINDOWS, max_size=WINDOWS),
)
def test_nothing_leaves_the_box(seed: int, variant: str, kind: str, kappa: float, actions: list[int]) -> None:
    env = SeasonEnv(variant, kind, kappa)
    state, info = env.reset(seed=seed)
    for action in actions:
        assert env.observation_space.contains(state)
        assert info["kind"] == kind
        state, reward, _, _, info = env.step(np.int64(action))
        assert reward == -info["cost"] < 0


def test_what_an_agent_sees_is_in_steps_above_its_request() -> None:
    env = SeasonEnv(series=flat(8.0))
    state, _ = env.reset(seed=1)
    seen = dict(zip(FEATURES, state.tolist(), strict=True))
    assert seen["steps_above_1_back"] == seen["steps_above_week_max"] == -1  # 2 steps below, squashed
    assert seen["share_week_mean"] == pytest.approx(2 * 8 / 18)
    assert (seen["time_of_day_0"], seen["time_of_day_1"], seen["weekend"], seen["exceeded_1_back"]) == (1, 0, 0, 0)
    state = env.step(REMOVE_4)[0]
    seen = dict(zip(FEATURES, state.tolist(), strict=True))
    assert (seen["exceeded_1_back"], seen["exceeded_4_back"], seen["time_of_day_1"]) == (1, 0, 1)
    assert seen["steps_above_1_back"] == pytest.approx(2 * 0.6 / 2.6)  # it knows of the peak only that it was above


def test_one_of_many_given_workloads_may_be_chosen() -> None:
    series = measured(np.stack([np.full(ALL_WINDOWS, 4.0), np.full(ALL_WINDOWS, 20.0)]))
    env = SeasonEnv(series=series)
    assert env.reset(seed=1, options={"series": 1})[1]["held"] == 23 / 20
    assert env.reset(options={"series": 0})[1]["held"] == 5 / 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": 1}, r"options\['kind'\]: unknown"),
        ({"series": 1}, "options.* 1: must be the number of one of 1 "),
        ({"series": "x"}, "'x'"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SeasonEnv(series=flat(8.0)).reset(seed=1, options=options)


@pytest.mark.parametrize(
    "wrong",
    [
        {"variant": "disk"},
        {"kind": "dayly"},
        {"kappa": -1},
        {"kappa": float("nan")},
        {"render_mode": "svg"},
        {"series": measured(np.ones((1, 7)))},
        {"series": flat(float("nan"))},
        {"series": measured(np.ones((0, ALL_WINDOWS)))},
        {"series": flat(8.0), "kind": "daily"},
        {"windows": 7},
    ],
)
def test_settings_out_of_range_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=[*wrong][-1]):
        SeasonEnv(**wrong)


@pytest.mark.parametrize("action", [-1, len(JUMPS), 1.5, None])
def test_an_action_that_there_is_not_is_refused(action: Any) -> None:
    env = SeasonEnv()
    env.reset(seed=1)
    with pytest.raises(ConfigError, match="action"):
        env.step(action)


def test_a_line_says_how_a_window_went(capsys: pytest.CaptureFixture[str]) -> None:
    env = SeasonEnv(series=flat(8.0), render_mode="human")
    env.reset(seed=1)
    env.step(KEEP)
    env.step(REMOVE_4)
    assert capsys.readouterr().out.splitlines() == [
        "window 0: reset -> request 2560Mi",
        "window 1: request 2560Mi; use 2Gi; cost 1.25",
        "window 2: request 1536Mi, changed; use above it (OOM-killed); cost 4.77",
    ]


def test_a_picture_shows_what_is_over() -> None:
    env = SeasonEnv("cpu", render_mode="rgb_array")
    assert env.render() is None
    env.reset(seed=1)
    before = env.render()
    for _ in range(WINDOWS):
        env.step(REMOVE_4)
    after = env.render()
    assert isinstance(before, np.ndarray)
    assert isinstance(after, np.ndarray)
    assert before.shape == after.shape == (400, 640, 3)
    assert (before != after).any()
    assert WARM_UP + WINDOWS == ALL_WINDOWS
