"""`sim-arena episode --env fleet`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.ppo.agent import PPO
from agents.saved import pt_file
from agents.spaces import fleet
from env.fleet.draw import problems_of
from env.fleet.planner import plan
from env.fleet.variants import VARIANTS
from runner.evaluation.fleet import by_model

Cli = Callable[..., Any]
SMALL = VARIANTS["small"]


def played(cli: Cli, *words: str) -> dict[str, Any]:
    """What the command prints as JSON."""
    result = cli("episode", "--env", "fleet", *words, "--json")
    assert result.code == 0, result.err
    document: dict[str, Any] = json.loads(result.out)
    return document


def test_the_planner_plays_where_no_other_is_named_and_comes_to_what_it_does_in_evaluations(cli: Cli) -> None:
    document = played(cli, "--seed", "3", "--steps", "4")
    assert [record["fewest"] for record in document["records"]] == plan(problems_of(SMALL, [3]), 4)[:, 0].tolist()
    assert document["bound"] <= document["nodes"] <= document["records"][0]["nodes"]


def test_a_model_remembers_its_last_action_and_plays_as_in_evaluations(cli: Cli) -> None:
    agent, rng = PPO(seed=3, spaces=fleet("small")), np.random.default_rng(3)
    agent.load_weights({name: rng.normal(size=each.shape).astype("f4") for name, each in agent.weights().items()})
    agent.save(Path("mine.pt"))
    expected = by_model(agent, problems_of(SMALL, [7]), SMALL).nodes
    records = played(cli, "--agent", "mine.pt", "--seed", "7")["records"]
    assert [record["fewest"] for record in records] == expected[:, 0].tolist()
    assert len({tuple(record["replicas"]) for record in records}) > 3


def test_a_table_shows_what_a_rule_needs_and_vpa_needs_no_fewer_nodes_for_its_margin(cli: Cli) -> None:
    out = cli("episode", "--env", "fleet", "--agent", "noop").out
    assert out.splitlines()[0].split() == ["replay", "replicas", "nodes", "waiting", "fewest"]
    assert "services" in out
    assert played(cli, "--agent", "VPA")["nodes"] >= played(cli, "--agent", "rule")["nodes"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--agent", "planer"), "--agent planer: no file of a model; did you mean 'planner'?"),
        (("--kappa", "3"), "--kappa: is of --env season; leave it out with --env fleet"),
        (("--problem", "cpu"), "--problem: is of --env cluster; leave it out with --env fleet"),
        (("--to", "x.png"), "--to: is of --env cluster; leave it out with --env fleet"),
        (("--agent", "cluster.pt"), "has learned 'SimArena/Cluster-v0'"),
        (("--agent", "large.pt"), "--agent large.pt: has learned --variant large, not small"),
        (("--agent", "weights.pt"), "--agent weights.pt: has learned --variant large, not small"),
    ],
)
def test_what_cannot_be_played_is_refused_in_one_line(cli: Cli, words: tuple[str, ...], said: str) -> None:
    PPO(seed=0).save(Path("cluster.pt"))
    large = PPO(seed=0, spaces=fleet("large"))
    large.save(Path("large.pt"))
    Path("weights.pt").write_bytes(pt_file.dumps(large.weights()))
    result = cli("episode", "--env", "fleet", *words)
    assert (result.code, said in result.err, result.err.count("\n")) == (2, True, 1), result.err
