"""`sim-arena episode --env fleet`: one problem, replay by replay, with the planner, a rule or a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from env import FLEET_ID
from env.errors import AgentError, ConfigError, nearest
from env.fleet import planner, rules
from env.fleet.bound import volume_bound
from env.fleet.draw import problems_of
from env.fleet.fleet_env import FleetEnv
from env.fleet.search import search
from env.fleet.variants import ACTIONS, JUMPS, MOST_REPLICAS, Variant, variant_named
from env.interrupt import stop_if_asked, stopping_when
from runner.commands import tables
from runner.commands.console import print_json
from runner.commands.episode_request import EpisodeRequest
from runner.commands.fitted import FittedTable
from runner.commands.interrupt import interruptible
from runner.commands.of_fleet import model
from runner.evaluation.fleet_suite import tuning_problems
from runner.options.flatten import changed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agents.ppo.agent import PPO

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
        return _by_model(model(name, variant), problems, variant, request.steps or variant.steps)
    records: list[dict[str, Any]] = []

    def keep(replicas: NDArray[np.int64], nodes: NDArray[np.int64]) -> None:
        fewest = min([int(nodes[0]), *(record["fewest"] for record in records)])
        records.append(_record(len(records) + 1, problems, replicas[0], int(nodes[0]), 0.0, fewest))

    if name == PLANNER:
        planner.plan(problems, request.steps or planner.REPLAYS, on_replay=keep)
        return records
    rule = rules.best_rule(tuning_problems(variant)) if name == RULE else None
    replicas = problems["start"] if rule is None else rules.configurations(rule, problems)
    asked = rules.with_vpa(problems, rules.MARGIN) if name == VPA else problems
    keep(replicas, search(asked, replicas).nodes)
    return records


def _by_model(agent: PPO, problems: NDArray[Any], variant: Variant, steps: int) -> list[dict[str, Any]]:
    env = FleetEnv(variant.name, problems)
    state, info = env.reset(seed=0, options={"problem": 0})
    agent.seed(np.random.default_rng(0))
    replicas, records = problems["start"][0].copy(), []
    for number in range(1, min(steps, variant.steps) + 1):
        stop_if_asked()
        action = agent.act(state, explore=False, mask=info["action_mask"])
        service, index = divmod(action, ACTIONS)
        least = problems["fewest"][0, service]
        replicas[service] = min(max(replicas[service] + JUMPS[index], least), MOST_REPLICAS)
        state, _, _, _, info = env.step(np.int64(action))
        records.append(_record(number, problems, replicas, info["in_use"], info["waiting"], info["nodes"]))
    return records


def _record(
    number: int, problems: NDArray[Any], replicas: NDArray[np.int64], nodes: int, waiting: float, fewest: int
) -> dict[str, Any]:
    chosen = replicas[: problems["services"][0]].tolist()
    return {"replay": number, "replicas": chosen, "nodes": nodes, "waiting": waiting, "fewest": fewest}
