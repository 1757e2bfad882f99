"""Trainings that are counted in epochs: an agent learns in many environments at a time, as `Trainee`s go on.

Which environment and how an epoch of it is trained is its plan's; here is what all of them share: the history, the
state, and that any epoch can be left out, as a federation's member does that was left behind.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from agents.agent import WeightedAgent
from agents.saved.fields import check_equal, count, mapping
from agents.spaces import Spaces
from env.errors import AgentError
from env.interrupt import stop_if_asked, stopping_when
from runner.episode import OnStep
from runner.training.summary import episode_means
from runner.training.trainee import Evaluator, ShouldStop, Summary
from runner.training.training import as_array, from_lines, to_lines

_WHAT = "training state"
_MEANS = {"reward": "return", "steps": "length", "solved": "solved"}
"""Names in a summary, and what an epoch's metrics call the same."""
_LAST = {"solved_rate": "solved", "mean_steps": "steps", "mean_return": "reward"}


class EpochAgent(WeightedAgent, Protocol):
    """An agent that learns in many environments at a time."""

    @property
    def spaces(self) -> Spaces: ...

    @property
    def env_steps(self) -> int:
        """Steps learned from, of all environments together."""


A = TypeVar("A", bound=EpochAgent)


@dataclass(frozen=True)
class WantedEpochs:
    """What is asked of a training by epochs, whatever the environment: what a job can say.

    Attributes:
        epochs: How many.
        epoch_steps: Environment steps of an epoch, of all environments together.
        environments: Stepped together.
        max_steps: Steps after which an episode is truncated, where the environment does not end it.
        seed, member: See `EpochPlan`.
        agent, agent_settings: Who learns.
        kinds: Of what is generated there; none: any.
        settings: Of the environment.
        series: Recorded ones to train on in place of what is generated, float64 (n, length); None: there are none.
    """

    epochs: int
    epoch_steps: int
    environments: int
    max_steps: int
    seed: int
    member: int
    agent: str
    agent_settings: Mapping[str, Any]
    kinds: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    series: NDArray[np.float64] | None = None


class EpochPlan(Protocol[A]):
    """What a training is: an environment, an agent and how they meet. Everything random follows from its numbers."""

    @property
    def epochs(self) -> int:
        """How many."""

    @property
    def seed(self) -> int:
        """Of the first weights; with the member's number and the epoch's of all that is drawn in an epoch."""

    @property
    def member(self) -> int:
        """Its place in a federation, whose members start from equal weights and meet different episodes."""

    def identity(self) -> dict[str, Any]:
        """What must be equal for a training to be gone on with, but for the member."""

    def new_agent(self) -> A:
        """An agent that has learned nothing."""

    def train(self, agent: A, epoch: int) -> dict[str, float]:
        """Train an epoch; what was measured: `return`, `length` and `solved` are means of the episodes that ended.

        Raises:
            Stopped: A stop was asked for, see `env.interrupt`; the agent is of no more use.
        """

    def evaluator(self) -> Evaluator:
        """What it is evaluated on: problems that it never trains on."""


def first_seed(plan: EpochPlan[Any], epoch: int, environments: int, below: int) -> int:
    """The seed of an epoch's first environment; the others follow it.

    Args:
        below: Seeds from here on are for exams.
    """
    if plan.member == 0:
        return (plan.seed * 1009 + epoch) * environments % below
    drawn = np.random.SeedSequence((plan.seed, plan.member, epoch)).generate_state(1, np.uint64)
    return int(drawn[0]) % (below - environments)


class Train(Protocol):
    """Trains an agent, and tells what each update measured."""

    def __call__(self, *, on_update: Callable[[Mapping[str, float]], None]) -> None: ...


def last_measured(train: Train) -> dict[str, float]:
    """Train; what the last update measured.

    Raises:
        Stopped: A stop was asked for, see `env.interrupt`; the agent is of no more use.
    """
    metrics: dict[str, float] = {}

    def keep(update: Mapping[str, float]) -> None:
        metrics.update(update)
        stop_if_asked()

    train(on_update=keep)
    return metrics


class EpochTrainee(Generic[A]):
    """An agent that learns in epochs, as the loop of `sim-arena train` and a job's worker run it.

    Attributes:
        plan: What the training is.
        agent: Who learns.
        history: A summary of each epoch: the means of the episodes that ended in it, and what its last update measured.
    """

    unit = "epoch"

    def __init__(self, plan: EpochPlan[A]) -> None:
        self.plan = plan
        self.agent = plan.new_agent()
        self.history: list[Summary] = []
        self._is_whole = True

    @property
    def kind(self) -> str:
        """The name of the agent's kind."""
        return self.agent.name

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
        return int(self.history[-1]["episode"]) if self.history else 0

    @property
    def env_steps(self) -> int:
        """Of all environments together."""
        return self.agent.env_steps

    @property
    def actions(self) -> Sequence[str]:
        """Their names, by index."""
        return self.agent.spaces.actions

    def run_next(self, should_stop: ShouldStop, on_step: OnStep) -> None:
        """Train the next epoch; its steps, tens of thousands, are not recorded. Raises as `run_epoch`."""
        self.run_epoch(self.done + 1, should_stop)

    def run_epoch(self, epoch: int, should_stop: ShouldStop) -> Summary:
        """Train epoch number `epoch`: the one after the last, or a later one; its summary.

        Raises:
            Stopped: `should_stop` turned true; this object is of no more use.
            AgentError: It is not later than the last one.
        """
        if epoch <= self.done or not self._is_whole:
            raise AgentError(f"epoch {epoch} cannot follow epoch {self.done}{'' if self._is_whole else ', cut short'}")
        self._is_whole = False
        with stopping_when(should_stop):
            measured = self.plan.train(self.agent, epoch)
        self._is_whole = True
        means = {name: measured.pop(theirs, None) for name, theirs in _MEANS.items()}
        measured.pop("env_steps", None)
        self.history.append({"episode": epoch, **means, **measured})
        return self.history[-1]

    def copy_of_agent(self) -> A:
        """An equal agent that may be played with."""
        agent = self.plan.new_agent()
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
            raise AgentError(f"there is no state to save: an epoch after epoch {self.done} was cut short")
        history = as_array(to_lines(self.history))
        return {"training": self._identity(), "agent": self.agent.state_dict(), "history": history}

    def load_state_dict(self, state: Mapping[str, Any]) -> int:
        """Go on from `state_dict()`; the number of the last epoch.

        Raises:
            AgentError: Damaged, or of another training.
        """
        check_equal(mapping(state, "training", _WHAT), self._identity(), _WHAT)
        history = from_lines(state.get("history"), _WHAT)
        last = 0
        for number, summary in enumerate(history, 1):
            values = [summary.get(name) for name in summary.keys() - {"episode"} | _MEANS.keys()]
            epoch = count(summary, "episode", _WHAT)
            if epoch <= last or not all(map(_is_mean, values)):
                raise AgentError(f"{_WHAT}: damaged summary of epoch {number}")
            last = epoch
        self.agent.load_state_dict(mapping(state, "agent", _WHAT))
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

    def _identity(self) -> dict[str, Any]:
        """States of trainings that are no member's are those of releases without members."""
        member = {"member": self.plan.member} if self.plan.member else {}
        return {**self.plan.identity(), **member}


def _is_mean(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isfinite(value))
