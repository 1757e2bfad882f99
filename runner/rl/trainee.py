"""A training of a doctor, as the loop of `sim-arena train` runs it: epochs of PPO on many clusters at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.ppo.agent import PPO
from agents.saved.evaluation import EvaluationRow, Measured
from agents.saved.fields import check_equal, count, mapping
from agents.spaces import doctor as doctor_spaces
from env.doctor.actions import ACTIONS
from env.doctor.recording import Recording, starts_of
from env.errors import AgentError
from env.interrupt import stopping_when
from runner.episode import OnStep
from runner.evaluation.intervals import Estimate
from runner.rl.exam import EXAM_SEED, HELD_OUT, LARGE, Policy, Score, at_random, by_hand, examine, of_agent, table
from runner.rl.train import DoctorTraining, train_epoch
from runner.training.summary import episode_means
from runner.training.trainee import ShouldStop, Summary
from runner.training.training import as_array, from_lines, to_lines

NO_METRICS, RECORDED = "no-metrics", "recorded"
_EXAMS = 1 << 20
"""Seeds of evaluations are so far behind those of exams."""
MOST_OPTIMAL = 1000
"""Episodes of the optimum, which takes seconds for each new problem."""
_BASELINES: Mapping[str, Callable[[], Policy]] = {"random": lambda: at_random(0), "scripted": lambda: by_hand}
_MEANS = {"reward": "return", "steps": "length", "solved": "solved"}
"""Names in a summary, and what PPO's updates call the same."""


class DoctorTrainee:
    """PPO that learns Doctor-v0. Everything random in an epoch follows from the plan's seed and its number.

    Attributes:
        agent: Who learns.
        history: A summary of each epoch: the means of the episodes that ended in it, and what its last update measured.
    """

    unit = "epoch"
    kind = PPO.name

    def __init__(self, plan: DoctorTraining) -> None:
        self.plan = plan
        self.agent = PPO(seed=plan.seed, settings=plan.settings, spaces=doctor_spaces())
        self.history: list[Summary] = []
        self._is_whole = True

    @property
    def seed(self) -> int:
        """What everything random follows from."""
        return self.plan.seed

    @property
    def total(self) -> int:
        """Epochs in all."""
        return self.plan.epochs

    @property
    def done(self) -> int:
        """Number of the last whole epoch, 0 before the first."""
        return len(self.history)

    @property
    def env_steps(self) -> int:
        """Of all clusters together."""
        return self.agent.env_steps

    @property
    def actions(self) -> Sequence[str]:
        """Their names, by index."""
        return self.agent.spaces.actions

    def run_next(self, should_stop: ShouldStop, on_step: OnStep) -> None:
        """Train the next epoch; its steps, tens of thousands, are not recorded.

        Raises:
            Stopped: `should_stop` turned true; this object is of no more use.
        """
        self._is_whole = False
        with stopping_when(should_stop):
            measured = train_epoch(self.agent, self.plan, self.done + 1)
        self._is_whole = True
        means = {name: measured.pop(theirs, None) for name, theirs in _MEANS.items()}
        measured.pop("env_steps", None)
        self.history.append({"episode": self.done + 1, **means, **measured})

    def copy_of_agent(self) -> PPO:
        """An equal agent that may be played with."""
        agent = PPO(seed=self.plan.seed, settings=self.plan.settings, spaces=self.agent.spaces)
        agent.load_state_dict(self.agent.state_dict())
        return agent

    def forget_records(self) -> None:
        """There are none."""

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on bit-exactly.

        Raises:
            AgentError: An epoch was cut short.
        """
        if not self._is_whole:
            raise AgentError(f"there is no state to save: epoch {self.done + 1} was cut short")
        history = as_array(to_lines(self.history))
        return {"training": self.plan.identity(), "agent": self.agent.state_dict(), "history": history}

    def load_state_dict(self, state: Mapping[str, Any]) -> int:
        """Go on from `state_dict()`; the number of the last epoch.

        Raises:
            AgentError: Damaged, or of another training.
        """
        what = "training state"
        check_equal(mapping(state, "training", what), self.plan.identity(), what)
        history = from_lines(state.get("history"), what)
        for number, summary in enumerate(history, 1):
            values = [summary.get(name) for name in summary.keys() - {"episode"} | _MEANS.keys()]
            if count(summary, "episode", what) != number or not all(map(_is_mean, values)):
                raise AgentError(f"{what}: damaged summary of epoch {number}")
        self.agent.load_state_dict(mapping(state, "agent", what))
        self.history, self._is_whole = history, True
        return self.done

    def totals(self) -> Summary:
        """Numbers about all epochs so far."""
        last = self.history[-1] if self.history else {}
        return {
            "epochs": self.done,
            "env_steps": self.env_steps,
            **{f"last_{name}": last.get(ours) for name, ours in _LAST.items()},
        }

    def about(self, history: Sequence[Summary]) -> str:
        """One line about some epochs."""
        first, last, means = history[0]["episode"], history[-1]["episode"], episode_means(history)
        names = {"reward": "return", "steps": "steps", "entropy": "entropy", "approx_kl": "kl"}
        known = [f"{name} {means[ours]:.2f}" for ours, name in names.items() if ours in means]
        solved = [f"{100 * means['solved']:.1f} % solved"] if "solved" in means else []
        return f"{f'epoch {first}' if first == last else f'epochs {first} to {last}'}: {', '.join([*solved, *known])}"


_LAST = {"solved_rate": "solved", "mean_steps": "steps", "mean_return": "reward"}


def _is_mean(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isfinite(value))


@dataclass(frozen=True)
class DoctorEvaluator:
    """Greedy episodes on problems that no training and no exam draws: as many held-out ones as large ones.

    Attributes:
        max_steps: Of an episode.
        episodes: Of each kind.
        recordings: Where there are any, episodes start with these states and no others.
    """

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
