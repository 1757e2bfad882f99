"""What an agent does about a workload that fails: greedy steps on the recorded trace, and the patch they amount to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np

from agents.agent import Agent
from env.actions import STEPS, Action, ActionOutcome
from env.cluster import Cluster
from env.embedded.cluster import EmbeddedCluster
from env.embedded.left_out import LeftOut, left_out
from env.embedded.node_room import excess
from env.embedded.unmendable import unmendable
from env.engine.manifests.deployment import read_deployment
from env.gym.cluster_env import ClusterEnv
from env.gym.reward import goal
from env.gym.search import least_actions
from env.interrupt import Stopped, stopping_when
from env.observation import Observation
from env.problems.scenario import Scenario, edited_trace
from runner.situation import tell
from runner.suggest.effects import choices, side_effects
from runner.suggest.patch import check_names, last_manifest, strategic_patch

SEARCHED = 9
"""Actions that are tried at most to spare neighbours: about a thousand replays."""


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
        outcomes: The effect of every action, in order.
        patch: A strategic merge patch of the Deployment; None unless solved or harmful.
        left_out: What concerns the workload and was not simulated.
        why: What kept pods from being Ready as recorded, a sentence each.
        unmendable: Why no action helps; empty if one may.
        containers: Which containers actions change, and why, a sentence each; empty where there is only one.
        side_effects: What the patch changes besides requests and replicas, a sentence each.
        breaks: Which neighbours the patch breaks, a sentence each; empty unless harmful.
        searched: The most actions that were tried to spare neighbours which the agent's way breaks; 0: none.
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


def suggest(
    scenario: Scenario,
    agent: Agent,
    max_steps: int,
    cluster: Cluster | None = None,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    on_step: Callable[[int, Observation], None] = lambda step, observation: None,
) -> Suggestion:
    """Let an agent work on a scenario, greedily, until the goal, a loop, or the step limit.

    Where no action helps, none is tried. Where an autoscaler owns the replicas, it ends before the agent changes them.
    Where the goal leaves nodes no room for their DaemonSets, requests are reduced until it does. Where the agent comes
    to no goal, but its workload has its target at the cost of neighbours, a way that spares them is searched for, on an
    embedded cluster. If there is none, what the agent came to is the suggestion, as a harmful one: the one that breaks
    the fewest pods.

    Args:
        cluster: Where traces are replayed; None: an embedded cluster, where needed.
        should_stop: Asked before every step, and within replays.
        on_step: Gets the number of each step and what it led to.

    Raises:
        ScenarioError: The workload's manifest cannot be patched by name.
        ClusterError: The workload could not be observed.
        Stopped: `should_stop` turned true.
    """
    with stopping_when(should_stop):
        return _suggest(scenario, agent, max_steps, cluster, should_stop, on_step)


def _suggest(
    scenario: Scenario,
    agent: Agent,
    max_steps: int,
    cluster: Cluster | None,
    should_stop: Callable[[], bool],
    on_step: Callable[[int, Observation], None],
) -> Suggestion:
    manifest = last_manifest(scenario.trace, scenario)
    check_names(manifest)
    beyond = left_out(scenario)
    owned = any(each.owns_replicas for each in beyond)
    play = _Play(ClusterEnv([scenario], max_steps=max_steps, cluster=cluster), max_steps, should_stop, on_step)
    before = play.seen
    why = () if play.is_solved else play.env.why()
    hopeless, containers = unmendable(scenario), choices(read_deployment(manifest).source.edited)
    if hopeless:
        return Suggestion(SuggestionEnd.UNMENDABLE, before, before, (), None, beyond, why, hopeless, containers)
    agent.seed(np.random.default_rng(0))
    ending, searched = _acted(agent, play, owned=owned), 0
    if ending in (SuggestionEnd.LOOPED, SuggestionEnd.UNSOLVED) and play.harmful and not owned and is_quick(cluster):
        searched = min(SEARCHED, max_steps)
        way = least_actions(scenario, cluster or EmbeddedCluster(), searched)
        if way is not None:
            play.instead(way)
            ending = SuggestionEnd.SOLVED
    if ending is SuggestionEnd.SOLVED:
        crowded = _made_room(scenario, play)
        if crowded:
            ending, why = SuggestionEnd.CROWDED, (*why, crowded)
        elif not play.is_solved:
            ending = SuggestionEnd.UNSOLVED
        elif play.seen.resources == before.resources:
            ending = SuggestionEnd.HEALTHY if scenario.target else SuggestionEnd.SCALED_TO_ZERO
    patch, breaks = None, tuple[str, ...]()
    effects: tuple[str, ...] = ()
    if ending in (SuggestionEnd.LOOPED, SuggestionEnd.UNSOLVED) and play.harmful:
        ending, breaks = SuggestionEnd.HARMFUL, play.return_to(min(play.harmful, key=lambda step: step.broken))
    if ending in (SuggestionEnd.SOLVED, SuggestionEnd.HARMFUL):
        changed = last_manifest(edited_trace(scenario, play.seen.resources), scenario)
        patch, effects = strategic_patch(manifest, changed), side_effects(manifest, changed)
    outcomes = tuple(play.outcomes)
    return Suggestion(
        ending, before, play.seen, outcomes, patch, beyond, why, (), containers, effects, breaks, searched
    )


def is_quick(cluster: Cluster | None) -> bool:
    """Whether it replays in no time, so that a search may replay a thousand times."""
    return cluster is None or isinstance(cluster, EmbeddedCluster)


class _Harmful(NamedTuple):
    """A step that led to the target at the cost of neighbours: how many there were by then, what was seen, and why."""

    steps: int
    broken: int
    seen: Observation
    breaks: tuple[str, ...]


class _Play:
    """The steps on a scenario: what was seen last, the effect of every action, and the harmful ways to the target."""

    def __init__(
        self,
        env: ClusterEnv,
        max_steps: int,
        should_stop: Callable[[], bool],
        on_step: Callable[[int, Observation], None],
    ) -> None:
        self.env = env
        self.outcomes: list[ActionOutcome] = []
        self.harmful: list[_Harmful] = []
        self._max_steps = max_steps
        self._should_stop = should_stop
        self._on_step = on_step
        self.state, self._info = env.reset(seed=0)
        self._target = env.scenario.target

    @property
    def seen(self) -> Observation:
        """What was observed last."""
        seen: Observation = self._info["observation"]
        return seen

    @property
    def is_solved(self) -> bool:
        """Whether that is the goal."""
        return bool(self._info["is_success"])

    @property
    def is_over(self) -> bool:
        """Whether no step is left."""
        return len(self.outcomes) >= self._max_steps

    def step(self, action: int) -> ActionOutcome:
        """Take a step; Stopped if that is asked for."""
        if self._should_stop():
            raise Stopped
        self.state, _, _, _, self._info = self.env.step(np.int64(action))
        outcome: ActionOutcome = self._info["outcome"]
        self.outcomes.append(outcome)
        fewest = min((each.broken for each in self.harmful), default=math.inf)
        if self.seen.broken < fewest and goal(self.seen._replace(broken=0), self._target) and not self.is_solved:
            step = _Harmful(len(self.outcomes), self.seen.broken, self.seen, self.env.why())
            self.harmful.append(step)
        self._on_step(len(self.outcomes), self.seen)
        return outcome

    def instead(self, actions: Sequence[Action]) -> None:
        """Begin again, and take these steps."""
        self.outcomes.clear()
        self.state, self._info = self.env.reset(seed=0)
        for action in actions:
            self.step(action)

    def return_to(self, step: _Harmful) -> tuple[str, ...]:
        """Drop the steps after one; what it breaks."""
        del self.outcomes[step.steps :]
        self._info = {**self._info, "observation": step.seen}
        return step.breaks


def _acted(agent: Agent, play: _Play, *, owned: bool) -> SuggestionEnd:
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


def _made_room(scenario: Scenario, play: _Play) -> str:
    """Reduce requests until nodes have room for their DaemonSets; what is still too much, "" for nothing."""
    over = excess(scenario, play.seen.resources) if play.outcomes else None
    while over is not None and not play.is_over:
        if play.step(Action.REDUCE_CPU_SMALL if over.cpu else Action.REDUCE_MEM_SMALL).blocked:
            break
        over = excess(scenario, play.seen.resources)
    return "" if over is None else over.reason


def net_actions(outcomes: Sequence[ActionOutcome]) -> list[tuple[Action, int]]:
    """The actions that had an effect and were not undone, each with its count, in the order of their first use."""
    counts = Counter(outcome.action for outcome in outcomes if outcome.changed)
    undone = {action: sum(counts[other] for other in counts if _undoes(other, action)) for action in counts}
    return [(action, counts[action] - undone[action]) for action in counts if counts[action] > undone[action]]


def _undoes(one: Action, other: Action) -> bool:
    """Whether one action takes away what the other adds."""
    return all(step == -back for step, back in zip(STEPS[other], STEPS[one], strict=True))
