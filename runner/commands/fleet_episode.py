"""`sim-arena episode --env fleet`: one problem, replay by replay, with the planner, a rule or a model."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from env import FLEET_ID
from env.errors import AgentError, ConfigError, nearest
from env.fleet.bound import volume_bound
from env.fleet.draw import problems_of
from env.fleet.planner import REPLAYS
from env.fleet.rules import MARGIN
from env.fleet.variants import Variant, variant_named
from env.interrupt import stopping_when
from runner.commands import tables
from runner.commands.console import print_json
from runner.commands.episode_request import EpisodeRequest
from runner.commands.fitted import FittedTable
from runner.commands.interrupt import interruptible
from runner.fleet import players
from runner.options.flatten import changed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PLANNER, NOOP, VPA, RULE = "planner", "noop", "VPA", "rule"
"""Who plays by name: the planner, the replicas of the start, these with VPA's requests, the best tuned rule."""
_NAMES = (PLANNER, NOOP, VPA, RULE)


def episode(request: EpisodeRequest) -> None:
    """Play one problem, replay by replay; with the planner, if nobody is named.

    Raises:
        AgentError: Nobody of this name plays here.
        ConfigError: An option of a season is given, or there is no such variant.
    """
    for option in changed(request.season):
        if option != "--variant":
            raise ConfigError(f"{option}: is of --env season; leave it out with --env fleet")
    variant = variant_named(request.season.variant or "small")
    problems = problems_of(variant, [request.seed])
    name = request.agent or PLANNER
    if name not in _NAMES and not Path(name).exists():
        raise AgentError(f"--agent {name}: no file of a model; {nearest(name, _NAMES)}")
    with interruptible("nothing was saved") as should_stop, stopping_when(should_stop):
        records = _played(name, problems, variant, request)
    facts = {
        "variant": variant.name,
        "seed": request.seed,
        "services": int(problems["services"][0]),
        "replays": len(records),
        "nodes": records[-1]["fewest"],
        "bound": int(volume_bound(problems)[0]),
    }
    if request.as_json:
        print_json({"environment": FLEET_ID, **facts, "records": records})
    else:
        tables.show(replays(records))
        tables.show_facts(facts)


def replays(records: Sequence[Mapping[str, Any]]) -> FittedTable:
    """What was replayed, on how many nodes, and the fewest so far on which all was Ready."""
    table = FittedTable("replay", "replicas", "nodes", "waiting", "fewest", right=(0, 2, 3, 4))
    for record in records:
        replicas, waiting = " ".join(map(str, record["replicas"])), f"{record['waiting']:.2f}"
        table.add_row(str(record["replay"]), replicas, str(record["nodes"]), waiting, str(record["fewest"]))
    return table


def _played(name: str, problems: NDArray[Any], variant: Variant, request: EpisodeRequest) -> list[dict[str, Any]]:
    """Each replay: the replicas, the nodes, the pods that wait, in nodes, and the fewest nodes that were enough."""
    if name not in _NAMES:
        walk = players.by_model(players.model(name, variant), problems, variant, request.steps or variant.steps)
        return [
            _record(number, problems, replicas, info["in_use"], info["waiting"], info["nodes"])
            for number, (replicas, info) in enumerate(walk, start=1)
        ]
    if name == PLANNER:
        replays = players.by_planner(problems, request.steps or REPLAYS)
    elif name == RULE:
        replays = players.by_rule(problems, variant)
    else:
        replays = players.by_vpa(problems, MARGIN) if name == VPA else players.as_it_is(problems)
    fewest = itertools.accumulate((each.nodes for each in replays), min)
    return [
        _record(number, problems, each.replicas, each.nodes, 0.0, least)
        for number, (each, least) in enumerate(zip(replays, fewest, strict=True), start=1)
    ]


def _record(
    number: int, problems: NDArray[Any], replicas: NDArray[np.int64], nodes: int, waiting: float, fewest: int
) -> dict[str, Any]:
    chosen = replicas[: problems["services"][0]].tolist()
    return {"replay": number, "replicas": chosen, "nodes": nodes, "waiting": waiting, "fewest": fewest}
