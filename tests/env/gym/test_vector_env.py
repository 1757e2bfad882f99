from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st

from env.actions import Action
from env.embedded.closed_form import plain_workload
from env.errors import ClusterError, ConfigError
from env.gym import reward
from env.gym.cluster_env import ClusterEnv
from env.gym.reward import REWARDS
from env.gym.vector_env import ClusterVectorEnv
from env.jit import compiled_with
from env.problems.draw import PROBLEMS
from env.problems.generate import generate_scenario
from env.problems.scenario import Scenario, scenario_from_trace
from env.trace.document import Manifest, Trace, load_trace

MakeDeployment = Callable[..., Manifest]
MakeTrace = Callable[..., Trace]
MakeScenario = Callable[..., Scenario]

RESOURCES = ("cpu_m", "memory_bytes", "replicas")


@pytest.fixture
def mixed(trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario) -> list[Scenario]:
    """Three plain scenarios, and one that needs a replay: the Deployment is applied twice."""
    replayed = scenario(trace([deployment(cpu="17")], [deployment(cpu="17", replicas=4)]))
    assert plain_workload(replayed) is None
    return [generate_scenario("memory", 2), replayed, generate_scenario("combined", 2), generate_scenario("cpu", 3)]


def assert_equal_to_single_envs(num_envs: int, seed: int, steps: int, **kwargs: Any) -> None:
    """Step ClusterVectorEnv and Gymnasium's SyncVectorEnv of ClusterEnv with the same actions; compare every bit."""
    many = ClusterVectorEnv(num_envs, **kwargs)
    one_by_one = SyncVectorEnv([lambda: ClusterEnv(**kwargs)] * num_envs)
    states, info = many.reset(seed=seed)
    expected_states, expected_info = one_by_one.reset(seed=seed)
    results: tuple[Any, ...] = (states,)
    expected: tuple[Any, ...] = (expected_states,)
    actions = np.random.default_rng(seed).integers(len(Action), size=(steps, num_envs))
    for step in range(steps + 1):
        for ours, theirs in zip(results, expected, strict=True):
            assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
            assert ours.tobytes() == theirs.tobytes()
        for key in ("is_success", "target"):
            assert np.array_equal(info[key], expected_info[key])
            assert info["_" + key].all()
        for i, seen in enumerate(expected_info["observation"]):
            assert many.observation(i) == seen
            assert [info[key][i] for key in ("ready", "pending", "total")] == [seen.ready, seen.pending, seen.total]
            assert tuple(info[key][i] for key in RESOURCES) == seen.resources
            assert many.scenario(i).name == expected_info["scenario"][i]
        outcomes = expected_info.get("outcome", [None] * num_envs)
        assert [bool(outcome and outcome.blocked) for outcome in outcomes] == info["blocked"].tolist()
        if step < steps:
            *results, info = many.step(actions[step])  # type: ignore[assignment]
            *expected, expected_info = one_by_one.step(actions[step])  # type: ignore[assignment]


