"""How good a doctor is, as the benchmarks of learning measure it: on problems of Doctor-v0 that no training draws."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from runner.bench.exam import MAX_STEPS, Exams, Marks
from runner.rl.exam import EXAM_SEED, HELD_OUT, LARGE, examine, of_agent

SUITE, VALIDATION = 1000, 200
"""Episodes of each kind of problems."""


class DoctorExam:
    """Small held-out problems and large ones, for PPO's networks; they play with the mask, however they learned.

    Args:
        episodes: Of each kind.
        seed: Of the first; from EXAM_SEED on.
    """

    def __init__(self, episodes: int, seed: int) -> None:
        self._episodes, self._seed = episodes, seed

    def marks(self, agent: Any) -> Marks:
        """Play every problem once, greedily."""
        scores = {
            problems: examine(
                of_agent(agent), agent.name, problems, episodes=self._episodes, max_steps=MAX_STEPS, seed=self._seed
            )
            for problems in (HELD_OUT, LARGE)
        }
        shares = {problems: score.solved / score.episodes for problems, score in scores.items()}
        means = [score.mean_return.value for score in scores.values() if score.mean_return is not None]
        return Marks(fmean(shares.values()), None, shares, fmean(means))


def doctor_exams() -> Exams:
    """The problems of `sim-arena rl train`'s exam at the end, others on the way."""
    return Exams(DoctorExam(VALIDATION, EXAM_SEED + SUITE), DoctorExam(SUITE, EXAM_SEED))
