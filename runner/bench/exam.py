"""How good a training is while it goes on and at its end: what every benchmark of learning measures alike."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import cycle, islice
from typing import Any, Protocol

import numpy as np

from agents.agent import Agent
from env.gym.cluster_env import ClusterEnv
from env.problems.scenario import Scenario
from runner.bench.environments import Clock

MAX_STEPS = 100
ENOUGH = 0.95
"""The share of problems solved at which environment steps are compared."""


@dataclass(frozen=True)
class Point:
    """A point of a learning curve.

    Attributes:
        env_steps: Environment steps taken so far, each member's in a federation.
        solved: Share of the validation problems that the greedy agent solves.
    """

    env_steps: int
    solved: float


@dataclass(frozen=True)
class Marks:
    """How a greedy agent does on a set of problems.

    Attributes:
        solved: Share of them that reach the goal.
        median_ratio: Median, over the solved ones, of steps against the fewest that solve them; None if none is solved,
            or the fewest are not known.
        by_problem: The share solved of each kind.
        mean_return: Mean over all of them of the episode's rewards, by `shaped` in Cluster-v0, undiscounted; None in
            older results.
    """

    solved: float
    median_ratio: float | None
    by_problem: dict[str, float]
    mean_return: float | None = None


@dataclass(frozen=True)
class ExamResult:
    """The result of one training.

    Attributes:
        curve: Its points, in order.
        final: How the last agent does on the standard suite.
        env_steps: Environment steps, each member's in a federation.
        seconds: Without those of the evaluations: wall time, and in `bench ppo` CPU time.
        failure: Why it ended early; None if it did not.
    """

    curve: tuple[Point, ...]
    final: Marks
    env_steps: int
    seconds: float
    failure: str | None = None

    @property
    def env_steps_to_95(self) -> int | None:
        """Environment steps at the first point with `ENOUGH` of the problems solved; None if there is none."""
        return next((point.env_steps for point in self.curve if point.solved >= ENOUGH), None)


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of something over seeds; None stands for "never", beyond any number."""

    median: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Spread:
        known = [math.inf if value is None else value for value in values]
        figures = (statistics.median(known), min(known), max(known)) if known else (math.inf,) * 3
        return cls(*(None if math.isinf(figure) else figure for figure in figures))


_NEVER = Spread(None, None, None)


@dataclass(frozen=True)
class Summary:
    """Equal trainings with different seeds.

    Attributes:
        solved, median_ratio: Of the last agents on the standard suite.
        env_steps_to_95: Environment steps until `ENOUGH` of the validation problems are solved.
        seconds: Wall time.
        by_problem: Median share solved of each kind of problem of the suite.
        failures: Why trainings ended early.
        mean_return: Of the last agents on the standard suite.
        env_steps_per_s: Environment steps per second of training.
    """

    solved: Spread
    median_ratio: Spread
    env_steps_to_95: Spread
    seconds: Spread
    by_problem: dict[str, float]
    failures: tuple[str, ...]
    mean_return: Spread = _NEVER
    env_steps_per_s: Spread = _NEVER

    @classmethod
    def of(cls, outcomes: Sequence[ExamResult]) -> Summary:
        kinds = sorted({kind for outcome in outcomes for kind in outcome.final.by_problem})
        return cls(
            solved=Spread.of([outcome.final.solved for outcome in outcomes]),
            median_ratio=Spread.of([outcome.final.median_ratio for outcome in outcomes]),
            env_steps_to_95=Spread.of([outcome.env_steps_to_95 for outcome in outcomes]),
            seconds=Spread.of([outcome.seconds for outcome in outcomes]),
            by_problem={kind: statistics.median(o.final.by_problem[kind] for o in outcomes) for kind in kinds},
            failures=tuple(outcome.failure for outcome in outcomes if outcome.failure is not None),
            mean_return=Spread.of([outcome.final.mean_return for outcome in outcomes]),
            env_steps_per_s=Spread.of([o.env_steps / o.seconds if o.seconds else None for o in outcomes]),
        )


