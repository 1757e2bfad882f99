"""The one list of environments whose scenarios the benchmark has, and what differs between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.llm.fleet_prompt import FLEET_PROMPT_HASH, service_names
from agents.llm.prompt import PROMPT_HASH
from agents.llm.providers.scripted import Scripted
from env.errors import ConfigError, nearest
from env.fleet.planner import REPLAYS
from runner.benchmark.attempt import Contestant, Rules, play_baseline, play_model
from runner.benchmark.fleet.attempt import play_fleet_model
from runner.benchmark.fleet.markdown import FLEET_WORDING
from runner.benchmark.fleet.players import FLEET_PLAYERS, MODEL, check_fleet_model, fleet_player
from runner.benchmark.fleet.report import FLEET as FLEET_REPORT
from runner.benchmark.fleet.rows import FleetRow
from runner.benchmark.fleet.scenarios import fleet_registry
from runner.benchmark.markdown import CLUSTER as CLUSTER_WORDING
from runner.benchmark.markdown import Wording
from runner.benchmark.players import BASELINES, player
from runner.benchmark.report import CLUSTER as CLUSTER_REPORT
from runner.benchmark.report import Document, Reported
from runner.benchmark.rows import AttemptRow, Row
from runner.benchmark.scenarios import registry

Play = Callable[[Any, int, Rules], AttemptRow]
"""Plays an attempt at a scenario, of a number."""


@dataclass(frozen=True)
class Family:
    """The scenarios of one environment.

    Attributes:
        name: As `--env` has it.
        registry: Draws them from a stream.
        steps: Of an attempt, where nothing else is asked for.
        prompt_sha256: Of all wording that a model gets.
        row: What is kept of an attempt.
        play_model: Plays an attempt of the model, with a transcript.
        players: Who plays beside it.
        player: Opens one of these, given its name and the file of a model.
        model: The name of a model whose file is given; None: there is no such player.
        check_model: Checks that a file has a model that plays these scenarios; None likewise.
        solver: A scripted model that plays a scenario's solution.
        reported, wording: What a report says, and in which words.
        draw: Draws its pictures into a folder.
    """

    name: str
    registry: Callable[[int], Sequence[Any]]
    steps: int
    prompt_sha256: str
    row: type[AttemptRow]
    play_model: Callable[[Contestant, Any, int, Rules, Path], AttemptRow]
    players: Sequence[str]
    player: Callable[[str, Path | None], Play]
    model: str | None
    check_model: Callable[[Path, Sequence[Any]], None] | None
    solver: Callable[[Any], Scripted]
    reported: Reported
    wording: Wording
    draw: Callable[[Path, Document, Sequence[Any]], None]


def family_named(name: str) -> Family:
    """The family of an environment; ConfigError, with the nearest name, if there is none."""
    if name not in FAMILIES:
        raise ConfigError(f"--env {name}: has no scenarios; {nearest(name, FAMILIES)}")
    return FAMILIES[name]


def _cluster_player(name: str, file: Path | None) -> Play:
    give = player(name)
    return lambda scenario, attempt, rules: play_baseline(give(scenario), name, scenario, attempt, rules)


def _draw_cluster(folder: Path, report: Document, rows: Sequence[Row]) -> None:
    from runner.benchmark.plots import draw  # it imports matplotlib

    draw(folder, report, rows)


def _draw_fleet(folder: Path, report: Document, rows: Sequence[FleetRow]) -> None:
    from runner.benchmark.fleet.plots import draw_fleet

    draw_fleet(folder, report, rows)


FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family(
            name="cluster",
            registry=registry,
            steps=10,
            prompt_sha256=PROMPT_HASH,
            row=Row,
            play_model=play_model,
            players=BASELINES,
            player=_cluster_player,
            model=None,
            check_model=None,
            solver=lambda scenario: Scripted.of_actions(scenario.solution),
            reported=CLUSTER_REPORT,
            wording=CLUSTER_WORDING,
            draw=_draw_cluster,
        ),
        Family(
            name="fleet",
            registry=fleet_registry,
            steps=REPLAYS,
            prompt_sha256=FLEET_PROMPT_HASH,
            row=FleetRow,
            play_model=play_fleet_model,
            players=FLEET_PLAYERS,
            player=fleet_player,
            model=MODEL,
            check_model=check_fleet_model,
            solver=lambda scenario: Scripted.of_replicas(
                dict(zip(service_names(scenario.problem), scenario.solution, strict=True))
            ),
            reported=FLEET_REPORT,
            wording=FLEET_WORDING,
            draw=_draw_fleet,
        ),
    )
}
