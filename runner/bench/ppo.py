"""How fast PPO learns and how well, beside Stable-Baselines3's: what `sim-arena bench ppo` measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from time import process_time
from typing import Any

import gymnasium
from gymnasium.vector import VectorEnv

from agents.ppo.agent import PPO
from agents.ppo.settings import PPOSettings
from agents.ppo.vector import train as train_vector
from agents.settings import as_mapping, parse_settings
from agents.spaces import CLUSTER, Spaces
from agents.spaces import doctor as doctor_spaces
from env.gym.cluster_env import ClusterEnv
from env.gym.vector_env import ClusterVectorEnv
from runner.bench import sb3
from runner.bench.exam import MAX_STEPS, Curve, ExamResult, Exams, standard_exams
from runner.bench.learning import train_by_episodes
from runner.training.training import MAX_EPISODES, TrainingConfig

OURS, OURS_BY_EPISODES = "sim-arena", "sim-arena train"
THEIRS, THEIRS_TUNED = "SB3", "SB3, our settings"


class Env(StrEnum):
    """What is learned."""

    CLUSTER = "cluster"
    DOCTOR = "doctor"


LEARNERS = {Env.CLUSTER: (OURS, OURS_BY_EPISODES, THEIRS, THEIRS_TUNED), Env.DOCTOR: (OURS, THEIRS, THEIRS_TUNED)}
ENVIRONMENTS = {Env.CLUSTER: 32, Env.DOCTOR: 256}
"""How many at a time, where nothing else is asked for."""


@dataclass(frozen=True)
class PPORun:
    """One training on generated problems.

    Attributes:
        env: Of `Env`.
        learner: One of LEARNERS. `OURS_BY_EPISODES` plays one environment, as `sim-arena train` does, `THEIRS` too,
            with SB3's own settings but our networks and discount. `THEIRS_TUNED` has all that `settings` say.
        seed: Of the training.
        env_steps: Environment steps; each learner ends with the rollout or episode that reaches them.
        evaluate_every: Environment steps between two points of the curve.
        environments: How many `OURS` and `THEIRS_TUNED` have at a time.
        settings: All of `PPOSettings`, as JSON holds them, so that other defaults are another run.
    """

    env: str
    learner: str
    seed: int
    env_steps: int
    evaluate_every: int
    environments: int
    settings: Mapping[str, Any] = field(default_factory=lambda: as_mapping(PPOSettings()))


def ppo_runs(
    env: Env, seeds: int, env_steps: int, evaluate_every: int, environments: int | None = None
) -> dict[str, list[PPORun]]:
    """Each learner that is installed, with seeds 1, 2, …"""
    settings = as_mapping(_settings(env, env_steps))
    many = environments or ENVIRONMENTS[env]
    return {
        name: [PPORun(env, name, seed, env_steps, evaluate_every, many, settings) for seed in range(1, seeds + 1)]
        for name in LEARNERS[env]
        if sb3.installed() or name not in (THEIRS, THEIRS_TUNED)
    }


def train(run: PPORun, exams: Exams | None = None) -> ExamResult:
    """Do one run; `exams` None: the standard ones. Its seconds are of CPU time.

    All learners compute on one thread, so that is what they take on an idle machine, whatever else this one does.

    Raises:
        SimArenaError: Stable-Baselines3 is needed and not installed.
    """
    curve = Curve(run.evaluate_every, exams or _exams(run), process_time)
    if run.learner == OURS:
        agent = PPO(seed=run.seed, settings=run.settings, spaces=_spaces(run))
        train_vector(
            agent,
            _many(run),
            run.env_steps,
            seed=run.seed,
            on_update=lambda metrics: curve.look(agent.env_steps, lambda: agent),
        )
        return curve.outcome(agent.env_steps, agent)
    if run.learner == OURS_BY_EPISODES:
        config = TrainingConfig("ppo", run.settings, episodes=MAX_EPISODES, steps=MAX_STEPS, seed=run.seed)
        return train_by_episodes(config, run.env_steps, curve)
    return _train_theirs(run, curve)


def _train_theirs(run: PPORun, curve: Curve) -> ExamResult:
    settings = parse_settings(PPOSettings, run.settings)
    spaces = replace(_spaces(run), spread=(), partial=False)  # SB3's networks see the environment's states as they are
    tuned = run.learner == THEIRS_TUNED
    environments = run.environments if tuned else 1
    arguments = sb3.equal_ppo_arguments(settings, environments, run.env_steps) if tuned else {}
    envs = sb3.many(partial(_one, run.env), environments)
    model = sb3.make_ppo(envs, run.seed, settings, **arguments)

    def each_step(local: dict[str, Any], glob: dict[str, Any]) -> bool:
        curve.look(model.num_timesteps, lambda: sb3.ppo_as_agent(model, settings, spaces))
        return True

    model.learn(run.env_steps, callback=each_step, log_interval=None)
    return curve.outcome(model.num_timesteps, sb3.ppo_as_agent(model, settings, spaces))


def _settings(env: Env, env_steps: int) -> PPOSettings:
    if env == Env.CLUSTER:
        return PPOSettings()
    from runner.rl.train import doctor_settings

    return doctor_settings(1, {"anneal_steps": env_steps})


def _exams(run: PPORun) -> Exams:
    if run.env == Env.CLUSTER:
        return standard_exams()
    from runner.bench.doctor_exam import doctor_exams

    return doctor_exams()


def _spaces(run: PPORun) -> Spaces:
    return CLUSTER if run.env == Env.CLUSTER else doctor_spaces()


def _one(env: str) -> gymnasium.Env[Any, Any]:
    if env == Env.CLUSTER:
        return ClusterEnv(max_steps=MAX_STEPS)
    from env.doctor.doctor_env import DoctorEnv

    return DoctorEnv(max_steps=MAX_STEPS)


def _many(run: PPORun) -> VectorEnv[Any, Any, Any]:
    if run.env == Env.CLUSTER:
        return ClusterVectorEnv(run.environments, max_steps=MAX_STEPS)
    from env.doctor.vector_env import DoctorVectorEnv

    return DoctorVectorEnv(run.environments, max_steps=MAX_STEPS)
