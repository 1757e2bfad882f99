"""How fast the DQN learns and acts beside Stable-Baselines3's: what `sim-arena bench dqn` measures.

Both get the same environment object, the same network and the same settings, on one thread, and are measured in turn,
so that what else the machine does meets both.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, Protocol

import numpy as np

from agents.agent import State
from agents.dqn.agent import DQN
from agents.dqn.settings import DQNSettings
from agents.settings import as_mapping
from env.gym.cluster_env import ClusterEnv
from env.gym.features import STATE_DIM
from runner.bench import sb3
from runner.bench.environments import Clock, Rate
from runner.training.training import MAX_EPISODES, Training, TrainingConfig

_EPSILON = 0.05  # as after most of a training: nearly every action is the network's
_SEED = 1
_STATES = 256


@dataclass(frozen=True)
class SpeedCase:
    """What is equal for both: widths of the hidden layers, transitions in a batch, env steps between two updates."""

    hidden: tuple[int, ...]
    batch_size: int
    train_every: int

    @property
    def settings(self) -> DQNSettings:
        """Ours; one update in each training, and exploration as it is late in a training."""
        return DQNSettings(
            hidden=self.hidden,
            batch_size=self.batch_size,
            train_every=self.train_every,
            updates=1,
            learning_starts=self.batch_size,
            n_step=1,
            epsilon_start=_EPSILON,
            epsilon_end=_EPSILON,
        )


@dataclass(frozen=True)
class LearnerBudget:
    """How much is measured.

    Attributes:
        repetitions: Measurements of each figure.
        env_steps: Environment steps in each of them.
        warm_up: Environment steps before the first, in which all is compiled and the buffer gets its first batches.
    """

    repetitions: int = 5
    env_steps: int = 2_000
    warm_up: int = 1_000


QUICK = LearnerBudget(repetitions=3, env_steps=100, warm_up=150)


class TimedLearner(Protocol):
    """A DQN in its own training loop."""

    def run(self, env_steps: int) -> tuple[int, int]:
        """Train at least so long; the environment steps and the updates that it took."""

    def act(self, state: State) -> Any:
        """The greedy action."""


class Ours:
    """`runner.training.training`, as `sim-arena train` runs it."""

    def __init__(self, settings: DQNSettings) -> None:
        config = TrainingConfig(agent_settings=as_mapping(settings), episodes=MAX_EPISODES, seed=_SEED)
        self._training = Training(config, None)
        self.act = partial(self._agent.act, explore=False)

    @property
    def _agent(self) -> DQN:
        agent = self._training.agent
        assert isinstance(agent, DQN)  # noqa: S101 (the config's default)
        return agent

    def run(self, env_steps: int) -> tuple[int, int]:
        training = self._training
        steps, updates = training.env_steps, self._agent.train_steps
        while training.env_steps < steps + env_steps:
            training.run_episode(training.done + 1)
            training.forget_records()
        return training.env_steps - steps, self._agent.train_steps - updates


class StableBaselines:
    """`stable_baselines3.DQN.learn`, without its logs."""

    def __init__(self, settings: DQNSettings) -> None:
        env = ClusterEnv(max_steps=TrainingConfig().steps)
        arguments = sb3.equal_arguments(settings, env_steps=1)
        self._model = sb3.make_model(env, _SEED, settings, **arguments)
        self.act = partial(self._model.predict, deterministic=True)

    def run(self, env_steps: int) -> tuple[int, int]:
        model = self._model
        steps, updates = model.num_timesteps, model._n_updates
        model.learn(env_steps, log_interval=None, reset_num_timesteps=False)
        return model.num_timesteps - steps, model._n_updates - updates


@dataclass(frozen=True)
class Speed:
    """Of one learner: updates and environment steps per second of training, and microseconds for an action."""

    updates: Rate
    env_steps: Rate
    act_us: Rate


@dataclass(frozen=True)
class SpeedComparison:
    """Both learners in one case; `theirs` and the ratios are None without Stable-Baselines3.

    A ratio is ours over theirs, or for `act` theirs over ours: above 1 ours is faster. It is taken within each
    repetition, and the median of these is kept with their range.
    """

    case: SpeedCase
    ours: Speed
    theirs: Speed | None = None
    updates_ratio: Rate | None = None
    env_steps_ratio: Rate | None = None
    act_ratio: Rate | None = None


def cases() -> list[SpeedCase]:
    """64 x 64 and the default network, two batch sizes, an update every environment step and every fourth."""
    nets = dict.fromkeys([(64, 64), DQNSettings().hidden])
    return [SpeedCase(*each) for each in product(nets, (32, 128), (1, 4))]


def compare(case: SpeedCase, budget: LearnerBudget, clock: Clock) -> SpeedComparison:
    """Measure one case, both learners in turn."""
    learners: list[TimedLearner] = [Ours(case.settings)]
    if sb3.installed():
        learners.append(StableBaselines(case.settings))
    for learner in learners:
        learner.run(budget.warm_up)
    rounds = [[_measure(learner, budget, clock) for learner in learners] for _ in range(budget.repetitions)]
    return summarise(case, rounds)


@dataclass(frozen=True)
class Sample:
    """One repetition of one learner; per second, and microseconds."""

    updates: float
    env_steps: float
    act_us: float


def summarise(case: SpeedCase, rounds: Sequence[Sequence[Sample]]) -> SpeedComparison:
    """Medians and ranges of repetitions, each holding our sample and, where there is one, theirs."""
    ours, *theirs = (_speed(column) for column in zip(*rounds, strict=True))
    if not theirs:
        return SpeedComparison(case, ours)
    return SpeedComparison(
        case,
        ours,
        theirs[0],
        updates_ratio=Rate.of([mine.updates / other.updates for mine, other in rounds]),
        env_steps_ratio=Rate.of([mine.env_steps / other.env_steps for mine, other in rounds]),
        act_ratio=Rate.of([other.act_us / mine.act_us for mine, other in rounds]),
    )


def _speed(samples: Sequence[Sample]) -> Speed:
    return Speed(
        updates=Rate.of([sample.updates for sample in samples]),
        env_steps=Rate.of([sample.env_steps for sample in samples]),
        act_us=Rate.of([sample.act_us for sample in samples]),
    )


def _measure(learner: TimedLearner, budget: LearnerBudget, clock: Clock) -> Sample:
    start = clock()
    env_steps, updates = learner.run(budget.env_steps)
    elapsed = clock() - start
    return Sample(updates / elapsed, env_steps / elapsed, _act_us(learner.act, clock))


def _act_us(act: Callable[[State], Any], clock: Clock) -> float:
    """Median of the microseconds that one action takes."""
    states = np.random.default_rng(_SEED).uniform(-1, 1, (_STATES, STATE_DIM)).astype(np.float32)
    times = []
    for state in states:
        start = clock()
        act(state)
        times.append(clock() - start)
    return 1e6 * statistics.median(times)
