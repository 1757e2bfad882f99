"""What an agent does about a workload that fails: greedy steps on the recorded trace, and the patch they amount to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from agents.agent import Agent
from env.actions import STEPS, Action, ActionOutcome
from env.cluster import Cluster
from env.embedded.cluster import EmbeddedCluster
from env.embedded.left_out import LeftOut, left_out
from env.embedded.node_room import excess
from env.embedded.unmendable import unmendable
from env.engine.manifests.objects import read_workload
from env.gym.cluster_env import ClusterEnv
from env.gym.search import least_actions
from env.interrupt import stopping_when
from env.observation import Observation
from env.problems.scenario import Scenario, edited_trace
from runner.situation import tell
from runner.suggest.effects import choices, side_effects
from runner.suggest.patch import check_names, last_manifest, strategic_patch
from runner.suggest.play import Play, net_actions
from runner.suggest.trim import needed

SEARCHED = 9
"""Actions that are tried at most to spare neighbours, by default: about a thousand replays."""


class SuggestionEnd(StrEnum):
    """How the agent's steps on a scenario ended."""

    HEALTHY = "healthy"  # the goal is reached with what was recorded
    SCALED_TO_ZERO = "scaled-to-zero"  # no pods are wanted, and there are none
    UNMENDABLE = "unmendable"  # no action helps
    SOLVED = "solved"
    HARMFUL = "harmful"  # what it comes to breaks neighbours
    LOOPED = "looped"  # it asks for something that it has asked for before
    UNSOLVED = "unsolved"  # no step is left
    CROWDED = "crowded"  # what it comes to leaves nodes no room for their DaemonSets
    AUTOSCALED = "autoscaled"  # it asks for other replicas, which an autoscaler sets


@dataclass(frozen=True)
class Suggestion:
    """What an agent did about a scenario.

    Attributes:
        ending: How it ended.
        before: What was observed of the recorded workload.
        after: What was observed in the end.
        outcomes: The effect of every action, in order; of a solution only those that it needs.
        patch: A strategic merge patch of its manifest; None unless solved or harmful.
        left_out: What concerns the workload and was not simulated.
        why: What kept pods from being Ready as recorded, a sentence each.
        unmendable: Why no action helps; empty if one may.
        containers: Which containers actions change, and why, a sentence each; empty where there is only one.
        side_effects: What the patch changes besides requests and replicas, a sentence each.
        breaks: Which neighbours the patch breaks, a sentence each; empty unless harmful.
        searched: The most actions that were tried to spare neighbours which the agent's way breaks; 0: none.
        steps: Those that the agent took, or the search.
    """

    ending: SuggestionEnd
    before: Observation
    after: Observation
    outcomes: tuple[ActionOutcome, ...]
    patch: dict[str, Any] | None
    left_out: tuple[LeftOut, ...] = ()
    why: tuple[str, ...] = ()
    unmendable: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    side_effects: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()
    searched: int = 0
    steps: int = 0


def suggest(
    scenario: Scenario,
    agent: Agent,
    max_steps: int,
    cluster: Cluster | None = None,
    *,
    search: int = SEARCHED,
    explained: bool = True,
    should_stop: Callable[[], bool] = lambda: False,
    on_step: Callable[[int, Observation], None] = lambda step, observation: None,
) -> Suggestion:
    """Let an agent work on a scenario, greedily, until the goal, a loop, or the step limit.

    Where no action helps, none is tried. Where an autoscaler owns the replicas, it ends before the agent changes them.
    What the goal does not need of the agent's actions is left out, on an embedded cluster.
    Where the goal leaves nodes no room for their DaemonSets, requests are reduced until it does. Where the agent comes
    to no goal, but its workload has its target at the cost of neighbours, a way that spares them is searched for, on an
    embedded cluster. If there is none, what the agent came to is the suggestion, as a harmful one: the one that breaks
    the fewest pods.

    Args:
        cluster: Where traces are replayed; None: an embedded cluster, where needed.
        search: The most actions that are tried to spare neighbours.
        explained: Whether to say why pods are not Ready as recorded, for which an embedded cluster replays once more.
        should_stop: Asked before every step, and within replays.
        on_step: Gets the number of each step and what it led to.

    Raises:
        ScenarioError: The workload's manifest cannot be patched by name.
        ClusterError: The workload could not be observed.
        Stopped: `should_stop` turned true.
    """
    with stopping_when(should_stop):
        return _suggest(scenario, agent, max_steps, cluster, search, explained, should_stop, on_step)


