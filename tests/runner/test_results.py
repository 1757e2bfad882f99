"""What is made of episodes: scores, summaries, log lines, curves, run folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.agent import make_agent
from env.errors import ConfigError
from env.generate import generate_scenario
from runner.evaluate import Score, evaluate, score
from runner.loop import log_lines, summarise, train
from runner.plots import learning_curve, running_mean
from runner.run_folder import RunFolder
from runner.training import Training, TrainingConfig


def summary(episode: int, **values: Any) -> dict[str, Any]:
    return {
        "episode": episode, "reward": -3.5, "steps": 10, "transitions": 10, "solved": episode % 2 == 0, "loss": None,
        "q_mean": None, "epsilon": 0.5, "scenario": "cpu-1", "problem": "cpu", "target": 3, **values,
    }  # fmt: skip


def test_scores_are_per_problem_and_of_all() -> None:
    scenarios = [generate_scenario(problem, 1) for problem in ("memory", "cpu", "cpu", "combined")]
    scores = evaluate(make_agent("heuristic", seed=0), scenarios, max_steps=50, seed=0)
    assert [(row.problem, row.n, row.solved) for row in scores] == [
        ("combined", 1, 1), ("cpu", 2, 2), ("memory", 1, 1), ("all", 4, 4),
    ]  # fmt: skip
    assert scores[-1].solved_rate == 1.0


def test_an_evaluation_repeats_and_teaches_nothing() -> None:
    scenarios = [generate_scenario(None, seed) for seed in range(5)]
    agent = make_agent("dqn", seed=1)
    before = agent.state_dict()["env_steps"]
    first, second = (evaluate(agent, scenarios, max_steps=20, seed=3) for _ in range(2))
    assert first == second
    assert agent.state_dict()["env_steps"] == before


def test_the_score_of_no_episode_is_defined() -> None:
    assert score("cpu", []) == Score("cpu", 0, 0, None, None)
    assert score("cpu", []).solved_rate is None


def test_a_summary_of_no_episode_is_defined() -> None:
    assert summarise([])["last_solved_rate"] is None
    assert summarise([summary(1), summary(2)])["last_solved_rate"] == 0.5


def test_log_lines_are_one_per_episode() -> None:
    lines = log_lines([summary(1), summary(2, loss=0.25)]).splitlines()
    assert lines[0] == "episode 1 cpu-1: not solved in 10, return -3.50 epsilon 0.500"
    assert "solved in 10" in lines[1]
    assert "loss 0.250" in lines[1]


def test_the_running_mean_leaves_out_what_is_not_a_number() -> None:
    values = np.array([np.nan, 1.0, np.nan, 3.0, 5.0])
    np.testing.assert_array_equal(running_mean(values, 2), [np.nan, 1.0, 1.0, 3.0, 4.0])
    assert running_mean(np.array([]), 3).size == 0


@pytest.mark.parametrize("episodes", [0, 1, 60])
def test_the_learning_curve_is_a_png(episodes: int, tmp_path: Path) -> None:
    path = tmp_path / "curve.png"
    learning_curve([summary(episode) for episode in range(1, episodes + 1)], path)
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    assert len(data) > 10_000


def run_in(folder: Path, episodes: int, load: bytes | None = None, **options: Any) -> tuple[RunFolder, dict[str, Any]]:
    run = RunFolder.create(folder, "dqn", ["sim-arena", "train"], {"a": 1})
    settings = {"hidden": [8], "batch_size": 8, "learning_starts": 8}
    training = Training(TrainingConfig(agent_settings=settings, episodes=episodes, steps=10), None)
    if load:
        training.restore(load)
    return run, train(training, run, checkpoint_every=2, **options)


def test_a_run_leaves_everything_in_its_folder(tmp_path: Path) -> None:
    run, result = run_in(tmp_path, 5)
    names = {path.name for path in run.path.iterdir()}
    assert names >= {
        "command.txt", "config.json", "train.log", "step.jsonl", "summary.json", "learning_curve.png",
        "checkpoint_latest.pt", "checkpoint_ep2.pt", "checkpoint_ep4.pt", "checkpoint_final.pt",
    }  # fmt: skip
    assert not [name for name in names if name.startswith(".")]
    assert json.loads((run.path / "summary.json").read_text()) == result
    assert result["episodes"] == 5
    records = [json.loads(line) for line in run.steps.read_text().splitlines()]
    assert len(records) == result["env_steps"]
    assert (run.path / "train.log").read_text().count("INFO runner.loop: episode ") == 5


def test_a_run_that_goes_on_from_a_checkpoint_ends_in_the_same_state(tmp_path: Path) -> None:
    whole, expected = run_in(tmp_path, 5)
    state = (whole.path / "checkpoint_ep2.pt").read_bytes()
    _, result = run_in(tmp_path, 5, load=state)
    assert result["state_sha256"] == expected["state_sha256"]


def test_steps_of_an_episode_that_did_not_end_are_dropped_on_resume(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "dqn", [], {})
    lines = ['{"episode":1}\n', '{"episode":2}\n', '{"episode":3}\n', '{"episode":3,"st']
    run.steps.write_text("".join(lines))
    run.drop_steps_after(2)
    assert run.steps.read_text() == "".join(lines[:2])


def test_two_runs_begun_in_one_second_have_two_folders(tmp_path: Path) -> None:
    runs = {RunFolder.create(tmp_path, "dqn", [], {}).path for _ in range(3)}
    assert len(runs) == 3


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no run"):
        RunFolder.open(tmp_path)


def test_a_run_is_opened_by_its_folder_or_by_a_checkpoint_in_it(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "dqn", [], {"a": 1})
    assert RunFolder.open(run.path).path == RunFolder.open(run.path / "checkpoint_ep1.pt").path == run.path
    assert run.config() == {"a": 1}


def test_a_short_training_beats_the_random_and_the_untrained_agent_by_a_wide_margin() -> None:
    training = Training(TrainingConfig(episodes=60), None)
    for episode in range(1, 61):
        training.run_episode(episode)
    unseen = [generate_scenario(None, 10_000_000 + seed) for seed in range(60)]
    agents = {"trained": training.agent, **{name: make_agent(name, seed=0) for name in ("random", "dqn")}}
    rate = {name: evaluate(agent, unseen, max_steps=100, seed=0)[-1].solved_rate or 0 for name, agent in agents.items()}
    assert rate["trained"] > max(rate["random"], rate["dqn"]) + 0.3, rate
