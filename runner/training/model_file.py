"""A trained agent's file, with how well it does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.agent import Agent, WeightedAgent
from agents.saved import pt_file
from agents.saved.evaluation import EvaluationRow, Measured, with_evaluation
from agents.saved.files import write_atomic

VALIDATION = "validation"
"""What a table calls the problems that a training is evaluated on as it goes."""


def save_model(agent: Agent, path: Path, rows: Sequence[EvaluationRow]) -> None:
    """Write an agent to be played; one with networks with its evaluation table, and without a replay buffer: megabytes
    that only more training could use, which goes on from a state. OutputError if it cannot be written."""
    if isinstance(agent, WeightedAgent):
        state = agent.state_dict()
        if "replay" in state:
            from agents.dqn.replay import Replay

            state["replay"] = Replay(1, 1, 1.0).state_dict()
        write_atomic(path, pt_file.dumps(with_evaluation(state, rows)))
    else:
        agent.save(path)


def evaluation_rows(scores: Iterable[Mapping[str, Any]]) -> list[EvaluationRow]:
    """The table of evaluations as metrics have them: agent, n, solved_rate, mean_return, mean_steps."""
    names = ("solved_rate", "mean_return", "mean_steps")
    return [
        EvaluationRow(row["agent"], VALIDATION, row["n"], *(Measured(row[name]) for name in names)) for row in scores
    ]
