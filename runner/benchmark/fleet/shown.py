"""What a model looks at: the end of a replay in the engine, on one node less than was enough so far."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from agents.llm.fleet_prompt import NAMESPACE, Shown, service_names
from agents.llm.situation import Toolbox
from env.api_objects import ApiObjects
from env.embedded.cluster import EmbeddedCluster
from env.fleet.placement import new_room, replay
from env.fleet.trace import nodes_of, trace_of
from env.fleet.variants import MOST_SERVICES
from env.problems.scenario import Scenario
from env.workload import WorkloadRef
from runner.mcp.toolbox import open_toolbox


def shown_on(problem: Any, replicas: Sequence[int], nodes: int) -> Shown:
    """What waits on so many nodes.

    Args:
        problem: A record of `env.fleet.draw.PROBLEM`.
        replicas: Of its services.
        nodes: 1 to `env.fleet.variants.MOST_NODES`.
    """
    given, ready = np.zeros((2, MOST_SERVICES), np.int64)
    room = new_room()
    given[: len(replicas)] = replicas
    replay(problem, nodes, given, ready, room)
    placed = room.on[: problem.neighbours, :nodes].sum(dtype=np.int64)
    others = problem.neighbour_pods[: problem.neighbours].sum() - placed
    return Shown(nodes, tuple((given - ready)[: len(replicas)].tolist()), int(others))


def tools_on(problem: Any, replicas: Sequence[int], nodes: int) -> Toolbox:
    """The tools that look at such a cluster. It is replayed at the first call, if there is one."""
    workload = WorkloadRef(NAMESPACE, service_names(problem)[0])

    @cache
    def objects() -> ApiObjects:
        trace = trace_of(problem, replicas)
        scenario = Scenario(trace, workload, int(replicas[0]), nodes_of(problem, nodes), None, trace.name, None)
        return EmbeddedCluster().objects(scenario, None)

    return open_toolbox(objects, workload)
