"""Who is played on fleets beside the language model, each with as many replays at most."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from env.errors import ConfigError
from env.fleet.variants import VARIANTS
from env.interrupt import stopping_when
from runner.benchmark.attempt import Rules
from runner.benchmark.fleet.attempt import fleet_row, nodes_with
from runner.benchmark.fleet.rows import FleetRow, FleetStep
from runner.benchmark.fleet.scenarios import FleetScenario
from runner.fleet import players
from runner.fleet.players import Replay

MODEL = "ppo"
"""A model of `sim-arena train --env fleet`, where a file is given."""
Play = Callable[[FleetScenario, int, int], list[Replay]]
"""Gives the replays of a scenario, of which there may be so many, with a seed."""

_PLAYERS: Mapping[str, Play] = {
    "planner": lambda scenario, most, seed: players.by_planner(scenario.problems, most, seed),
    "hill climbing": lambda scenario, most, seed: players.by_climbing(scenario.problems, most, seed),
    "best rule": lambda scenario, most, seed: players.by_rule(scenario.problems, VARIANTS[scenario.problem_type]),
    "VPA without margin": lambda scenario, most, seed: players.by_vpa(scenario.problems, 1.0),
    "noop": lambda scenario, most, seed: players.as_it_is(scenario.problems),
}
FLEET_PLAYERS = (*_PLAYERS,)
"""In the order of the report."""


def fleet_player(name: str, file: Path | None) -> Callable[[FleetScenario, int, Rules], FleetRow]:
    """Gives the row of an attempt of one of FLEET_PLAYERS, or of MODEL, whose file is given.

    Raises:
        AgentError: The file holds no model of a fleet.
    """
    play = _PLAYERS[name] if file is None else _by_model(file)

    def row(scenario: FleetScenario, attempt: int, rules: Rules) -> FleetRow:
        seed = int(rules.seed_sequence(scenario, attempt).generate_state(1)[0])
        with stopping_when(rules.should_stop):
            replays = play(scenario, rules.max_steps, seed)
        steps = [FleetStep(replicas=each.replicas[: scenario.services].tolist(), nodes=each.nodes) for each in replays]
        return fleet_row(scenario, attempt, rules, steps, {"agent": name})

    return row


def check_fleet_model(file: Path, scenarios: Sequence[FleetScenario]) -> None:
    """Refuse a file without a model that plays all of these scenarios.

    Raises:
        AgentError: It has none.
        ConfigError: They are of more than one variant, and a model is of one.
    """
    variants = dict.fromkeys(scenario.problem_type for scenario in scenarios)
    if len(variants) > 1:
        raise ConfigError(f"--agent {file}: a model plays one variant; add --filter-type {' or '.join(variants)}")
    for name in variants:
        players.model(str(file), VARIANTS[name])


def _by_model(file: Path) -> Play:
    agents: dict[str, Any] = {}

    def play(scenario: FleetScenario, most: int, seed: int) -> list[Replay]:
        variant = VARIANTS[scenario.problem_type]
        if variant.name not in agents:
            agents[variant.name] = players.model(str(file), variant)
        # The reset has replayed the start.
        walk = players.by_model(agents[variant.name], scenario.problems, variant, most - 1)
        tried = [Replay(replicas, nodes_with(scenario.problems, replicas.tolist())) for replicas, _ in walk]
        return [*players.as_it_is(scenario.problems), *tried]

    return play
