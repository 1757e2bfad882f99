"""`sim-arena episode --env season`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from agents.ppo.agent import PPO
from agents.spaces import season
from env.season import baselines
from env.season.policy import play
from env.season.series import generated
from env.season.variants import VARIANTS, WINDOWS
from env.season.window import Prices
from runner.evaluation.season import greedy

Cli = Callable[..., Any]
MEMORY = VARIANTS["memory"]


def played(cli: Cli, *words: str) -> dict[str, Any]:
    """What the command prints as JSON."""
    result = cli("episode", "--env", "season", *words, "--json")
    assert result.code == 0, result.err
    document: dict[str, Any] = json.loads(result.out)
    return document


@pytest.mark.parametrize("kind", ["leak", "deploys"])
def test_a_rule_costs_in_an_episode_what_it_costs_in_evaluations(cli: Cli, kind: str) -> None:
    series, _ = generated(MEMORY, [5], kind)
    expected = baselines.play(baselines.VPA, series, MEMORY, Prices(3.0, MEMORY.restart_price))
    document = played(cli, "--agent", "VPA", "--kind", kind, "--seed", "5", "--kappa", "3")
    assert document["cost"] == pytest.approx(expected.cost[0])
    assert document["held"] == pytest.approx(expected.held[0])
    assert document["exceeded"] == pytest.approx(expected.exceeded[0] * WINDOWS)
    assert document["changed"] == pytest.approx(expected.changed[0] * WINDOWS)
    assert [record["window"] for record in document["records"]] == [*range(1, WINDOWS + 1)]


def test_a_model_plays_as_in_evaluations_and_the_optimum_costs_no_more(cli: Cli) -> None:
    agent = PPO(seed=3, spaces=season())
    agent.save(Path("mine.pt"))
    series, _ = generated(MEMORY, [7])
    mine = played(cli, "--agent", "mine.pt", "--seed", "7")
    assert mine["cost"] == pytest.approx(play(greedy(agent), series, MEMORY).cost.mean())
    assert mine["cost"] > played(cli, "--agent", "optimum", "--seed", "7")["cost"]


def test_the_trained_agent_plays_where_no_other_is_named(cli: Cli) -> None:
    words = ("--kind", "daily", "--seed", "3")
    assert played(cli, *words)["cost"] < 0.9 * played(cli, *words, "--agent", "VPA")["cost"]


def test_a_table_and_a_picture_show_the_first_windows(cli: Cli) -> None:
    words = ("--agent", "noop", "--variant", "cpu", "--kind", "daily", "--steps", "6", "--to", "season.png")
    result = cli("episode", "--env", "season", *words)
    assert result.code == 0
    rows = result.out.splitlines()
    assert rows[0].split() == ["window", "starts", "request", "peak", "cost"]
    assert rows[6].split()[:5] == ["6", "week", "1", "Tue", "06:00"]
    assert "windows   6" in result.out
    assert np.asarray(Image.open("season.png")).shape == (400, 640, 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--env", "season", "--agent", "vpa"), "--agent vpa: no file of a model; choose from noop, VPA, KRR, optimum"),
        (("--env", "season", "--problem", "cpu"), "--problem: is of --env cluster; leave it out with --env season"),
        (("--env", "season", "--variant", "disk"), "variant 'disk': unknown"),
        (("--env", "season", "--agent", "VPA", "--to", "no/where.png"), "--to no/where.png: no file can be there"),
        (("--env", "season", "--variant", "cpu"), "--variant cpu: the trained agent is for memory; name another"),
        (("--kappa", "3"), "--kappa: is of --env season; leave it out with --env cluster"),
        (("--env", "doctor", "--kind", "flat"), "--kind: is of --env season; leave it out with --env doctor"),
    ],
)
def test_what_cannot_be_played_is_refused_in_one_line(cli: Cli, words: tuple[str, ...], said: str) -> None:
    result = cli("episode", *words)
    assert result.code == 2
    assert result.err.startswith(f"error: {said}")
    assert result.err.count("\n") == 1
