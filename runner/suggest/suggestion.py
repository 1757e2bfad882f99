"""What an agent does about a workload that fails: greedy steps on the recorded trace, and the patch they amount to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from agents.agent import Agent
from env.actions import STEPS, Action, ActionOutcome
from env.cluster import Cluster
from env.embedded.left_out import LeftOut, left_out
from env.embedded.unmendable import unmendable
from env.engine.manifests.edited_container import edited_containers
from env.gym.cluster_env import ClusterEnv
from env.interrupt import Stopped, stopping_when
from env.observation import Observation
from env.problems.scenario import Scenario, edited_trace
from runner.suggest.effects import choices, side_effects
from runner.suggest.patch import check_names, last_manifest, strategic_patch


class SuggestionEnd(StrEnum):
    """How the agent's steps on a scenario ended."""

    HEALTHY = "healthy"  # the goal is reached with what was recorded
    SCALED_TO_ZERO = "scaled-to-zero"  # no pods are wanted, and there are none
    UNMENDABLE = "unmendable"  # no action helps
    SOLVED = "solved"
    LOOPED = "looped"  # it asks for something that it has asked for before
    UNSOLVED = "unsolved"  # no step is left
    AUTOSCALED = "autoscaled"  # it asks for other replicas, which an autoscaler sets


@dataclass(frozen=True)
class Suggestion:
    """What an agent did about a scenario.

    Attributes:
        ending: How it ended.
        before: What was observed of the recorded workload.
        after: What was observed in the end.
        outcomes: The effect of every action, in order.
        patch: A strategic merge patch of the Deployment; None unless solved.
        left_out: What concerns the workload and was not simulated.
        why: What kept pods from being Ready as recorded, a sentence each.
        unmendable: Why no action helps; empty if one may.
        containers: Which containers actions change, and why, a sentence each; empty where there is only one.
        side_effects: What the patch changes besides requests and replicas, a sentence each.
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
    agent.seed(np.random.default_rng(0))
    env = ClusterEnv([scenario], max_steps=max_steps, cluster=cluster)
    state, info = env.reset(seed=0)
    before: Observation = info["observation"]
    why = () if info["is_success"] else env.why()
    hopeless, containers = unmendable(scenario), choices(edited_containers(manifest["spec"]["template"]))
    if hopeless:
        return Suggestion(SuggestionEnd.UNMENDABLE, before, before, (), None, beyond, why, hopeless, containers)
    outcomes: list[ActionOutcome] = []
    asked_for = {before.resources}
    looped = autoscaled = False
    while not (info["is_success"] or looped or len(outcomes) == max_steps):
        if should_stop():
            raise Stopped
        action = agent.act(state, explore=False)
        autoscaled = owned and bool(STEPS[Action(action)].replicas)
        if autoscaled:
            break
        state, _, _, _, info = env.step(np.int64(action))
        outcomes.append(info["outcome"])
        on_step(len(outcomes), info["observation"])
        looped = info["outcome"].resources in asked_for
        asked_for.add(info["outcome"].resources)
    after: Observation = info["observation"]
    patch = None
    effects: tuple[str, ...] = ()
    if autoscaled:
        ending = SuggestionEnd.AUTOSCALED
    elif not info["is_success"]:
        ending = SuggestionEnd.LOOPED if looped else SuggestionEnd.UNSOLVED
    elif after.resources == before.resources:
        ending = SuggestionEnd.HEALTHY if scenario.target else SuggestionEnd.SCALED_TO_ZERO
    else:
        ending = SuggestionEnd.SOLVED
        changed = last_manifest(edited_trace(scenario, after.resources), scenario)
        patch, effects = strategic_patch(manifest, changed), side_effects(manifest, changed)
    return Suggestion(ending, before, after, tuple(outcomes), patch, beyond, why, (), containers, effects)


def net_actions(outcomes: Sequence[ActionOutcome]) -> list[tuple[Action, int]]:
    """The actions that had an effect and were not undone, each with its count, in the order of their first use."""
    counts = Counter(outcome.action for outcome in outcomes if outcome.changed)
    undone = {action: sum(counts[other] for other in counts if _undoes(other, action)) for action in counts}
    return [(action, counts[action] - undone[action]) for action in counts if counts[action] > undone[action]]


def _undoes(one: Action, other: Action) -> bool:
    """Whether one action takes away what the other adds."""
    return all(step == -back for step, back in zip(STEPS[other], STEPS[one], strict=True))
