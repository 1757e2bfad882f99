"""Evaluation: what is played, what is counted, and what it is held against."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.kinds import make_agent
from env.actions import CPU_STEP_M, MEMORY_STEP_BYTES, MIN_CPU_M, MIN_MEMORY_BYTES, Action
from env.embedded.closed_form import generated_workload, observe_plain
from env.embedded.cluster import EmbeddedCluster
from env.gym.cluster_env import ClusterEnv
from env.gym.reward import goal
from env.gym.rooms import make_scenario
from env.problems.draw import PROBLEMS
from env.problems.generate import draw_problem, generate_scenario, problem_scenario
from env.problems.nodes import equal_nodes
from env.problems.scenario import Scenario, scenario_from_trace
from env.trace.document import load_trace
from env.workload import Resources
from runner.evaluation.compare import OPTIMUM, compare
from runner.evaluation.evaluate import TOTAL, Played, Score, evaluate, play, play_all, score
from runner.evaluation.measure import measure
from runner.evaluation.yardstick import Yardstick


def played(steps: int, *, solved: bool = True, problem: str = "cpu") -> Played:
    return Played(problem, solved, -1.0, (0,) * steps, Resources(100, 100, 1))


def problems_of(kind: str, count: int = 8) -> list[Scenario]:
    return [generate_scenario(kind, 500 + number) for number in range(count)]


def on_dsb(data: Path, target: int) -> Scenario:
    """A real recording of 27 Deployments, which is not plain; one of them has 10 replicas at its end."""
    trace = load_trace(data / "traces/dsb-scaling.sktrace")
    return scenario_from_trace(trace, name="dsb", deploy="nginx-thrift", target=target, nodes=equal_nodes(4))


@pytest.fixture(scope="session")
def data() -> Path:
    import os

    if "SIM_ARENA_DATA" not in os.environ:
        pytest.skip("SIM_ARENA_DATA is not set")
    return Path(os.environ["SIM_ARENA_DATA"])


def test_scores_are_per_problem_and_of_all() -> None:
    scenarios = [generate_scenario(problem, 1) for problem in ("memory", "cpu", "cpu", "combined")]
    scores = evaluate(make_agent("heuristic", seed=0), scenarios, max_steps=50, seed=0)
    assert [(row.problem, row.n, row.solved) for row in scores] == [
        ("combined", 1, 1), ("cpu", 2, 2), ("memory", 1, 1), ("all", 4, 4),
    ]  # fmt: skip
    assert scores[-1].solved_rate == 1.0


def test_an_evaluation_repeats_and_teaches_nothing() -> None:
    scenarios = [generate_scenario(None, seed) for seed in range(5)]
    for name in ("dqn", "greedy"):
        agent = make_agent(name, seed=1)
        before = agent.state_dict()["env_steps"]
        first, second = (evaluate(agent, scenarios, max_steps=20, seed=3) for _ in range(2))
        assert first == second
        assert agent.state_dict()["env_steps"] == before


def test_chance_in_an_episode_follows_from_the_seed_and_its_number_alone() -> None:
    env = ClusterEnv(problems_of("cpu", 1) * 3, max_steps=30)
    agent = make_agent("random", seed=0)
    whole = play_all(agent, env, range(3), seed=3)
    assert play_all(agent, env, [2], seed=3) == whole[2:]
    assert len({episode.actions for episode in whole}) == 3
    assert play_all(agent, env, range(3), seed=4) != whole


def test_the_score_of_no_episode_is_defined() -> None:
    assert score("cpu", []) == Score("cpu", 0, 0, None, None)
    assert score("cpu", []).solved_rate is None
    assert evaluate(make_agent("noop", seed=0), [], max_steps=5, seed=0) == [score(TOTAL, [])]


def test_an_episode_tells_its_actions_and_where_they_led() -> None:
    problem = draw_problem("cpu", 38)
    env = ClusterEnv([problem_scenario(problem)], max_steps=3)
    episode = play(env, 0, lambda state: Action.REDUCE_CPU_SMALL)
    assert episode.actions == (Action.REDUCE_CPU_SMALL,) * 3
    assert episode.end == problem.start._replace(cpu_m=problem.start.cpu_m - 3 * CPU_STEP_M)
    assert (episode.problem, episode.solved) == ("cpu", False)


def test_ratios_compare_solved_episodes_whose_optimum_is_known() -> None:
    episodes = [played(2), played(6), played(9, solved=False), played(5)]
    row = measure(episodes, fewest=[2, 2, 1, None], over_allocations=[0.1, 0.3, None, None])[-1]
    assert (row.n, row.solved, row.compared) == (4, 3, 2)
    assert row.median_steps_ratio is not None
    assert row.mean_steps_ratio is not None
    assert row.over_allocation is not None
    assert (row.median_steps_ratio.value, row.mean_steps_ratio.value) == (2.0, 2.0)
    assert row.over_allocation.value == pytest.approx(0.2)
    assert row.mean_steps is not None
    assert row.mean_steps.value == 5.5


def test_measures_are_per_problem_in_order_and_then_of_all() -> None:
    episodes = [played(2, problem="memory"), played(3), played(4, problem="memory")]
    rows = measure(episodes, fewest=[2, 3, 2], over_allocations=[None] * 3)
    assert [(row.problem, row.n) for row in rows] == [("cpu", 1), ("memory", 2), ("all", 3)]
    assert rows[1].mean_steps_ratio is not None
    assert rows[1].mean_steps_ratio.value == 1.5


def test_where_nothing_is_solved_there_is_nothing_to_compare() -> None:
    row = measure([played(9, solved=False)], fewest=[1], over_allocations=[None])[-1].as_row()
    assert row["solved_rate"] == 0.0
    assert row["median_steps_ratio"] is row["mean_steps_ratio"] is row["over_allocation"] is None


@pytest.mark.parametrize("kind", PROBLEMS)
def test_the_optimum_solves_everything_in_the_fewest_steps_and_no_rule_beats_it(kind: str) -> None:
    agents = {name: make_agent(name, seed=0) for name in ("heuristic", "random")}
    rows = {name: some[-1] for name, some in compare(agents, problems_of(kind), 100, 0, optimum=True).items()}
    best = rows[OPTIMUM]
    assert best.solved == best.n == best.compared == 8
    assert best.mean_steps_ratio is not None
    assert (best.mean_steps_ratio.low, best.mean_steps_ratio.high) == (1.0, 1.0)
    for row in rows.values():
        assert row.mean_steps_ratio is None or row.mean_steps_ratio.value >= 1.0


def test_the_optimum_of_what_is_solved_at_the_start_is_one_step() -> None:
    problem = draw_problem("cpu", 38)
    healthy = problem_scenario(replace(problem, start=problem.goal))
    rows = compare({"noop": make_agent("noop", seed=0)}, [healthy], 100, 0, optimum=True)
    for row in (rows["noop"][-1], rows[OPTIMUM][-1]):
        assert row.solved == 1
        assert row.mean_steps is not None
        assert row.mean_steps.value == 1.0
        assert row.mean_steps_ratio is not None
        assert row.mean_steps_ratio.value == 1.0


@settings(max_examples=100)
@given(st.sampled_from(PROBLEMS), st.integers(0, 2**63 - 1), st.integers(0, 6), st.integers(0, 6))
def test_what_is_held_without_need_is_what_whole_actions_can_take_away(
    kind: str, seed: int, more_cpu: int, more_memory: int
) -> None:
    problem = draw_problem(kind, seed)
    nodes = problem.nodes
    asked = problem.goal._replace(
        cpu_m=problem.goal.cpu_m + more_cpu * CPU_STEP_M,
        memory_bytes=problem.goal.memory_bytes + more_memory * MEMORY_STEP_BYTES,
    )
    found = Yardstick(problem_scenario(problem), EmbeddedCluster()).over_allocation(asked)
    if not goal(observe_plain(generated_workload(problem), asked), problem.target):
        assert found is None
        return
    assert found is not None
    cpu = (asked.cpu_m - max(problem.cpu_use_m, MIN_CPU_M)) // CPU_STEP_M * CPU_STEP_M
    memory = asked.memory_bytes - max(problem.memory_use_bytes, MIN_MEMORY_BYTES)
    memory = memory // MEMORY_STEP_BYTES * MEMORY_STEP_BYTES
    cpu_share = cpu * asked.replicas / (nodes.count * nodes.cpu_m)
    memory_share = memory * asked.replicas / (nodes.count * nodes.memory_bytes)
    assert found == pytest.approx((cpu_share + memory_share) / 2)
    assert 0 <= found <= 1


def test_a_recording_is_held_against_the_shortest_way_that_a_search_finds(data: Path) -> None:
    yardstick = Yardstick(on_dsb(data, target=12), EmbeddedCluster())
    up, down = int(Action.SCALE_UP_REPLICAS), int(Action.SCALE_DOWN_REPLICAS)
    assert yardstick.shortest([]) is None
    assert yardstick.shortest([[up, up, up, down], [up] * 2 + [0] * 7]) == [up, up]
    assert yardstick.shortest([[up, up]]) == [up, up]


def test_a_recording_that_is_as_wanted_needs_no_action(data: Path) -> None:
    assert Yardstick(on_dsb(data, target=10), EmbeddedCluster()).shortest([[0, 3, 6]]) == []


def test_what_a_recording_holds_without_need_is_found_by_replays(data: Path) -> None:
    scenario = on_dsb(data, target=10)
    cluster = EmbeddedCluster()
    asked = cluster.observe(scenario, None).resources._replace(cpu_m=1500)
    found = Yardstick(scenario, cluster).over_allocation(asked)
    nodes = scenario.nodes
    cpu = 10 * 1000 / nodes.total[0]
    memory = 10 * 3 * MEMORY_STEP_BYTES / nodes.total[1]
    assert found == pytest.approx((cpu + memory) / 2)


def test_a_row_whose_optimum_is_not_known_says_so(data: Path) -> None:
    rows = compare({"noop": make_agent("noop", seed=0)}, [on_dsb(data, target=12)], 3, 0, optimum=True)
    assert rows["noop"][-1].compared == 0
    assert rows["noop"][-1].median_steps_ratio is None
    assert rows[OPTIMUM][-1].n == 0


def test_a_neighbour_that_is_broken_at_the_end_counts_where_there_are_neighbours() -> None:
    alone, whole, broken = (replace(played(2, solved=False), broken=pods) for pods in (None, 0, 3))
    row = measure([alone, whole, broken], [None] * 3, [None] * 3)[-1]
    assert row.shared == 2
    assert row.broken_rate is not None
    assert row.broken_rate.value == 0.5
    assert measure([alone], [None], [None])[-1].broken_rate is None


def test_an_agent_that_looks_at_its_own_pods_only_breaks_neighbours_in_a_shared_cluster() -> None:
    scenarios = [make_scenario("others-after", seed) for seed in range(1, 16)]
    agents = {"autoscaler": make_agent("autoscaler", seed=0)}
    rows = compare(agents, scenarios, max_steps=30, seed=0, optimum=True)
    blind, best = rows["autoscaler"][-1], rows[OPTIMUM][-1]
    assert blind.broken_rate is not None
    assert best.broken_rate is not None
    assert blind.broken_rate.value > best.broken_rate.value == 0.0
