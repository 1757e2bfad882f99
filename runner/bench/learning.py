"""Single trainings as runs: our DQN, and Stable-Baselines3's, for the same number of environment steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any

from agents.dqn.settings import DQNSettings
from agents.settings import as_mapping, parse_settings
from env.gym.cluster_env import ClusterEnv
from runner.bench import sb3
from runner.bench.exam import MAX_STEPS, Curve, ExamResult, Exams, standard_exams
from runner.training.training import MAX_EPISODES, Training, TrainingConfig

OURS, THEIRS, THEIRS_TUNED = "sim-arena", "SB3", "SB3, our settings"
LEARNERS = (OURS, THEIRS, THEIRS_TUNED)


@dataclass(frozen=True)
class LearningRun:
    """One training on generated problems.

    Attributes:
        learner: One of LEARNERS. `THEIRS` has SB3's own settings but our network, discount and replay size;
            `THEIRS_TUNED` has all that `settings` say and SB3 can do.
        settings: All of `DQNSettings`, as JSON holds them, so that other defaults are another run.
        reward: One of `env.gym.reward.REWARDS`.
        seed: Of the training.
        env_steps: Environment steps; ours ends with the episode that reaches them.
        evaluate_every: Environment steps between two points of the curve.
    """

    learner: str
    seed: int
    env_steps: int
    evaluate_every: int
    reward: str = "shaped"
    settings: Mapping[str, Any] = field(default_factory=lambda: as_mapping(DQNSettings()))


def learning_runs(
    learners: Sequence[str], seeds: int, env_steps: int, evaluate_every: int
) -> dict[str, list[LearningRun]]:
    """Each learner with seeds 1, 2, …"""
    return {
        name: [LearningRun(name, seed, env_steps, evaluate_every) for seed in range(1, seeds + 1)] for name in learners
    }


def train(run: LearningRun, exams: Exams | None = None) -> ExamResult:
    """Do one run; `exams` None: the standard ones.

    Raises:
        ConfigError: Stable-Baselines3 is needed and not installed.
    """
    exams = exams or standard_exams()
    return _train_ours(run, exams) if run.learner == OURS else _train_theirs(run, exams)


def _train_ours(run: LearningRun, exams: Exams) -> ExamResult:
    config = TrainingConfig(
        agent_settings=run.settings, episodes=MAX_EPISODES, steps=MAX_STEPS, reward=run.reward, seed=run.seed
    )
    return train_by_episodes(config, run.env_steps, Curve(run.evaluate_every, exams, perf_counter))


def train_by_episodes(config: TrainingConfig, env_steps: int, curve: Curve) -> ExamResult:
    """A training as `sim-arena train` runs it, up to the end of the episode that reaches so many environment steps."""
    training = Training(config, None)
    while training.env_steps < env_steps:
        training.run_episode(training.done + 1)
        training.forget_records()
        curve.look(training.env_steps, lambda: training.agent)
    return curve.outcome(training.env_steps, training.agent)


def _train_theirs(run: LearningRun, exams: Exams) -> ExamResult:
    settings = parse_settings(DQNSettings, run.settings)
    tuned = sb3.equal_arguments(settings, run.env_steps) if run.learner == THEIRS_TUNED else {}
    env = ClusterEnv(reward=run.reward, max_steps=MAX_STEPS)
    model = sb3.make_model(env, run.seed, settings, **tuned)
    curve = Curve(run.evaluate_every, exams, perf_counter)

    def each_step(local: dict[str, Any], glob: dict[str, Any]) -> bool:
        curve.look(model.num_timesteps, lambda: sb3.as_agent(model, settings))
        return True

    model.learn(run.env_steps, callback=each_step, log_interval=None)
    return curve.outcome(model.num_timesteps, sb3.as_agent(model, settings))


def settings_of(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The default settings with some others, all of them and checked.

    Raises:
        AgentError: a setting that does not exist, or a value out of range.
    """
    return as_mapping(parse_settings(DQNSettings, {**asdict(DQNSettings()), **overrides}))
