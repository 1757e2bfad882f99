"""The nodes of a recording: those that the cluster has already, and whether the scenario's are as they should be."""

from __future__ import annotations

from typing import Any

from env.errors import ClusterError
from env.fidelity import kubelet
from env.fidelity.truth import RecordedNode, RecordedTaint
from env.kube.client import KubeApi
from env.quantity import parse_cpu, parse_memory
from env.simkube import paths
from env.simkube.nodes import PASSING_TAINTS

Manifest = dict[str, Any]


def other_nodes(api: KubeApi) -> list[RecordedNode]:
    """The nodes that the cluster has already. They take no pods, but the scheduler counts them in its messages.

    Raises:
        ClusterError: One of them would take pods; or is left over from a recording.
    """
    found = api.list(paths.NODES)
    for node in found:
        name = node["metadata"]["name"]
        if (node["metadata"].get("labels") or {}).get(paths.MANAGED_BY) == paths.SIM_ARENA:
            mend = f"kubectl delete nodes -l {paths.MANAGED_BY}={paths.SIM_ARENA}"
            raise ClusterError(f"node {name} is left over from a recording, or one is running; if not: {mend}")
        if _takes_pods(node):
            raise ClusterError(
                f"node {name} would take pods of the scenarios; keep it out of the way: kubectl cordon {name}, "
                "or record on a cluster without nodes"
            )
    return [_as_recorded(node) for node in found]


def is_up(found: Manifest, node: RecordedNode) -> bool:
    """Whether a node of the cluster is Ready, and as the scenario wants it."""
    status, spec = found.get("status") or {}, found.get("spec") or {}
    room = status.get("allocatable") or {}
    others = ("memory", "pods", *node.resources)
    asked = (parse_cpu(node.cpu), parse_memory(node.memory), node.pods, *map(parse_memory, node.resources.values()))
    there = (parse_cpu(room.get("cpu", 0)), *(parse_memory(room.get(name, 0)) for name in others))
    tainted = sorted((taint["key"], taint["effect"]) for taint in spec.get("taints") or ())
    wanted = sorted((taint["key"], taint["effect"]) for taint in all_taints(node))
    return kubelet.is_ready(found) and there == asked and tainted == wanted


def all_taints(node: RecordedNode) -> list[Manifest]:
    """The node's own, and what the node controller adds to a cordoned one; none of what it adds to new ones."""
    cordoned = [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}] if node.unschedulable else []
    return kubelet.taints(node) + cordoned


def _takes_pods(node: Manifest) -> bool:
    """Whether it does, or will in the middle of a recording: a node that is not Ready yet has a taint that goes."""
    spec = node.get("spec") or {}
    lasting = [
        taint
        for taint in spec.get("taints") or ()
        if taint.get("effect") != "PreferNoSchedule" and not taint["key"].startswith(PASSING_TAINTS)
    ]
    return not lasting and not spec.get("unschedulable")


def _as_recorded(node: Manifest) -> RecordedNode:
    metadata, spec = node["metadata"], node.get("spec") or {}
    room = (node.get("status") or {}).get("allocatable") or {}
    return RecordedNode(
        name=metadata["name"],
        cpu=str(room.get("cpu", "0")),
        memory=str(room.get("memory", "0")),
        pods=parse_memory(room.get("pods", 0)),
        labels=dict(metadata.get("labels") or {}),
        taints=[
            RecordedTaint(key=taint["key"], value=taint.get("value"), effect=taint["effect"])
            for taint in spec.get("taints") or ()
            if taint["key"] != "node.kubernetes.io/unschedulable"
        ],
        unschedulable=bool(spec.get("unschedulable")),
    )
