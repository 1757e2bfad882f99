"""The benchmark of PPO: what is held equal, and that every learner trains and is tried alike."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from agents.ppo.agent import PPO
from agents.ppo.settings import PPOSettings
from agents.ppo.vector import train as train_vector
from agents.settings import as_mapping
from agents.spaces import doctor
from env.doctor.vector_env import DoctorVectorEnv
from env.gym.cluster_env import ClusterEnv
from env.gym.features import STATE_DIM
from env.problems.generate import generate_scenario
from runner.bench import sb3
from runner.bench.doctor_exam import DoctorExam
from runner.bench.exam import Exam, Exams
from runner.bench.ppo import LEARNERS, OURS, OURS_BY_EPISODES, Env, PPORun, ppo_runs, train
from runner.commands.program import program
from runner.commands.table import BENCHMARKS
from runner.rl.exam import EXAM_SEED

SMALL = PPOSettings(hidden=(16, 8), rollout_steps=64, minibatch_size=32, epochs=2)
EXAMS = Exams(*(Exam([generate_scenario(None, first + i) for i in range(20)]) for first in (0, 20)))


@pytest.mark.parametrize(("env", "learner"), [(env, name) for env, names in LEARNERS.items() for name in names])
def test_every_learner_trains_for_its_steps_and_is_tried_on_the_way(env: Env, learner: str) -> None:
    run = PPORun(env, learner, 1, env_steps=128, evaluate_every=64, environments=4, settings=as_mapping(SMALL))
    exams = {Env.CLUSTER: EXAMS, Env.DOCTOR: Exams(DoctorExam(10, EXAM_SEED + 10), DoctorExam(10, EXAM_SEED))}
    result = train(run, exams[env])
    assert result.env_steps >= 128
    assert result.curve[0].env_steps >= 64
    assert result.final.mean_return is not None
    assert len(result.final.by_problem) == {Env.CLUSTER: 5, Env.DOCTOR: 2}[env]


def test_the_doctors_exam_tells_a_trained_doctor_from_a_new_one() -> None:
    exam = DoctorExam(100, EXAM_SEED)
    settings = PPOSettings(hidden=(32,), rollout_steps=4096, minibatch_size=512, learning_rate=3e-3, gamma=0.99)
    agent = PPO(seed=0, settings=settings, spaces=doctor())
    before = exam.marks(agent)
    train_vector(agent, DoctorVectorEnv(64), 60_000, seed=1)
    after = exam.marks(agent)
    assert after.mean_return is not None
    assert before.mean_return is not None
    assert after.mean_return > before.mean_return + 1
    assert set(after.by_problem) == {"held-out", "large"}


def test_without_stable_baselines3_ours_are_measured_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sb3, "find_spec", lambda name: None)
    assert list(ppo_runs(Env.CLUSTER, 1, 100, 50)) == [OURS, OURS_BY_EPISODES]
    assert list(ppo_runs(Env.DOCTOR, 1, 100, 50)) == [OURS]


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
    learners = LEARNERS[Env.CLUSTER]
    assert all(text in table for text in ("env steps/s", "mean return", "solved", *learners))
    program("test", BENCHMARKS)([*given, "--json"], standalone_mode=False)
    found = json.loads(capfd.readouterr().out)["learner"]
    assert list(found) == list(learners)
    assert found[OURS]["mean_return"]["median"] == found[OURS]["trainings"][0]["final"]["mean_return"]
