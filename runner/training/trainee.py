"""What the loop trains, and what it evaluates it on, whatever the environment is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from agents.agent import Agent
from agents.saved.evaluation import EvaluationRow
from runner.episode import OnStep

Summary = dict[str, Any]
"""What is known of a unit of a training, as JSON holds it: its number as `episode`, means as `reward`, `steps`,
`solved` (a share or a truth value), and others."""
ShouldStop = Callable[[], bool]
Exam = Callable[[Agent, ShouldStop], list[EvaluationRow]]
"""Examines an agent at the end, for its file."""


class Trainee(Protocol):
    """A training that goes on by one unit at a time and can be stopped after each, to the same bits.

    Attributes:
        agent: Who learns.
        kind: The name of its kind.
        seed: What everything random follows from.
        unit: What it is counted in: "episode" or "epoch".
        total: Units in all.
        history: A summary of each unit so far.
        env_steps: Of all units so far.
        actions: Names of the actions, by index.
    """

    @property
    def agent(self) -> Agent: ...

    @property
    def history(self) -> Sequence[Summary]: ...

    @property
    def env_steps(self) -> int: ...

    @property
    def kind(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def unit(self) -> str: ...

    @property
    def total(self) -> int: ...

    @property
    def actions(self) -> Sequence[str]: ...

    @property
    def done(self) -> int:
        """Number of the last whole unit, 0 before the first."""

    def run_next(self, should_stop: ShouldStop, on_step: OnStep) -> None:
        """Train the next unit.

        Args:
            should_stop: Asked now and then.
            on_step: Gets the records of its steps, where they are kept.

        Raises:
            Stopped, ClusterError: It was cut short, and this object is of no more use.
        """

    def copy_of_agent(self) -> Agent:
        """An equal agent that may be played with."""

    def forget_records(self) -> None:
        """Drop the step records, which are elsewhere by now."""

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on bit-exactly."""

    def load_state_dict(self, state: Mapping[str, Any]) -> int:
        """Go on from `state_dict()`; the number of the last unit. AgentError if it does not fit."""

    def totals(self) -> dict[str, Any]:
        """Numbers about the whole training so far."""

    def about(self, history: Sequence[Summary]) -> str:
        """One line about some of its units."""


class Evaluator(Protocol):
    """Fixed problems that a training is evaluated on and never trains on.

    Attributes:
        solved: What counts as solved, in words.
        baselines: Names of those who play them too.
    """

    @property
    def solved(self) -> str: ...

    @property
    def baselines(self) -> Sequence[str]: ...

    def score(self, agent: Agent, should_stop: ShouldStop) -> dict[str, Any]:
        """Results of one evaluation: n, solved_rate, mean_steps, mean_return, and others.

        Raises:
            ClusterError: The cluster could not be observed.
            Stopped: `should_stop` turned true.
        """

    def baseline(self, name: str, should_stop: ShouldStop) -> dict[str, Any]:
        """The same of one of `baselines`."""

    def probes(self) -> npt.NDArray[np.float32]:
        """States (n, features) to ask an agent's values of; none: (0, 0)."""

    def optimal_shares(self) -> list[float] | None:
        """Share of each action in the shortest solutions; None where that is not known."""


class Opened(NamedTuple):
    """An untrained training, what it is evaluated on, and the exam at its end."""

    training: Trainee
    evaluator: Evaluator | None = None
    exam: Exam | None = None
