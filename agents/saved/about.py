"""What a model's file says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.saved.evaluation import EvaluationRow, evaluation_in
from agents.saved.fields import mapping
from agents.saved.formats import read_state
from env.printable import one_line


@dataclass(frozen=True)
class About:
    """None: the file does not say.

    Attributes:
        agent: The name of the agent's kind.
        environment: The id of the environment that it has learned.
        schema: The hash of that environment's features and actions.
        seed: Of the training.
        env_steps: That it has learned from.
        evaluation: How it does, beside others.
    """

    agent: str | None
    environment: str | None
    schema: str | None
    seed: int | None
    env_steps: int | None
    evaluation: tuple[EvaluationRow, ...]

    @property
    def line(self) -> str:
        """As `SimArena/Doctor-v0, seed 0, held-out 99.6 % solved, return 10.10`."""
        seed = [] if self.seed is None else [f"seed {self.seed}"]
        rows = [
            f"{row.problems} {100 * row.solved_rate.value:.1f} % solved, return {row.mean_return.value:.2f}"
            for row in self.evaluation
            if row.agent == self.agent
        ]
        return ", ".join([self.environment or "names no environment", *seed, *(rows or ["not evaluated"])])


def about(path: Path) -> About:
    """What a file says: one of `Agent.save`, of a whole training, or bare weights, which say nothing.

    Raises:
        AgentError: It cannot be read, or its evaluation is damaged.
    """
    state: Mapping[str, Any] = read_state(path)
    if "training" in state:
        state = mapping(state, "agent", f"checkpoint {path}")
    texts = [_text(state.get(name)) for name in ("agent", "environment", "schema")]
    numbers = [_number(state.get(name)) for name in ("seed", "env_steps")]
    agent, environment, schema = texts
    seed, env_steps = numbers
    return About(agent, environment, schema, seed, env_steps, tuple(evaluation_in(state, f"checkpoint {path}")))


def _text(value: object) -> str | None:
    return one_line(value, 100) if isinstance(value, str) else None


def _number(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 2**63 else None
