"""The benchmark's scenarios: what they are, that they stay the same, and that nothing else draws them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.kinds import make_agent
from env.embedded.closed_form import plain_workload
from env.embedded.cluster import EmbeddedCluster
from env.errors import ConfigError
from env.gym.cluster_env import ClusterEnv
from env.problems.draw import PROBLEMS, draw
from env.problems.generate import GeneratedProblem, draw_problem
from env.problems.rooms.kinds import ROOMS
from env.trace.document import read_trace
from runner.benchmark.hostile import NAME, TEXT
from runner.benchmark.scenarios import (
    HOSTILE,
    NO_FAULT,
    ROOM,
    STREAM,
    TYPES,
    BenchmarkScenario,
    _drawn,
    chosen,
    registry,
    registry_hash,
)
from runner.evaluation.evaluate import play_all
from runner.evaluation.suite import OF_EACH_KIND, SUITE_SEED
from runner.evaluation.yardstick import Yardstick
from runner.training import validation

STEPS = 10


@pytest.fixture(scope="module")
def rows() -> tuple[BenchmarkScenario, ...]:
    return registry()


def test_the_published_scenarios_never_change(rows: tuple[BenchmarkScenario, ...]) -> None:
    """Results are compared over years: a change of this line makes all earlier ones incomparable; say so."""
    docs = Path(__file__).parents[3] / "docs" / "llm-benchmark.md"
    assert registry_hash(rows) in docs.read_text()
    assert registry_hash(rows) == "a67c196dcc1fcda27d4dc2b65bcbf0193ea3302524aaf68e0c502a6fd419a1a6"


def test_every_type_is_there_with_names_of_its_own(rows: tuple[BenchmarkScenario, ...]) -> None:
    assert Counter(row.problem_type for row in rows) == dict.fromkeys(PROBLEMS, 4) | {ROOM: 12, NO_FAULT: 5, HOSTILE: 6}
    assert len({row.name for row in rows}) == len(rows)
    assert len({row.sha256 for row in rows}) == len(rows)


def test_every_scenario_is_solved_by_its_solution_within_ten_steps(rows: tuple[BenchmarkScenario, ...]) -> None:
    env = ClusterEnv([row.scenario for row in rows], max_steps=STEPS)
    for number, row in enumerate(rows):
        _, info = env.reset(options={"scenario": number})
        for action in row.solution or (0,):
            assert info["is_success"] == row.is_control, row.name
            info = env.step(action)[-1]  # type: ignore[arg-type]
        assert info["is_success"], row.name
        assert row.optimum_steps <= STEPS


def test_no_shorter_list_of_actions_solves_one(rows: tuple[BenchmarkScenario, ...]) -> None:
    cluster = EmbeddedCluster()
    for row in rows:
        found = Yardstick(row.scenario, cluster).shortest([row.solution])
        assert len(found or []) == row.least_actions == len(row.solution)


def test_a_control_is_solved_from_the_start(rows: tuple[BenchmarkScenario, ...]) -> None:
    controls = [row for row in rows if row.is_control]
    assert {row.problem_type for row in controls} == {NO_FAULT, HOSTILE}
    assert all(row.solution == () and row.difficulty == "none" for row in controls)


def test_hostile_text_changes_nothing_but_the_text(rows: tuple[BenchmarkScenario, ...]) -> None:
    """An agent that reads numbers only plays it exactly as the row without the text."""
    by_name = {row.name: row for row in rows}
    for row in (row for row in rows if row.problem_type == HOSTILE):
        env = ClusterEnv([row.scenario, by_name[row.twin or ""].scenario], max_steps=STEPS)
        with_text, without = play_all(make_agent("heuristic", seed=0), env, [0, 1], seed=0)
        assert with_text == without


def test_hostile_text_is_in_the_trace_or_on_the_nodes(rows: tuple[BenchmarkScenario, ...]) -> None:
    for row in (row for row in rows if row.problem_type == HOSTILE):
        seen = repr(row.scenario.trace.document) + repr(row.scenario.nodes)
        assert NAME in seen or TEXT[:40] in seen, row.name


def test_what_hostile_text_demands_solves_nothing(rows: tuple[BenchmarkScenario, ...]) -> None:
    demanding = [row for row in rows if row.demands is not None]
    assert [row.problem_type for row in demanding] == [HOSTILE] * 6
    assert all(row.demands not in row.solution for row in demanding)


def test_every_trace_is_one_that_simkube_reads(rows: tuple[BenchmarkScenario, ...]) -> None:
    for row in rows:
        assert read_trace(row.scenario.trace.to_bytes(), row.name).document == row.scenario.trace.document
        assert (plain_workload(row.scenario) is None) == (row.problem_type == ROOM)


def test_neither_the_standard_suite_nor_validation_has_one(rows: tuple[BenchmarkScenario, ...]) -> None:
    """By seed, and by the numbers that another seed might draw."""
    suite = [draw_problem(kind, SUITE_SEED + number) for kind in PROBLEMS for number in range(OF_EACH_KIND)]
    others = suite + [draw_problem(None, validation.SEED + number) for number in range(validation.PROBLEMS)]
    problems = [_problem(row) for row in rows if row.problem_type != ROOM]
    assert not {problem.seed for problem in others} & {problem.seed for problem in problems}
    assert not {_numbers(problem) for problem in others} & {_numbers(problem) for problem in problems}


def test_a_training_meets_one_with_a_probability_of_less_than_one_in_a_thousand_million(
    rows: tuple[BenchmarkScenario, ...],
) -> None:
    """Trainings draw seeds evenly from 2^63 and the kind from the seed, so only a row of that kind can be met."""
    episodes = 10**6
    seeds = {row.seed for row in rows}
    assert len(seeds) == len(rows) - 6  # hostile rows are problems of others
    assert min(seeds) > 2**50, "chosen by nobody, and far from the suites"
    assert episodes * len(seeds) / 2**63 < 1e-9


def test_requests_err_in_both_directions(rows: tuple[BenchmarkScenario, ...]) -> None:
    """Pods that are killed or starved, and pods that no node takes."""
    cluster = EmbeddedCluster()
    for kind in ("cpu", "memory"):
        seen = [cluster.observe(row.scenario, None) for row in rows if row.problem_type == kind]
        assert [bool(each.oom_killed or each.cpu_starved) for each in seen].count(True) == 2
        assert [bool(each.pending) for each in seen].count(True) == 2


def test_a_row_does_not_depend_on_the_others(rows: tuple[BenchmarkScenario, ...]) -> None:
    """So that rows can be added without a change of those that are there."""
    assert len({row.seed for row in rows if row.channel is None}) == len(rows) - 6
    (alone,) = (row for row in registry() if row.name == "combined-8")
    assert alone.seed == _drawn("combined-8", "combined", "combined", 8, STREAM).seed


def test_another_stream_has_other_scenarios_of_the_same_kinds_and_lengths(rows: tuple[BenchmarkScenario, ...]) -> None:
    others = registry(STREAM + 1)
    facts = [(row.name, row.problem_type, row.least_actions) for row in rows]
    assert [(row.name, row.problem_type, row.least_actions) for row in others] == facts
    assert not {row.seed for row in others} & {row.seed for row in rows}


def test_scenarios_are_chosen_by_name_and_type(rows: tuple[BenchmarkScenario, ...]) -> None:
    assert [row.name for row in chosen(rows, ["memory-1", "cpu-1"], None)] == ["cpu-1", "memory-1"]
    assert {row.problem_type for row in chosen(rows, [], "cpu")} == {"cpu"}
    assert chosen(rows, ["memory-1"], "cpu") == []
    assert chosen(rows, [], None) == list(rows)


@pytest.mark.parametrize(("names", "problem_type"), [(["cpu-11"], None), ([], "cpus")])
def test_an_unknown_one_is_refused_with_the_nearest(
    rows: tuple[BenchmarkScenario, ...], names: list[str], problem_type: str | None
) -> None:
    with pytest.raises(ConfigError, match="did you mean 'cpu"):
        chosen(rows, names, problem_type)


def test_the_list_is_printed_as_a_table_and_as_json(cli: Callable[..., Any]) -> None:
    table = cli("benchmark", "--list-scenarios", "--filter-type", "cpu")
    assert table.code == 0
    assert [line.split()[0] for line in table.out.splitlines()] == ["name", "cpu-1", "cpu-3", "cpu-5", "cpu-8"]
    document = cli("benchmark", "--list-scenarios", "--scenario", "no-fault-cpu", "--json")
    assert '"least_actions": 0' in document.out


def test_the_types_of_the_option_are_those_of_the_list(cli: Callable[..., Any]) -> None:
    found = cli("benchmark", "--list-scenarios", "--filter-type", "none")
    assert found.code == 2
    assert all(name in found.err for name in TYPES)


def test_two_choices_without_a_scenario_are_nothing_to_do(cli: Callable[..., Any]) -> None:
    assert cli("benchmark", "--list-scenarios", "--scenario", "cpu-1", "--filter-type", "memory").code == 3


def test_there_is_a_room_of_every_kind(rows: tuple[BenchmarkScenario, ...]) -> None:
    assert [row.scenario.problem for row in rows if row.problem_type == ROOM] == [*ROOMS]


def _problem(row: BenchmarkScenario) -> GeneratedProblem:
    return draw_problem(row.scenario.problem, row.seed)


def _numbers(problem: GeneratedProblem) -> tuple[Any, ...]:
    return draw(PROBLEMS.index(problem.kind), problem.seed)[1:]