@pytest.mark.parametrize("events", [1, 2])
def test_limits_are_safeguards_as_in_the_single_environment(
    events: int, trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    limited = deployment(cpu="500m", memory="1Gi")
    limits = {"cpu": "1200m", "memory": "1300Mi"}
    limited["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] = limits
    one = scenario(trace(*[[limited]] * events), target=4)
    assert (plain_workload(one) is not None) == (events == 1)
    assert_equal_to_single_envs(4, 7, 40, scenarios=[one], max_steps=15)
    env = ClusterEnv([one])
    env.reset(seed=0)
    reasons = [env.step(np.int64(Action.BUMP_CPU_SMALL))[4]["outcome"].reason for _ in range(2)]
    assert reasons == [None, "cpu 1500m would exceed the limit 1200m of container web"]


@settings(max_examples=25)
@given(st.integers(0, 2**64), st.integers(1, 7), st.sampled_from(REWARDS), st.integers(1, 12))
def test_generated_scenarios_step_as_in_the_single_environment(
    seed: int, num_envs: int, reward: str, max_steps: int
) -> None:
    assert_equal_to_single_envs(num_envs, seed, 30, reward=reward, max_steps=max_steps)


@pytest.mark.parametrize("reward", REWARDS)
def test_given_scenarios_step_as_in_the_single_environment(reward: str, mixed: list[Scenario]) -> None:
    assert_equal_to_single_envs(9, 5, 60, scenarios=mixed, reward=reward, max_steps=7)


def test_recorded_scenarios_step_as_in_the_single_environment(data: Path) -> None:
    paths = sorted((data / "traces/sim-arena").glob("trace-*.msgpack"))
    scenarios = [scenario_from_trace(load_trace(path), name=path.stem, target=3) for path in paths]
    assert_equal_to_single_envs(16, 1, 100, scenarios=scenarios, max_steps=20)


def test_a_goal_at_the_start_is_a_success_and_no_end(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    envs = ClusterVectorEnv(2, [scenario(trace([deployment()]))])
    _, info = envs.reset(seed=1)
    assert info["is_success"].all()
    _, rewards, terminated, _, _ = envs.step(np.array([0, 4]))
    assert (rewards.tolist(), terminated.tolist()) == ([1.0, 1.0], [True, True])


def test_it_is_made_by_gymnasium_and_says_how_it_resets() -> None:
    envs = gymnasium.make_vec("env:SimArena/Cluster-v0", num_envs=3, reward="base", max_steps=5)
    assert isinstance(envs.unwrapped, ClusterVectorEnv)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert envs.observation_space.shape == (3, *envs.single_observation_space.shape)
    states, _ = envs.reset(seed=1)
    assert envs.observation_space.contains(states)
    states, *_ = envs.step(envs.action_space.sample())
    assert envs.observation_space.contains(states)


def test_gymnasiums_wrappers_take_it() -> None:
    envs = gymnasium.wrappers.vector.RecordEpisodeStatistics(ClusterVectorEnv(4, max_steps=5))
    envs.reset(seed=1)
    infos = [envs.step(np.zeros(4, np.int64))[-1] for _ in range(5)]
    assert infos[-1]["episode"]["l"].tolist() == [5, 5, 5, 5]


def test_results_are_not_overwritten_by_the_next_step() -> None:
    envs = ClusterVectorEnv(4)
    first = envs.reset(seed=1)[0]
    kept = first.copy()
    second, _rewards, *_ = envs.step(np.full(4, Action.SCALE_UP_REPLICAS))
    envs.step(np.full(4, Action.REDUCE_CPU_SMALL))
    assert np.array_equal(first, kept)
    assert not np.array_equal(first, second)


def test_a_reset_without_a_seed_goes_on_with_other_scenarios() -> None:
    envs = ClusterVectorEnv(8)
    first = envs.reset(seed=1)[0]
    assert not np.array_equal(envs.reset()[0], first)
    assert np.array_equal(envs.reset(seed=1)[0], first)


def test_seeds_may_be_given_one_by_one() -> None:
    envs = ClusterVectorEnv(3)
    consecutive = envs.reset(seed=5)[0]
    assert np.array_equal(envs.reset(seed=[7, 6, 5])[0], consecutive[::-1])
    kept, replaced = envs.scenario(0).name, envs.scenario(1).name
    envs.reset(seed=[None, 6, 5])
    assert (envs.scenario(0).name == kept, envs.scenario(1).name == replaced) == (False, True)


def test_without_any_seed_lanes_differ() -> None:
    envs = ClusterVectorEnv(50)
    envs.reset()
    assert len({envs.scenario(i).name for i in range(50)}) == 50


def test_generated_lanes_cover_all_problems() -> None:
    envs = ClusterVectorEnv(60)
    envs.reset(seed=1)
    assert {envs.scenario(i).problem for i in range(60)} == set(PROBLEMS)


def test_one_scenario_may_be_chosen_for_all(mixed: list[Scenario]) -> None:
    envs = ClusterVectorEnv(5, mixed)
    envs.reset(seed=1, options={"scenario": 2})
    assert {envs.scenario(i).name for i in range(5)} == {mixed[2].name}


@pytest.mark.parametrize("number", [0, 1])
def test_render_is_what_the_single_environment_renders(number: int, mixed: list[Scenario]) -> None:
    envs = ClusterVectorEnv(2, mixed, render_mode="ansi")
    single = ClusterEnv(mixed, render_mode="ansi")
    assert envs.render() is None
    envs.reset(seed=1, options={"scenario": number})
    single.reset(options={"scenario": number})
    for action in (Action.NOOP, *[Action.BUMP_CPU_SMALL] * 40):
        assert envs.render() == (single.render(),) * 2
        envs.step(np.full(2, action))
        single.step(np.int64(action))
    assert "blocked" in str(envs.render())


@pytest.mark.parametrize(
    "setting",
    [
        {"num_envs": 0},
        {"num_envs": 2**21},
        {"scenarios": []},
        {"reward": "best"},
        {"max_steps": 0},
        {"max_steps": 1.5},
        {"max_steps": 2**70},
    ],
)
def test_settings_that_do_not_fit_are_errors(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        ClusterVectorEnv(**setting)


@pytest.mark.parametrize(
    "actions", [np.array([0, 7]), np.array([-1, 0]), np.array([0, 0, 0]), np.array([0.0, 1.0]), np.int64(0)]
)
def test_actions_that_do_not_exist_are_errors(actions: Any) -> None:
    envs = ClusterVectorEnv(2)
    envs.reset(seed=1)
    with pytest.raises(ConfigError, match="actions"):
        envs.step(actions)


def test_what_is_not_there_cannot_be_chosen(mixed: list[Scenario]) -> None:
    with pytest.raises(ConfigError, match="scenario"):
        ClusterVectorEnv(2, mixed).reset(options={"scenario": 4})
    with pytest.raises(ConfigError, match="generates its scenarios"):
        ClusterVectorEnv(2).reset(options={"scenario": 0})
    with pytest.raises(ConfigError, match="seed"):
        ClusterVectorEnv(2).reset(seed=[1, 2, 3])
    with pytest.raises(ConfigError, match="scenario"):
        ClusterVectorEnv(2, mixed).reset(options={"scenario": 1.0})
    with pytest.raises(ConfigError, match=r"seed 1\.5"):
        ClusterVectorEnv(2).reset(seed=[0, 1.5])  # type: ignore[list-item]
    with pytest.raises(ConfigError, match="seed -1"):
        ClusterVectorEnv(2).reset(seed=[0, -1])


def test_a_reset_of_some_environments_alone_is_refused() -> None:
    envs = ClusterVectorEnv(2)
    envs.reset(seed=1)
    with pytest.raises(ConfigError, match="reset_mask"):
        envs.reset(options={"reset_mask": np.array([True, False])})


def test_seeds_may_be_an_array() -> None:
    envs = ClusterVectorEnv(2)
    assert np.array_equal(envs.reset(seed=np.array([5, 6]))[0], envs.reset(seed=5)[0])  # type: ignore[arg-type]


def test_a_request_that_no_lane_can_hold_is_an_error(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    envs = ClusterVectorEnv(2, [scenario(trace([deployment(memory=str(2**63 - 1))]))])
    with pytest.raises(ClusterError, match="more than"):
        envs.reset(seed=1)


def test_stepping_needs_a_reset() -> None:
    with pytest.raises(gymnasium.error.ResetNeeded):
        ClusterVectorEnv(1).step(np.array([0]))


@pytest.mark.parametrize("module", ["env", "env.gym.cluster_env", "env.problems.generate", "env.embedded.closed_form"])
def test_a_single_environment_needs_no_compiler(module: str) -> None:
    program = f"import {module}, sys; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3], env=dict(os.environ))


def test_the_functions_to_compile_are_found_by_following_calls() -> None:
    callees, _ = compiled_with(reward.cost_aware_v2)
    assert {each.__name__ for each in callees} == {"goal", "health_less_cost", "request_cost", "clip"}


def test_a_constant_that_changes_is_compiled_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = compiled_with(reward.max_punish)
    monkeypatch.setattr(reward, "MAX_CPU_M", 1)
    after = compiled_with(reward.max_punish)
    assert after[0] == before[0]
    assert after[1] != before[1]


@pytest.mark.parametrize("problem", ["over-allocation", "memory"])
def test_one_kind_of_problems_may_be_chosen(problem: str) -> None:
    assert_equal_to_single_envs(6, 3, 30, problem=problem, max_steps=9)


@pytest.mark.parametrize("problem", ["rooms", "apart"])
def test_rooms_are_not_generated_in_the_compiled_loop(problem: str) -> None:
    with pytest.raises(ConfigError, match="vectorization_mode"):
        ClusterVectorEnv(2, problem=problem)
    with pytest.raises(ConfigError, match="unknown"):
        ClusterVectorEnv(2, problem="no such")
