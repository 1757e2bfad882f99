"""The evaluation table in a model's file, and what a file says about itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents.kinds import make_agent
from agents.saved import pt_file
from agents.saved.about import about
from agents.saved.evaluation import MOST_ROWS, EvaluationRow, Measured, evaluation_in, with_evaluation
from agents.spaces import CLUSTER
from env.errors import AgentError

ROW = EvaluationRow("ppo", "held-out", 1000, Measured(0.996, 0.99, 0.998), Measured(10.1), Measured(4.5))


def test_a_file_says_what_its_agent_has_learned_and_how_it_does(tmp_path: Path) -> None:
    agent, path = make_agent("ppo", seed=5), tmp_path / "model.pt"
    path.write_bytes(pt_file.dumps(with_evaluation(agent.state_dict(), [ROW])))
    found = about(path)
    assert (found.agent, found.environment, found.schema, found.seed) == ("ppo", CLUSTER.id, CLUSTER.schema, 5)
    assert found.evaluation == (ROW,)
    assert found.line == "SimArena/Cluster-v0, seed 5, held-out 99.6 % solved, return 10.10"
    make_agent("ppo", seed=0).load(path)


def test_a_file_without_a_table_is_not_evaluated(tmp_path: Path) -> None:
    make_agent("ppo", seed=5).save(tmp_path / "model.pt")
    assert about(tmp_path / "model.pt").line == "SimArena/Cluster-v0, seed 5, not evaluated"


@pytest.mark.parametrize(
    "table",
    [
        7,
        [7],
        [{}],
        [{}] * (MOST_ROWS + 1),
        [{"agent": "a", "problems": "b", "episodes": -1}],
        [{"agent": "a", "problems": "b", "episodes": 1, "solved_rate": 1, "mean_return": 1, "mean_steps": 1}],
    ],
)
def test_a_table_that_is_none_is_refused_in_one_line(table: Any) -> None:
    with pytest.raises(AgentError, match=r"^model: evaluation") as raised:
        evaluation_in({"evaluation": table}, "model")
    assert len(str(raised.value)) < 300


def test_numbers_that_are_not_finite_are_refused_and_names_cut() -> None:
    (row,) = with_evaluation({}, [ROW])["evaluation"]
    with pytest.raises(AgentError, match="is no row"):
        evaluation_in({"evaluation": [row | {"mean_return": {"value": float("nan"), "low": None, "high": None}}]}, "m")
    (found,) = evaluation_in({"evaluation": [row | {"agent": "x" * 10_000 + "\x1b[2J"}]}, "m")
    assert (len(found.agent), found.agent.isprintable()) == (100, True)
