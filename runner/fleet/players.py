"""Who plays one problem of a fleet, replay by replay.

A problem is alone in an array of `env.fleet.draw.PROBLEM`, as searches take several.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.load import load_agent
from agents.spaces import fleet
from env.errors import AgentError, ConfigError
from env.fleet import planner, rules
from env.fleet.fleet_env import FleetEnv
from env.fleet.search import search
from env.fleet.variants import ACTIONS, JUMPS, MOST_REPLICAS, VARIANTS, Variant
from env.interrupt import stop_if_asked
from runner.evaluation.fleet_suite import tuning_problems

if TYPE_CHECKING:
    from agents.ppo.agent import PPO

Ints = NDArray[np.int64]


class Replay(NamedTuple):
    """Replicas of the services, (MOST_SERVICES,), and the fewest nodes on which all is Ready with them."""

    replicas: Ints
    nodes: int


def by_planner(problem: NDArray[Any], replays: int, seed: int = 0) -> list[Replay]:
    """The planner, whose measurements have no noise."""
    found: list[Replay] = []
    planner.plan(
        problem, replays, seed=seed, on_replay=lambda tried, nodes: found.append(Replay(tried[0], int(nodes[0])))
    )
    return found


def by_climbing(problem: NDArray[Any], replays: int, seed: int = 0) -> list[Replay]:
    """Hill climbing from the start on: after each replay the replicas that it kept."""
    return [_found(problem, problem["start"], number, seed) for number in range(1, replays + 1)]


def by_rule(problem: NDArray[Any], variant: Variant) -> list[Replay]:
    """The rule that is best on other problems of the variant; it knows what pods use."""
    return [_found(problem, rules.configurations(_best_rule(variant.name), problem))]


def by_vpa(problem: NDArray[Any], margin: float) -> list[Replay]:
    """The replicas of the start with VPA's requests, which know what pods use, and a margin, such as 1.15."""
    return [_found(rules.with_vpa(problem, margin), problem["start"])]


def as_it_is(problem: NDArray[Any]) -> list[Replay]:
    """The replicas of the start."""
    return [_found(problem, problem["start"])]


def model(name: str, variant: Variant) -> PPO:
    """The model in a file.

    Raises:
        AgentError: There is no such file, or no model of fleets in it.
        ConfigError: It is a model of another variant.
    """
    from agents.ppo.agent import PPO  # it imports torch

    if not Path(name).exists():
        raise AgentError(f"--agent {name}: no file of a model; train one: sim-arena train --env fleet")
    try:
        agent = load_agent(Path(name), fleet(variant.name))
    except AgentError as error:
        if learned := _variant_of(Path(name)):
            raise ConfigError(f"--agent {name}: has learned --variant {learned}, not {variant.name}") from error
        raise
    assert isinstance(agent, PPO)  # noqa: S101  (no other acts there)
    return agent


def _variant_of(path: Path) -> str | None:
    """The variant that the model in a file has learned; None: it is no model of fleets."""
    for name in VARIANTS:
        with suppress(AgentError):
            load_agent(path, fleet(name))
            return name
    return None


def by_model(
    agent: PPO, problem: NDArray[Any], variant: Variant, steps: int
) -> Iterator[tuple[Ints, Mapping[str, Any]]]:
    """A model's likeliest actions in the environment: after each step the replicas, (MOST_SERVICES,), and `info`."""
    env = FleetEnv(variant.name, problem)
    state, info = env.reset(seed=0, options={"problem": 0})
    agent.seed(np.random.default_rng(0))
    replicas = problem["start"][0].copy()
    for _ in range(min(steps, variant.steps)):
        stop_if_asked()
        action = agent.act(state, explore=False, mask=info["action_mask"])
        service, index = divmod(action, ACTIONS)
        replicas[service] = min(max(replicas[service] + JUMPS[index], problem["fewest"][0, service]), MOST_REPLICAS)
        state, _, _, _, info = env.step(np.int64(action))
        yield replicas.copy(), info


def _found(problem: NDArray[Any], replicas: Ints, replays: int = 1, seed: int = 0) -> Replay:
    found = search(problem, replicas, replays, seed)
    return Replay(found.replicas[0], int(found.nodes[0]))


@cache
def _best_rule(variant: str) -> rules.Rule:
    return rules.best_rule(tuning_problems(VARIANTS[variant]))