def _suggest(
    scenario: Scenario,
    agent: Agent,
    max_steps: int,
    cluster: Cluster | None,
    search: int,
    explained: bool,
    should_stop: Callable[[], bool],
    on_step: Callable[[int, Observation], None],
) -> Suggestion:
    manifest = last_manifest(scenario.trace, scenario)
    check_names(manifest)
    beyond = left_out(scenario)
    owned = any(each.owns_replicas for each in beyond)
    env = ClusterEnv([scenario], max_steps=max_steps, cluster=cluster)
    play = Play(env, max_steps, explained, should_stop, on_step)
    before = play.seen
    why = () if play.is_solved or not explained else play.env.why()
    hopeless, containers = unmendable(scenario), choices(read_workload(manifest).source.edited)
    if hopeless:
        return Suggestion(SuggestionEnd.UNMENDABLE, before, before, (), None, beyond, why, hopeless, containers)
    agent.seed(np.random.default_rng(0))
    ending, searched = _acted(agent, play, owned=owned), 0
    if ending in (SuggestionEnd.LOOPED, SuggestionEnd.UNSOLVED) and play.harmful and not owned and is_quick(cluster):
        searched = min(search, max_steps)
        way = least_actions(scenario, cluster or EmbeddedCluster(), searched)
        if way is not None:
            play.instead(way)
            ending = SuggestionEnd.SOLVED
    steps = len(play.outcomes)
    if ending is SuggestionEnd.SOLVED:
        crowded = _made_room(scenario, play)
        steps, why = len(play.outcomes), (*why, crowded) if crowded else why
        ending = SuggestionEnd.CROWDED if crowded else _ending(scenario, play, before)
    if ending is SuggestionEnd.SOLVED and is_quick(cluster):
        _trim(scenario, play)
    patch, breaks = None, tuple[str, ...]()
    effects: tuple[str, ...] = ()
    if ending in (SuggestionEnd.LOOPED, SuggestionEnd.UNSOLVED) and play.harmful:
        ending, breaks = SuggestionEnd.HARMFUL, play.return_to(min(play.harmful, key=lambda step: step.broken))
        steps = len(play.outcomes)
    if ending in (SuggestionEnd.SOLVED, SuggestionEnd.HARMFUL):
        changed = last_manifest(edited_trace(scenario, play.seen.resources), scenario)
        patch, effects = strategic_patch(manifest, changed), side_effects(manifest, changed)
    return Suggestion(
        ending,
        before,
        play.seen,
        tuple(play.outcomes),
        patch,
        beyond,
        why,
        containers=containers,
        side_effects=effects,
        breaks=breaks,
        searched=searched,
        steps=steps,
    )


def is_quick(cluster: Cluster | None) -> bool:
    """Whether it replays in no time, so that a search may replay a thousand times."""
    return cluster is None or isinstance(cluster, EmbeddedCluster)


def _acted(agent: Agent, play: Play, *, owned: bool) -> SuggestionEnd:
    """Let the agent act until the goal, a loop, the step limit, or a change of replicas that are `owned`."""
    asked_for = {play.seen.resources}
    while not play.is_solved:
        if play.is_over:
            return SuggestionEnd.UNSOLVED
        tell(agent, play.env)
        action = agent.act(play.state, explore=False)
        if owned and STEPS[Action(action)].replicas:
            return SuggestionEnd.AUTOSCALED
        asked = play.step(action).resources
        if asked in asked_for and not play.is_solved:
            return SuggestionEnd.LOOPED
        asked_for.add(asked)
    return SuggestionEnd.SOLVED


def _ending(scenario: Scenario, play: Play, before: Observation) -> SuggestionEnd:
    """What steps that led to the goal come to, after those that made room for DaemonSets."""
    if not play.is_solved:
        return SuggestionEnd.UNSOLVED
    if play.seen.resources != before.resources:
        return SuggestionEnd.SOLVED
    return SuggestionEnd.HEALTHY if scenario.target else SuggestionEnd.SCALED_TO_ZERO


def _made_room(scenario: Scenario, play: Play) -> str:
    """Reduce requests until nodes have room for their DaemonSets; what is still too much, "" for nothing."""
    over = excess(scenario, play.seen.resources) if play.outcomes else None
    while over is not None and not play.is_over:
        if play.step(Action.REDUCE_CPU_SMALL if over.cpu else Action.REDUCE_MEM_SMALL).blocked:
            break
        over = excess(scenario, play.seen.resources)
    return "" if over is None else over.reason


def _trim(scenario: Scenario, play: Play) -> None:
    """Leave out what the goal, and room for DaemonSets, do not need of the steps."""

    def solves(actions: Sequence[Action]) -> bool:
        return play.solves(actions) and excess(scenario, play.seen.resources) is None

    play.instead(needed(net_actions(play.outcomes), solves))
