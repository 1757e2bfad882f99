"""What an agent that reads is told before each action, and the tools it looks at the cluster with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from agents.agent import Agent
from agents.llm.conversation import ToolCall, ToolOutcome, ToolSpec
from env.actions import ActionOutcome, Ceiling
from env.observation import Observation
from env.workload import WorkloadRef


class Toolbox(Protocol):
    """Tools that read the cluster as it is at this step; they change nothing.

    Attributes:
        specs: What a model is told of them.
    """

    specs: Sequence[ToolSpec]

    def call(self, call: ToolCall) -> ToolOutcome:
        """The outcome; an unknown tool, wrong arguments or a cluster that does not answer is one with `is_error`."""


@dataclass(frozen=True)
class Situation:
    """Where an episode stands. The scenario's name is not in it: names give problems away.

    Attributes:
        workload: A Deployment, or a workload of another kind.
        target: Pods that should be Ready.
        step: Of the next action, from 1 on.
        max_steps: Steps of the episode.
        observation: What was observed last.
        ceiling: The most that actions make the workload request.
        last: The outcome of the action before; None at the first step.
        tools: They show what was observed last.
    """

    workload: WorkloadRef
    target: int
    step: int
    max_steps: int
    observation: Observation
    ceiling: Ceiling
    last: ActionOutcome | None
    tools: Toolbox


@runtime_checkable
class ReadingAgent(Agent, Protocol):
    """An agent that needs more than the state vector."""

    def read(self, situation: Situation) -> None:
        """Called before each `act`, with what the state vector was made of."""
