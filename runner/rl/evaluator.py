"""What trainings of a doctor are evaluated on, and the exam at their end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.saved.evaluation import EvaluationRow, Measured
from env.doctor.actions import ACTIONS
from env.doctor.recording import Recording, starts_of
from env.interrupt import stopping_when
from runner.evaluation.intervals import Estimate
from runner.rl.exam import EXAM_SEED, HELD_OUT, LARGE, Policy, Score, at_random, by_hand, examine, of_agent, table
from runner.training.trainee import ShouldStop

NO_METRICS, RECORDED = "no-metrics", "recorded"
_EXAMS = 1 << 20
"""Seeds of evaluations are so far behind those of exams."""
MOST_OPTIMAL = 1000
"""Episodes of the optimum, which takes seconds for each new problem."""
_BASELINES: Mapping[str, Callable[[], Policy]] = {"random": lambda: at_random(0), "scripted": lambda: by_hand}


@dataclass(frozen=True)
class DoctorEvaluator:
    """Greedy episodes on problems that no training and no exam draws: as many held-out ones as large ones.

    Attributes:
        max_steps: Of an episode.
        episodes: Of each kind.
        recordings: Where there are any, episodes start with these states and no others.
    """

    solved: ClassVar[str] = "with nothing wrong in the end, or with a correct report"

    max_steps: int
    episodes: int = 200
    recordings: tuple[Recording, ...] = ()

    @property
    def baselines(self) -> Sequence[str]:
        """Who plays them too."""
        return tuple(_BASELINES)

    def score(self, agent: Any, should_stop: ShouldStop) -> dict[str, Any]:
        """Means over both kinds, and of each kind; and how often each action was taken."""
        return self._score(lambda: of_agent(agent), should_stop)

    def baseline(self, name: str, should_stop: ShouldStop) -> dict[str, Any]:
        """The same of another doctor."""
        return self._score(_BASELINES[name], should_stop)

    def probes(self) -> NDArray[np.float32]:
        """None: PPO has no values of actions to ask for."""
        return np.empty((0, 0), np.float32)

    def optimal_shares(self) -> None:
        """Not known: on large clusters there is no optimum."""

    def _score(self, make: Callable[[], Policy], should_stop: ShouldStop) -> dict[str, Any]:
        taken, seed = np.zeros(ACTIONS, np.int64), EXAM_SEED + _EXAMS
        rows = []
        with stopping_when(should_stop):
            for problems in (RECORDED,) if self.recordings else (HELD_OUT, LARGE):
                options: dict[str, Any] = {"episodes": self.episodes, "max_steps": self.max_steps, "seed": seed}
                starts = starts_of(self.recordings) if self.recordings else None
                rows.append(row_of(examine(make(), "", problems, taken=taken, recorded=starts, **options)))
        of_each = {
            f"{row.problems.replace('-', '_')}_{name}": value
            for row in rows
            for name, value in (("solved", row.solved_rate.value), ("return", row.mean_return.value))
        }
        return {
            "n": sum(row.episodes for row in rows),
            "solved_rate": _mean(row.solved_rate for row in rows),
            "mean_steps": _mean(row.mean_steps for row in rows),
            "mean_return": _mean(row.mean_return for row in rows),
            **of_each,
            "actions": taken.tolist(),
        }


def _mean(measured: Iterable[Measured]) -> float:
    values = [each.value for each in measured]
    return sum(values) / len(values)


def exam(
    max_steps: int, episodes: int, recordings: Sequence[Recording] = ()
) -> Callable[[Any, ShouldStop], list[EvaluationRow]]:
    """An exam beside other doctors: on problems that no training draws, without metrics, and on recorded clusters.

    Args:
        max_steps: Of an episode.
        episodes: For each kind of problems; of the optimum at most MOST_OPTIMAL.
        recordings: Of real clusters.
    """
    optimal = min(episodes, MOST_OPTIMAL)

    def examined(agent: Any, should_stop: ShouldStop) -> list[EvaluationRow]:
        with stopping_when(should_stop):
            scores = table(agent, episodes=episodes, optimal=optimal, max_steps=max_steps)
            others: list[tuple[str, Any]] = [(NO_METRICS, None)]
            others += [(RECORDED, starts_of(recordings))] if recordings else []
            for problems, starts in others:
                for name, policy in {"ppo": of_agent(agent), "scripted": by_hand, "random": at_random(0)}.items():
                    options: dict[str, Any] = {"episodes": episodes, "max_steps": max_steps, "recorded": starts}
                    scores.append(examine(policy, name, problems, **options))
            return list(map(row_of, scores))

    return examined


def row_of(score: Score) -> EvaluationRow:
    """A doctor's score as a model's file holds it."""
    estimates = (score.solved_rate, score.mean_return, score.mean_steps)
    return EvaluationRow(score.doctor, score.problems, score.episodes, *map(_measured, estimates))


def _measured(estimate: Estimate | None) -> Measured:
    if estimate is None:
        raise ValueError("an exam without episodes")
    return Measured(estimate.value, estimate.low, estimate.high)
