"""The Gymnasium environment of a fleet."""

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
from env.fleet.draw import PROBLEM
from env.fleet.features import feature_names
from env.fleet.fleet_env import FleetEnv
from env.fleet.variants import ACTIONS, JUMPS, VARIANTS

FEWER, MORE = JUMPS.index(-1), JUMPS.index(1)
KEEP = np.int64(JUMPS.index(0))


def of_services(number: int) -> Any:
    """A problem that says how many services it has, and nothing else."""
    problems = np.zeros(1, PROBLEM)
    problems["services"] = number
    return problems


def one_service(nodes_worth: int = 4) -> Any:
    """A service whose load is so many nodes of CPU, and starts with a node for each half of it; nothing is lost."""
    problems = np.zeros(1, PROBLEM)
    problem = problems.view(np.recarray)[0]
    problem.services, problem.cpu_m[:], problem.memory_mib[:] = 1, 4000, 1 << 20
    problem.load_cpu_m[0], problem.cpu_offset_m[0], problem.memory_offset_mib[0] = nodes_worth * 4000, 500, 64
    problem.fewest[0], problem.start[0] = nodes_worth, nodes_worth + 1
    return problems


@pytest.mark.parametrize("variant", VARIANTS)
def test_passes_gymnasiums_checks(variant: str) -> None:
    check_env(gymnasium.make("env:SimArena/Fleet-v0", variant=variant, render_mode="ansi").unwrapped)


def test_passes_stable_baselines3s_checks() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what its import warns about is not ours
        checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(FleetEnv())


def test_a_node_that_is_not_needed_any_more_is_drained() -> None:
    env = FleetEnv(problems=one_service())  # 5 pods of 3500m need 5 nodes, 4 pods of 4000m need 4
    _, info = env.reset(seed=1)
    assert (info["nodes"], info["in_use"], info["waiting"]) == (5, 4, 3500 / 4000)
    _, reward, terminated, truncated, info = env.step(np.int64(FEWER))
    assert (info["nodes"], info["in_use"], info["waiting"]) == (4, 3, 1.0)
    assert reward == 1 + 3500 / 4000 - 1
    assert not terminated
    assert not truncated


def test_rewards_add_up_to_nodes_and_waiting_pods_that_are_saved() -> None:
    env = FleetEnv()
    _, info = env.reset(seed=5)
    before = info["in_use"] + info["waiting"]
    rewards = [env.step(np.int64(action))[1] for action in np.random.default_rng(0).integers(42, size=60)]
    info = env.step.__self__._info()  # type: ignore[attr-defined]
    assert sum(rewards) == pytest.approx(before - info["in_use"] - info["waiting"])


def test_an_episode_is_truncated_after_its_replays() -> None:
    env = FleetEnv()
    env.reset(seed=1)
    ends = [env.step(KEEP)[2:4] for _ in range(60)]
    assert ends == [(False, False)] * 59 + [(False, True)]
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(KEEP)


def test_a_seed_gives_the_same_problems_and_each_episode_is_another_one() -> None:
    def starts(seed: int) -> list[bytes]:
        env = FleetEnv()
        return [env.reset(seed=seed if i == 0 else None)[0].tobytes() for i in range(5)]

    assert starts(3) == starts(3)
    assert len(set(starts(3))) == 5
    assert starts(3) != starts(4)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**62), st.sampled_from([*VARIANTS]), st.integers(0, 2**32))
def test_nothing_leaves_the_box_and_masked_actions_change_nothing(seed: int, variant: str, chance: int) -> None:
    env = FleetEnv(variant)
    state, info = env.reset(seed=seed)
    for action in np.random.default_rng(chance).integers(env.action_space.n, size=30):  # type: ignore[attr-defined]
        assert env.observation_space.contains(state)
        before, allowed = info, bool(info["action_mask"][action])
        state, reward, _, _, info = env.step(action)
        assert info["nodes"] <= before["nodes"]
        if not allowed or action % ACTIONS == KEEP:
            assert (reward, info["in_use"], info["waiting"]) == (0, before["in_use"], before["waiting"])


def test_what_an_agent_sees_of_a_service() -> None:
    env = FleetEnv(problems=one_service())
    state, _ = env.reset(seed=1)
    seen = dict(zip(feature_names(VARIANTS["small"]), state.tolist(), strict=True))
    assert (seen["there_1"], seen["there_2"], seen["replicas_2"]) == (1, 0, 0)
    assert seen["cpu_request_1"] == seen["cpu_share_1"] * 4 / 5 == pytest.approx(0.875)
    assert seen["cpu_use_1"] == pytest.approx(0.8)
    assert seen["waiting_share_1"] == pytest.approx(0.2)
    assert seen["stranded_1"] == pytest.approx(0.125)
    assert (seen["changed_1"], seen["steps_left"]) == (0, 1)


def test_one_of_many_given_problems_may_be_chosen() -> None:
    env = FleetEnv(problems=np.concatenate([one_service(4), one_service(6)]))
    assert env.reset(seed=1, options={"problem": 1})[1]["nodes"] == 7
    assert env.reset(options={"problem": 0})[1]["nodes"] == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"series": 1}, r"options\['series'\]: unknown"),
        ({"problem": 1}, "options.* 1: must be the number of one of 1 "),
        ({"problem": "x"}, "'x'"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FleetEnv(problems=one_service()).reset(seed=1, options=options)


@pytest.mark.parametrize(
    "wrong",
    [
        {"variant": "huge"},
        {"render_mode": "svg"},
        {"problems": np.zeros(0, PROBLEM)},
        {"problems": np.zeros(3)},
        {"problems": of_services(7)},
        {"windows": 7},
    ],
)
def test_settings_out_of_range_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=[*wrong][-1]):
        FleetEnv(**wrong)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("neighbours", 4),
        ("neighbour_pods", 31),
        ("fewest", 0),
        ("start", 31),
        ("cpu_m", 0),
        ("memory_offset_mib", 0),
        ("load_cpu_m", -1),
        ("base_memory_mib", 1 << 40),
    ],
)
def test_a_number_out_of_its_range_in_a_given_problem_is_named(name: str, value: int) -> None:
    problems = one_service()
    problems[name] = value
    with pytest.raises(ConfigError, match=f"{name} {value}: must be from"):
        FleetEnv(problems=problems)


@pytest.mark.parametrize("action", [-1, 42, 1.5, None])
def test_an_action_that_there_is_not_is_refused(action: Any) -> None:
    env = FleetEnv()
    env.reset(seed=1)
    with pytest.raises(ConfigError, match="action"):
        env.step(action)


def test_a_line_says_where_the_fleet_stands(capsys: pytest.CaptureFixture[str]) -> None:
    env = FleetEnv(problems=one_service(), render_mode="human")
    env.reset(seed=1)
    env.step(np.int64(FEWER))
    assert capsys.readouterr().out.splitlines() == [
        "step 0: reset -> 4 nodes, 1 pod of 5 of its services wait; all was Ready on 5, at first on 5",
        "step 1: service 1 -1 -> 3 nodes, 1 pod of 4 of its services wait; all was Ready on 4, at first on 5",
    ]


def test_a_picture_shows_the_nodes() -> None:
    env = FleetEnv(problems=one_service(), render_mode="rgb_array")
    assert env.render() is None
    env.reset(seed=1)
    before = env.render()
    env.step(np.int64(FEWER))
    after = env.render()
    assert isinstance(before, np.ndarray)
    assert isinstance(after, np.ndarray)
    assert before.shape == after.shape == (400, 640, 3)
    assert (before != after).any()
