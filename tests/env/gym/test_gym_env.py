from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from env.actions import Action
from env.embedded.cluster import EmbeddedCluster
from env.errors import ClusterError, ConfigError
from env.gym.cluster_env import ClusterEnv
from env.gym.features import state_vector
from env.gym.reward import REWARDS, reward
from env.observation import Observation
from env.problems.draw import PROBLEMS
from env.problems.generate import draw_problem, generate_scenario, problem_scenario
from env.problems.scenario import Scenario, scenario_from_trace
from env.trace.document import Manifest, Trace, load_trace
from env.workload import Resources

MakeDeployment = Callable[..., Manifest]
MakeTrace = Callable[..., Trace]
MakeScenario = Callable[..., Scenario]


@pytest.fixture
def problem(trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario) -> Scenario:
    """Three pods of 17 CPU: solved by reducing CPU twice."""
    return scenario(trace([deployment(cpu="17")]))


@pytest.mark.parametrize("reward_name", REWARDS)
def test_passes_gymnasiums_checks(reward_name: str) -> None:
    env = gymnasium.make("env:SimArena/Cluster-v0", reward=reward_name, render_mode="ansi")
    check_env(env.unwrapped)


def test_passes_stable_baselines3s_checks() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what its import warns about is not ours
        checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(ClusterEnv())


def test_real_traces_pass_gymnasiums_checks(data: Path) -> None:
    paths = sorted((data / "traces/sim-arena").glob("trace-*.msgpack"))
    scenarios = [scenario_from_trace(load_trace(path), name=path.stem, target=3) for path in paths]
    check_env(gymnasium.make("env:SimArena/Cluster-v0", scenarios=scenarios).unwrapped)


def test_an_episode_ends_at_the_goal(problem: Scenario) -> None:
    env = ClusterEnv([problem])
    state, info = env.reset(seed=1)
    assert np.array_equal(state, state_vector(info["observation"], 3))
    assert (info["scenario"], info["target"], info["problem"], info["is_success"]) == ("test", 3, None, False)
    assert info["outcome"] is None
    _, value, terminated, truncated, _ = env.step(np.int64(Action.REDUCE_CPU_SMALL))
    assert (value, terminated, truncated) == (pytest.approx(-0.45), False, False)
    _, value, terminated, truncated, info = env.step(np.int64(Action.REDUCE_CPU_SMALL))
    assert (value, terminated, truncated, info["is_success"]) == (1, True, False, True)
    assert info["observation"].resources.cpu_m == 16_000


def test_an_episode_is_cut_after_its_steps(problem: Scenario) -> None:
    env = ClusterEnv([problem], max_steps=3)
    env.reset(seed=1)
    assert [env.step(np.int64(Action.NOOP))[2:4] for _ in range(3)] == [(False, False), (False, False), (False, True)]


def test_a_goal_in_the_last_step_is_terminated_and_truncated(problem: Scenario) -> None:
    env = ClusterEnv([problem], max_steps=2)
    env.reset(seed=1)
    env.step(np.int64(Action.REDUCE_CPU_SMALL))
    assert env.step(np.int64(Action.REDUCE_CPU_SMALL))[2:4] == (True, True)


