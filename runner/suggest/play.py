"""An agent's steps on a scenario: what was seen last, the effect of every action, and the ways that harm neighbours."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from env.actions import STEPS, Action, ActionOutcome
from env.gym.cluster_env import ClusterEnv
from env.gym.reward import goal
from env.interrupt import Stopped
from env.observation import Observation


class Harmful(NamedTuple):
    """A step that led to the target at the cost of neighbours: how many there were by then, what was seen, and why."""

    steps: int
    broken: int
    seen: Observation
    breaks: tuple[str, ...]


class Play:
    """The steps on a scenario: what was seen last, the effect of every action, and the harmful ways to the target.

    Args:
        env: Of the scenario alone.
        max_steps: The most steps.
        explained: Whether to ask what each harmful step breaks, which an embedded cluster replays once more for; else
            it is asked of the one that is returned to.
        should_stop: Asked before every step.
        on_step: Gets the number of each step and what it led to.
    """

    def __init__(
        self,
        env: ClusterEnv,
        max_steps: int,
        explained: bool,
        should_stop: Callable[[], bool],
        on_step: Callable[[int, Observation], None],
    ) -> None:
        self.env = env
        self.outcomes: list[ActionOutcome] = []
        self.harmful: list[Harmful] = []
        self._max_steps = max_steps
        self._explained = explained
        self._should_stop = should_stop
        self._on_step = on_step
        self.state, self._info = env.reset(seed=0)
        self._target = env.scenario.target

    @property
    def seen(self) -> Observation:
        """What was observed last."""
        seen: Observation = self._info["observation"]
        return seen

    @property
    def is_solved(self) -> bool:
        """Whether that is the goal."""
        return bool(self._info["is_success"])

    @property
    def is_over(self) -> bool:
        """Whether no step is left."""
        return len(self.outcomes) >= self._max_steps

    def step(self, action: int) -> ActionOutcome:
        """Take a step; Stopped if that is asked for."""
        if self._should_stop():
            raise Stopped
        self.state, _, _, _, self._info = self.env.step(np.int64(action))
        outcome: ActionOutcome = self._info["outcome"]
        self.outcomes.append(outcome)
        fewest = min((each.broken for each in self.harmful), default=math.inf)
        if self.seen.broken < fewest and goal(self.seen._replace(broken=0), self._target) and not self.is_solved:
            breaks = self.env.why() if self._explained else ()
            step = Harmful(len(self.outcomes), self.seen.broken, self.seen, breaks)
            self.harmful.append(step)
        self._on_step(len(self.outcomes), self.seen)
        return outcome

    def instead(self, actions: Sequence[Action]) -> None:
        """Begin again, and take these steps."""
        self.outcomes.clear()
        self.state, self._info = self.env.reset(seed=0)
        for action in actions:
            self.step(action)

    def solves(self, actions: Sequence[Action]) -> bool:
        """Begin again, take these steps, and see whether they lead to the goal."""
        self.instead(actions)
        return self.is_solved

    def return_to(self, step: Harmful) -> tuple[str, ...]:
        """Drop the steps after one; what it breaks."""
        if not self._explained:
            self.instead([outcome.action for outcome in self.outcomes[: step.steps]])
            return self.env.why()
        del self.outcomes[step.steps :]
        self._info = {**self._info, "observation": step.seen}
        return step.breaks


def net_actions(outcomes: Sequence[ActionOutcome]) -> list[tuple[Action, int]]:
    """The actions that had an effect and were not undone, each with its count, in the order of their first use."""
    counts = Counter(outcome.action for outcome in outcomes if outcome.changed)
    undone = {action: sum(counts[other] for other in counts if _undoes(other, action)) for action in counts}
    return [(action, counts[action] - undone[action]) for action in counts if counts[action] > undone[action]]


def _undoes(one: Action, other: Action) -> bool:
    """Whether one action takes away what the other adds."""
    return all(step == -back for step, back in zip(STEPS[other], STEPS[one], strict=True))
