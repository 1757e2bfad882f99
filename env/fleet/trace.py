"""A configuration of a problem as a trace and nodes, and what the engine makes of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from env.demand import DEMAND_ANNOTATION
from env.engine.control_plane import ControlPlane
from env.fleet.placement import of_second_pool
from env.fleet.use import cpu_request_m, cpu_use_m, memory_request_mib, memory_use_mib
from env.problems.nodes import NodePool, NodePools
from env.problems.rooms.manifests import container, daemon_set, deployment
from env.quantity import MIB, format_cpu, format_memory
from env.trace.document import Manifest, Trace
from env.trace.upgrade import upgraded

_START_TS = 1_735_689_600  # 2025-01-01T00:00:00Z
_BETWEEN_EVENTS_S = 60


def nodes_of(problem: Any, nodes: int) -> NodePools:
    """So many nodes of the problem's pools."""
    second = of_second_pool(problem, nodes)
    pools = zip((nodes - second, second), problem.cpu_m.tolist(), problem.memory_mib.tolist(), strict=True)
    return NodePools(tuple(NodePool(count, cpu_m, mib * MIB) for count, cpu_m, mib in pools if count))


def trace_of(problem: Any, replicas: Sequence[int], name: str = "fleet") -> Trace:
    """DaemonSets, neighbours and services as objects; services come with the least requests that are enough."""
    daemon = [container("agent", int(problem.daemon_cpu_m), int(problem.daemon_memory_mib) * MIB)]
    daemons = [daemon_set(f"daemon-{i}", {"containers": daemon}) for i in range(problem.daemons)]
    neighbours = [_neighbour(problem, i) for i in range(problem.neighbours)]
    services = [_service(problem, j, int(replicas[j])) for j in range(problem.services)]
    events = [
        {"ts": _START_TS + _BETWEEN_EVENTS_S * number, "applied_objs": applied, "deleted_objs": []}
        for number, applied in enumerate([daemons, neighbours, services, []])
    ]
    return Trace(upgraded({"version": 1, "events": events}), name)


def ready_pods(plane: ControlPlane, problem: Any) -> list[int]:
    """How many pods of each service are Ready at the end of a replay of the problem's trace."""
    ready = {ref.name: sum(pod.ready for pod in found.pods()) for (_, ref), found in plane.workloads.items()}
    return [ready[f"service-{j}"] for j in range(problem.services)]


def _neighbour(problem: Any, i: int) -> Manifest:
    name = f"neighbour-{i}"
    cpu_m, memory_bytes = int(problem.neighbour_cpu_m[i]), int(problem.neighbour_memory_mib[i]) * MIB
    return deployment(name, int(problem.neighbour_pods[i]), {"containers": [container(name, cpu_m, memory_bytes)]})


def _service(problem: Any, j: int, replicas: int) -> Manifest:
    name = f"service-{j}"
    use = {
        "cpu": format_cpu(cpu_use_m(problem, j, replicas)),
        "memory": format_memory(memory_use_mib(problem, j, replicas) * MIB),
    }
    cpu_m = int(cpu_request_m(problem, j, replicas))
    pod = {"containers": [container(name, cpu_m, int(memory_request_mib(problem, j, replicas)) * MIB)]}
    return deployment(name, replicas, pod, note={DEMAND_ANNOTATION: json.dumps({name: use})})