def test_the_reward_belongs_to_the_action_of_its_step(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    env = ClusterEnv([scenario(trace([deployment(replicas=5)]))], reward="cost_aware_v2")
    env.reset(seed=1)
    blocked = env.step(np.int64(Action.REDUCE_CPU_SMALL))
    noop = env.step(np.int64(Action.NOOP))
    assert blocked[4]["outcome"].blocked
    assert blocked[1] == pytest.approx(noop[1] - 0.12)


def test_every_reset_starts_from_the_record(problem: Scenario) -> None:
    env = ClusterEnv([problem])
    first = env.reset(seed=1)[0]
    env.step(np.int64(Action.SCALE_UP_REPLICAS))
    assert np.array_equal(env.reset()[0], first)


def test_the_same_seed_gives_the_same_episodes() -> None:
    def episode() -> Iterator[Any]:
        env = ClusterEnv()
        env.reset(seed=7)
        for reset in (True, False):
            yield env.reset()[1]["scenario"] if reset else None
            for action in (3, 1, 4, 1, 5):
                state, value, *_ = env.step(np.int64(action))
                yield state.tobytes(), value

    assert list(episode()) == list(episode())


def test_fresh_scenarios_cover_all_problems() -> None:
    env = ClusterEnv()
    env.reset(seed=1)
    assert {env.reset()[1]["problem"] for _ in range(60)} == set(PROBLEMS)


def test_a_scenario_is_drawn_or_chosen() -> None:
    scenarios = [generate_scenario("cpu", seed) for seed in range(3)]
    env = ClusterEnv(scenarios)
    env.reset(seed=1)
    assert {env.reset()[1]["scenario"] for _ in range(40)} == {each.name for each in scenarios}
    assert env.reset(options={"scenario": 2})[1]["scenario"] == "cpu-2"


@pytest.mark.parametrize("number", [-1, 3])
def test_a_scenario_that_is_not_there_is_an_error(number: int, problem: Scenario) -> None:
    with pytest.raises(ConfigError, match="scenario"):
        ClusterEnv([problem]).reset(options={"scenario": number})
    with pytest.raises(ConfigError, match="generates its scenarios"):
        ClusterEnv().reset(options={"scenario": 0})


@pytest.mark.parametrize(
    "settings",
    [{"scenarios": []}, {"reward": "best"}, {"max_steps": 0}, {"max_steps": 1.5}, {"render_mode": "svg"}],
)
def test_settings_that_do_not_fit_are_errors(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        ClusterEnv(**settings)


@pytest.mark.parametrize("action", [7, -1, 1.5, "noop"])
def test_an_action_that_does_not_exist_is_an_error(action: Any, problem: Scenario) -> None:
    env = ClusterEnv([problem])
    env.reset(seed=1)
    with pytest.raises(ConfigError, match="action"):
        env.step(action)


def test_stepping_needs_a_reset(problem: Scenario) -> None:
    with pytest.raises(gymnasium.error.ResetNeeded):
        ClusterEnv([problem]).step(np.int64(0))


class BlindCluster:
    """Observes once; after that nothing can be seen any more."""

    def __init__(self) -> None:
        self.embedded = EmbeddedCluster()
        self.closed = False

    def observe(self, scenario: Scenario, resources: Resources | None) -> Observation:
        if resources is not None:
            raise ClusterError("the API server does not answer")
        return self.embedded.observe(scenario, resources)

    def why(self, scenario: Scenario, resources: Resources | None) -> tuple[str, ...]:
        return self.embedded.why(scenario, resources)

    def close(self) -> None:
        self.closed = True


def test_a_step_that_cannot_observe_raises_and_scores_nothing(problem: Scenario) -> None:
    env = ClusterEnv([problem], cluster=BlindCluster())
    env.reset(seed=1)
    with pytest.raises(ClusterError):
        env.step(np.int64(Action.NOOP))


class CountingCluster(EmbeddedCluster):
    """Counts its observations."""

    def __init__(self) -> None:
        super().__init__()
        self.observations = 0

    def observe(self, scenario: Scenario, resources: Resources | None) -> Observation:
        self.observations += 1
        return super().observe(scenario, resources)


@pytest.mark.parametrize("generated", [True, False])
def test_a_cluster_that_was_given_observes_every_step(generated: bool, problem: Scenario) -> None:
    cluster = CountingCluster()
    env = ClusterEnv(None if generated else [problem], cluster=cluster)
    env.reset(seed=1)
    for _ in range(3):
        env.step(np.int64(Action.NOOP))
    assert cluster.observations == 4


@pytest.mark.parametrize("seed", range(5))
def test_computed_and_replayed_episodes_are_the_same(seed: int) -> None:
    computed, replayed = ClusterEnv(), ClusterEnv(cluster=EmbeddedCluster())
    assert computed.reset(seed=seed)[1] == replayed.reset(seed=seed)[1]
    for action in np.random.default_rng(seed).integers(len(Action), size=20):
        ours, theirs = computed.step(action), replayed.step(action)
        assert ours[0].tobytes() == theirs[0].tobytes()
        assert ours[1:] == theirs[1:]


def test_failing_pods_are_named_where_an_episode_is_rendered() -> None:
    too_little = next(p for p in (draw_problem("memory", seed) for seed in range(20)) if p.goal > p.start)
    env = ClusterEnv([problem_scenario(too_little)], render_mode="ansi")
    env.reset(seed=1)
    assert f"0 ready, 0 pending, {too_little.target} OOM-killed" in str(env.render())


def test_a_cluster_that_was_given_is_not_closed(problem: Scenario) -> None:
    cluster = BlindCluster()
    ClusterEnv([problem], cluster=cluster).close()
    assert not cluster.closed


def test_render_says_in_one_line_where_the_episode_stands(problem: Scenario) -> None:
    env = ClusterEnv([problem], render_mode="ansi")
    assert env.render() is None
    env.reset(seed=1)
    assert env.render() == "test step 0: reset -> 3 x 17, 512Mi: 0 ready, 3 pending, target 3"
    env.step(np.int64(Action.BUMP_CPU_SMALL))
    assert env.render() == (
        "test step 1: bump_cpu_small (blocked: cpu 17500m would exceed the maximum 16000m)"
        " -> 3 x 17, 512Mi: 0 ready, 3 pending, target 3"
    )


def test_the_info_explains_the_reward(problem: Scenario) -> None:
    env = ClusterEnv([problem], reward="max_punish")
    env.reset(seed=1)
    _, value, _, _, info = env.step(np.int64(Action.REDUCE_CPU_SMALL))
    assert value == reward("max_punish", info["observation"], info["target"], info["outcome"])


@pytest.mark.parametrize(
    "program",
    [
        "import env, gymnasium; gymnasium.make('SimArena/Cluster-v0')",
        "import env, gymnasium; gymnasium.make('env:SimArena/Cluster-v0')",
        "import gymnasium; gymnasium.make('env:SimArena/Cluster-v0')",
        "import env.actions, gymnasium.spaces; gymnasium.make('env:SimArena/Cluster-v0')",
        "import env.gym.cluster_env, gymnasium; gymnasium.make('SimArena/Cluster-v0')",
    ],
)
def test_importing_env_registers_it_in_any_order(program: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, cwd=Path(__file__).parents[3])
