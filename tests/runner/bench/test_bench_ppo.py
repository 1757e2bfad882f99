"""The benchmark of PPO: what is held equal, and that every learner trains and is tried alike."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from agents.ppo.settings import PPOSettings
from agents.settings import as_mapping
from env.gym.cluster_env import ClusterEnv
from env.gym.features import STATE_DIM
from env.problems.generate import generate_scenario
from runner.bench import sb3
from runner.bench.exam import Exam, Exams
from runner.bench.ppo import LEARNERS, OURS, OURS_BY_EPISODES, PPORun, ppo_runs, train
from runner.commands.program import program
from runner.commands.table import BENCHMARKS

SMALL = PPOSettings(hidden=(16, 8), rollout_steps=64, minibatch_size=32, epochs=2)
EXAMS = Exams(*(Exam([generate_scenario(None, first + i) for i in range(20)]) for first in (0, 20)))


@pytest.mark.parametrize("learner", LEARNERS)
def test_every_learner_trains_for_its_steps_and_is_tried_on_the_way(learner: str) -> None:
    run = PPORun(learner, 1, env_steps=128, evaluate_every=64, environments=4, settings=as_mapping(SMALL))
    result = train(run, EXAMS)
    assert result.env_steps >= 128
    assert result.curve[0].env_steps >= 64
    assert result.final.mean_return is not None
    assert len(result.final.by_problem) == 5


def test_without_stable_baselines3_ours_are_measured_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sb3, "find_spec", lambda name: None)
    assert list(ppo_runs(1, 100, 50, 4)) == [OURS, OURS_BY_EPISODES]


def test_stable_baselines3s_networks_act_in_our_agent_as_in_their_own() -> None:
    model = sb3.make_ppo(sb3.many(ClusterEnv, 2), 1, SMALL)
    agent = sb3.ppo_as_agent(model, SMALL)
    states = np.random.default_rng(1).uniform(-1, 1, (200, STATE_DIM)).astype(np.float32)
    assert [agent.act(state, explore=False) for state in states] == [
        int(model.predict(state, deterministic=True)[0]) for state in states
    ]


def test_stable_baselines3_gets_our_settings_as_it_counts_them() -> None:
    settings = PPOSettings(rollout_steps=1000, value=0.5, entropy=0.02, entropy_end=0.0, anneal_steps=1_000)
    given = sb3.equal_ppo_arguments(settings, environments=10, env_steps=1_000)
    assert (given["n_steps"], given["vf_coef"], given["ent_coef"]) == (100, 0.25, 0.01)
    assert given["learning_rate"](1.0) == settings.learning_rate
    assert given["learning_rate"](0.0) == pytest.approx(settings.learning_rate_end)


def test_the_command_shows_speed_return_and_what_is_solved(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    given = ["bench", "ppo", "--seeds", "1", "--env-steps", "64", "--evaluate-every", "64", "--environments", "4"]
    given += ["--results", str(tmp_path / "results.jsonl")]
    program("test", BENCHMARKS)(given, standalone_mode=False)
    table = capfd.readouterr().out
    assert all(text in table for text in ("env steps/s", "mean return", "solved", *LEARNERS))
    program("test", BENCHMARKS)([*given, "--json"], standalone_mode=False)
    found = json.loads(capfd.readouterr().out)["learner"]
    assert list(found) == list(LEARNERS)
    assert found[OURS]["mean_return"]["median"] == found[OURS]["trainings"][0]["final"]["mean_return"]