class Exam:
    """A fixed set of problems, all of generated kinds, that greedy agents are tried on."""

    def __init__(self, scenarios: Sequence[Scenario]) -> None:
        self._scenarios = scenarios
        self._env = ClusterEnv(scenarios, max_steps=MAX_STEPS)

    def marks(self, agent: Agent) -> Marks:
        """Play every problem once."""
        played = [_play(self._env, number, agent) for number in range(len(self._scenarios))]
        steps = [taken for taken, _ in played]
        kinds: dict[str, list[bool]] = {}
        ratios = []
        for taken, scenario in zip(steps, self._scenarios, strict=True):
            kinds.setdefault(scenario.problem or "given", []).append(taken is not None)
            if taken is not None:
                ratios.append(taken / max(1, _least_actions(scenario)))  # that all is well is seen after one step
        return Marks(
            solved=len(ratios) / len(steps),
            median_ratio=statistics.median(ratios) if ratios else None,
            by_problem={kind: statistics.mean(map(float, solved)) for kind, solved in sorted(kinds.items())},
            mean_return=statistics.fmean(total for _, total in played),
        )


class Examiner(Protocol):
    """What tries an agent."""

    def marks(self, agent: Agent) -> Marks:
        """How it does."""


@dataclass(frozen=True)
class Exams:
    """On what a training is tried: `validation` on the way, for its curve; `suite` at its end."""

    validation: Examiner
    suite: Examiner


@cache
def standard_exams() -> Exams:
    """The validation problems of `sim-arena train`, and the standard suite of `sim-arena evaluate`."""
    from runner.evaluation.suite import standard
    from runner.training.validation import validation_problems

    return Exams(Exam(validation_problems(None)), Exam(standard()))


class Curve:
    """Tries an agent every so many environment steps, and keeps the time that takes out of the training's."""

    def __init__(self, every: int, exams: Exams, clock: Clock) -> None:
        self.points: list[Point] = []
        self._every = every
        self._exams = exams
        self._clock = clock
        self._start = clock()
        self._examined_s = 0.0

    def look(self, env_steps: int, agent: Callable[[], Agent]) -> None:
        """Add a point if one is due; `agent` gives the agent as it is now."""
        if env_steps // self._every > (self.points[-1].env_steps // self._every if self.points else 0):
            start = self._clock()
            self.points.append(Point(env_steps, self._exams.validation.marks(agent()).solved))
            self._examined_s += self._clock() - start

    def outcome(self, env_steps: int, agent: Agent, failure: str | None = None) -> ExamResult:
        """The end of the training."""
        seconds = self._clock() - self._start - self._examined_s
        return ExamResult(tuple(self.points), self._exams.suite.marks(agent), env_steps, seconds, failure)


def _play(env: ClusterEnv, number: int, agent: Agent) -> tuple[int | None, float]:
    """Steps until the goal, None if it is not reached; and the rewards' sum.

    A greedy agent does the same when it sees the same, and so does the environment: what comes round once comes round
    until the step limit, with the same rewards, which need not be waited for.
    """
    state, info = env.reset(options={"scenario": number})
    seen: dict[Any, int] = {}
    rewards: list[float] = []
    for step in range(MAX_STEPS):
        before = (info["observation"], state.tobytes())
        if before in seen:
            round_ = rewards[seen[before] :]
            return None, sum(rewards) + sum(islice(cycle(round_), MAX_STEPS - step))
        seen[before] = step
        state, reward, terminated, _, info = env.step(np.int64(agent.act(state, explore=False)))
        rewards.append(reward)
        if terminated:
            return step + 1, sum(rewards)
    return None, sum(rewards)


def _least_actions(scenario: Scenario) -> int:
    """What the generator wrote into the trace."""
    return int(scenario.trace.extra["metadata"]["scenario"]["least_actions"])
