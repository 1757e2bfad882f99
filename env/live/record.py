"""What was read of a cluster, as counts and shares for a simulation to start from: nothing in it has a name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from env.doctor.faults import Fault
from env.doctor.recording import MOST, MOST_ROWS, FaultName, Nodes, Recording, State
from env.live.faults_seen import fault_name
from env.live.findings import amounts, findings
from env.live.pods import PodState, node_of, pod_state
from env.live.reading import Seen
from env.live.usage import (
    Use,
    allocatable,
    cluster_use,
    is_cordoned,
    is_ready,
    loads,
    node_name,
    not_ready_nodes,
    requested,
)

_OF_NODES = (Fault.NODE_NOT_READY, Fault.NODE_CORDONED)


def recorded(seen: Seen) -> Recording | None:
    """The recording of a full look at a cluster; None where no node was seen."""
    used = cluster_use(seen)
    nodes = _nodes(seen)
    if not nodes:
        return None
    return Recording(
        at=seen.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        nodes=nodes,
        deployments=len(seen.deployments),
        faults=_faults(seen),
        requested=_requested(seen),
        cpu_used=None if used is None else min(1.0, used[0]),
        memory_used=None if used is None else min(1.0, used[1]),
    )


def _nodes(seen: Seen) -> tuple[Nodes, ...]:
    not_ready = not_ready_nodes(seen)
    counted = (pod for pod in seen.pods if pod_state(pod, not_ready, seen.at) is not PodState.LEFT_OUT)
    pods = Counter(map(node_of, counted))
    alike = Counter((_state(node), pods[node_name(node)]) for node in seen.nodes)
    rows = [Nodes(state=state, pods=held, number=number) for (state, held), number in sorted(alike.items())]
    return tuple(rows[:MOST_ROWS])  # some thousand different numbers of pods on a node are no cluster


def _state(node: object) -> State:
    if is_ready(node):
        return "cordoned" if is_cordoned(node) else "ready"
    return "not-ready-cordoned" if is_cordoned(node) else "not-ready"


def _faults(seen: Seen) -> dict[FaultName, int]:
    """Pods of each fault; of Deployments of the wrong size, the replicas that are missing or idle."""
    found = {fault: amount for fault, amount in amounts(findings(seen)).items() if fault not in _OF_NODES}
    off = [(load, load.needed - load.replicas) for load in loads(seen)]
    found[Fault.TOO_FEW_REPLICAS] = sum(more for load, more in off if load.too_few)
    found[Fault.TOO_MANY_REPLICAS] = sum(-more for load, more in off if load.too_many)
    return {fault_name(fault): min(amount, MOST) for fault, amount in found.items() if amount > 0}  # type: ignore[misc]


def _requested(seen: Seen) -> float | None:
    """Of the Ready nodes' CPU or memory, that of which more is requested: the share that is."""
    ready = {node_name(node): allocatable(node) for node in seen.nodes if is_ready(node)}
    has = _total(ready.values())
    asked = _total(requested(pod) for pod in seen.pods if node_of(pod) in ready)
    if not has.cpu_m or not has.memory_bytes:
        return None
    return min(1.0, max(asked.cpu_m / has.cpu_m, asked.memory_bytes / has.memory_bytes))


def _total(uses: Iterable[Use]) -> Use:
    each = list(uses)
    return Use(sum(use.cpu_m for use in each), sum(use.memory_bytes for use in each))
