"""Benchmarks of learning: what is held equal, what is measured, and that finished trainings are not done again."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.dqn.agent import DQN
from agents.dqn.settings import DQNSettings
from agents.kinds import make_agent
from agents.settings import as_mapping
from env.errors import AgentError, ConfigError
from env.gym.cluster_env import ClusterEnv
from env.gym.features import STATE_DIM
from env.gym.reward import REWARDS
from env.problems.generate import generate_scenario
from runner.bench import sb3
from runner.bench.ablation import DEFAULT, VARIANTS, ablation_runs
from runner.bench.exam import Curve, Exam, ExamResult, Exams, Marks, Point, Spread, Summary
from runner.bench.learning import LEARNERS, OURS, LearningRun, settings_of, train
from runner.bench.runs import key_of, read_results, run_all, write_results
from runner.commands.program import program
from runner.commands.table import BENCHMARKS
from runner.evaluation.evaluate import evaluate

SMALL = settings_of({"hidden": [16], "batch_size": 8, "learning_starts": 8, "target_every": 10})
TINY = LearningRun(OURS, seed=1, env_steps=120, evaluate_every=60, settings=SMALL)

EXAMS = Exams(*(Exam([generate_scenario(None, first + i) for i in range(20)]) for first in (0, 20)))


def outcome(solved: float, *curve: tuple[int, float], seconds: float = 1.0) -> ExamResult:
    points = tuple(Point(*point) for point in curve)
    return ExamResult(points, Marks(solved, 1.0, {"cpu": solved}), 100, seconds)


# -- marks -----------------------------------------------------------------------------------------------


def test_the_marks_are_those_of_an_evaluation_to_the_step_limit() -> None:
    """Although an episode that goes round in circles is not waited for."""
    scenarios = [generate_scenario(None, seed) for seed in range(40)]
    agent = trained()
    rows = {score.problem: score for score in evaluate(agent, scenarios, 100, 0)}
    marks = Exam(scenarios).marks(agent)
    assert 0 < marks.solved < 1
    whole = rows.pop("all")
    assert (marks.solved, marks.mean_return) == (whole.solved_rate, pytest.approx(whole.mean_return))
    assert marks.by_problem == {problem: score.solved_rate for problem, score in rows.items()}


def test_the_steps_of_a_perfect_agent_are_the_fewest() -> None:
    scenarios = [generate_scenario(None, seed) for seed in range(40)]
    marks = Exam(scenarios).marks(make_agent("heuristic", seed=0))
    assert (marks.solved, marks.median_ratio) == (1.0, 1.0)
    assert marks.by_problem == dict.fromkeys(sorted(scenario.problem or "" for scenario in scenarios), 1.0)


def test_nothing_solved_has_no_ratio() -> None:
    scenarios = [generate_scenario("cpu", 38)]
    marks = Exam(scenarios).marks(make_agent("scale_replicas", seed=0))
    assert (marks.solved, marks.median_ratio, marks.by_problem) == (0.0, None, {"cpu": 0.0})


def trained() -> DQN:
    agent = DQN(seed=1, settings=SMALL)
    agent.load_weights(agent.weights())
    return agent


# -- sums ------------------------------------------------------------------------------------------------


def test_enough_is_reached_at_the_first_point_with_95_percent() -> None:
    assert outcome(1.0, (10, 0.5), (20, 0.95), (30, 0.9), (40, 1.0)).env_steps_to_95 == 20
    assert outcome(1.0, (10, 0.9499)).env_steps_to_95 is None


def test_never_is_more_than_any_number_of_steps() -> None:
    assert Spread.of([5.0, None, 1.0]) == Spread(5.0, 1.0, None)
    assert Spread.of([None, None, 1.0]) == Spread(None, 1.0, None)


def test_a_summary_has_medians_and_ranges_over_seeds() -> None:
    summary = Summary.of([outcome(0.5, (10, 1.0)), outcome(0.9, (30, 1.0), seconds=3.0), outcome(0.8)])
    assert summary.solved == Spread(0.8, 0.5, 0.9)
    assert summary.env_steps_to_95 == Spread(30, 10, None)
    assert summary.seconds == Spread(1.0, 1.0, 3.0)
    assert summary.by_problem == {"cpu": 0.8}


# -- trainings -------------------------------------------------------------------------------------------


def test_a_training_ends_with_the_episode_that_reaches_its_steps_and_is_tried_on_the_way() -> None:
    result = train(TINY, EXAMS)
    assert 120 <= result.env_steps < 220
    assert [point.env_steps // 60 for point in result.curve] == sorted({p.env_steps // 60 for p in result.curve})
    assert set(result.final.by_problem) == {"cpu", "memory", "replica-deficit", "combined", "over-allocation"}


def test_trying_an_agent_does_not_disturb_its_training() -> None:
    assert train(TINY, EXAMS).final == train(replace(TINY, evaluate_every=10_000), EXAMS).final


@pytest.mark.parametrize("learner", LEARNERS[1:])
def test_stable_baselines3_trains_for_the_same_steps(learner: str) -> None:
    result = train(replace(TINY, learner=learner), EXAMS)
    assert result.env_steps == 120
    assert [point.env_steps for point in result.curve] == [60, 120]


def test_stable_baselines3_gets_our_settings_as_it_counts_them() -> None:
    settings = DQNSettings(train_every=4, updates=2, target_every=50, epsilon_steps=1_000, learning_starts=300)
    arguments = sb3.equal_arguments(settings, env_steps=10_000)
    assert arguments["target_update_interval"] == 100
    assert arguments["tau"] == 1.0
    assert arguments["exploration_fraction"] == 0.1
    assert (arguments["train_freq"], arguments["gradient_steps"], arguments["learning_starts"]) == (4, 2, 300)


def test_stable_baselines3s_step_size_falls_as_ours() -> None:
    """After all of 1000 environment steps with two gradient steps each it is half."""
    rate = sb3.equal_arguments(DQNSettings(updates=2, halving_steps=2_000), env_steps=1_000)["learning_rate"]
    assert (rate(1.0), rate(0.0)) == (DQNSettings().learning_rate, DQNSettings().learning_rate / 2)


def test_polyak_averages_within_one_environment_step_become_one() -> None:
    arguments = sb3.equal_arguments(DQNSettings(updates=2, target_every=1, target_tau=0.1), env_steps=100)
    assert arguments["target_update_interval"] == 1
    assert arguments["tau"] == pytest.approx(1 - 0.9**2)


def test_stable_baselines3s_network_acts_in_our_agent_as_in_its_own() -> None:
    settings = DQNSettings(hidden=(16, 8))
    model = sb3.make_model(ClusterEnv(), 1, settings)
    agent = sb3.as_agent(model, settings)
    states = np.random.default_rng(1).uniform(-1, 1, (200, STATE_DIM)).astype(np.float32)
    assert [agent.act(state, explore=False) for state in states] == [
        int(model.predict(state, deterministic=True)[0]) for state in states
    ]


def test_the_time_of_looks_is_not_the_trainings() -> None:
    """Each look at the clock takes a second, and there are two in a look at the agent."""
    ticks = count()
    curve = Curve(10, EXAMS, lambda: float(next(ticks)))
    for env_steps in (5, 10, 19, 35, 36):
        curve.look(env_steps, trained)
    result = curve.outcome(40, trained())
    assert [point.env_steps for point in result.curve] == [10, 35]
    assert result.seconds == 5 - 2


# -- what is compared ------------------------------------------------------------------------------------


def test_every_variant_differs_from_the_default_in_what_it_says() -> None:
    default = as_mapping(DQNSettings())
    for name, variant in VARIANTS.items():
        (run,) = ablation_runs([name], 1, 1000, 100)[name]
        changed = {key: value for key, value in run.settings.items() if value != default[key]}
        assert changed == dict(variant.settings), name
        assert (changed != {}) + (run.reward != "shaped") == (name != DEFAULT), name


def test_every_reward_is_a_variant() -> None:
    assert {variant.reward for variant in VARIANTS.values()} == set(REWARDS)


def test_a_variant_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="--variant triple: unknown"):
        ablation_runs(["triple"], 1, 1000, 100)
    with pytest.raises(AgentError, match="hiden"):
        settings_of({"hiden": [8]})


# -- many runs -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    number: int


def square(run: Run) -> ExamResult:
    return outcome(run.number**2, (run.number, 0.5))


def unwilling(run: Run) -> ExamResult:
    raise AssertionError(f"{run} was to be taken from the file")


RUNS = [Run(3), Run(1), Run(3)]
SQUARES = [outcome(9, (3, 0.5)), outcome(1, (1, 0.5)), outcome(9, (3, 0.5))]


def test_outcomes_come_in_the_order_of_the_runs() -> None:
    assert run_all(square, RUNS) == SQUARES


def test_trainings_in_processes_of_their_own_come_to_the_same() -> None:
    runs = [TINY, replace(TINY, seed=2)]
    alone, beside = run_all(train, runs), run_all(train, runs, jobs=2)
    assert [replace(each, seconds=0) for each in alone] == [replace(each, seconds=0) for each in beside]


def test_what_is_in_the_file_is_not_done_again(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    run_all(square, RUNS[:1], results=path)
    run_all(square, RUNS[:2], results=path)
    assert run_all(unwilling, RUNS, results=path) == SQUARES
    assert len(path.read_text().splitlines()) == 2


def test_what_was_finished_before_a_failure_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"

    def first_only(run: Run) -> ExamResult:
        if run.number == 1:
            raise ConfigError("no")
        return square(run)

    with pytest.raises(ConfigError, match="no"):
        run_all(first_only, RUNS, results=path)
    assert read_results(path) == {key_of(Run(3)): SQUARES[0]}


def test_other_settings_are_another_run() -> None:
    other = replace(TINY, settings=settings_of({"hidden": [17]}))
    assert len({key_of(TINY), key_of(other), key_of(replace(TINY, reward="base"))}) == 3


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    known = {key_of(TINY): replace(outcome(0.5, (1, 0.2)), failure="round 3"), key_of(Run(2)): outcome(0.0)}
    write_results(tmp_path / "r", known)
    assert read_results(tmp_path / "r") == known


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"of": {}, "outcome": {"curve": 3}}', "[" * 100_000])
def test_a_damaged_line_of_results_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "results.jsonl"
    write_results(path, {key_of(Run(1)): SQUARES[1]})
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ConfigError, match="line 2 holds no outcome"):
        read_results(path)


# -- the commands ----------------------------------------------------------------------------------------


@pytest.fixture
def document(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Any:
    """Runs a command twice, of which the second finds the first one's results; its tables and its JSON."""

    def call(*arguments: str) -> tuple[str, Any]:
        given = ["bench", *arguments, "--seeds", "1", "--env-steps", "60", "--evaluate-every", "50"]
        given += ["--results", str(tmp_path / "results.jsonl")]
        program("test", BENCHMARKS)(given, standalone_mode=False)
        table = capfd.readouterr().out
        program("test", BENCHMARKS)([*given, "--json"], standalone_mode=False)
        return table, json.loads(capfd.readouterr().out)

    return call


def test_learning_compares_all_learners(document: Any) -> None:
    table, found = document("learning")
    assert list(found["learner"]) == list(LEARNERS)
    assert all(name in table for name in LEARNERS)
    (training,) = found["learner"][OURS]["trainings"]
    assert found["learner"][OURS]["solved"]["median"] == training["final"]["solved"]
    assert {"seed", "seconds", "env_steps_to_95", "curve", "settings"} <= training.keys()


def test_ablation_runs_the_variants_that_are_named(document: Any) -> None:
    table, found = document("ablation", "--variant", "reward base", "--variant", DEFAULT)
    assert list(found["variant"]) == ["reward base", DEFAULT]
    assert found["variant"]["reward base"]["trainings"][0]["reward"] == "base"
    assert "reward base" in table
