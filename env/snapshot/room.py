"""What nodes have for the pods of a replay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from env.problems.nodes import NodePool
from env.problems.virtual_nodes import VIRTUAL_TAINT_KEY
from env.untrusted import mapping, mappings, name

_PROVIDERS = "virtual-kubelet.io/provider"
_FARGATE = "eks.amazonaws.com/compute-type"


def is_virtual(node: Any) -> bool:
    """Whether it is no room of the cluster's own.

    It stands for a service that runs pods elsewhere, such as Azure Container Instances or Fargate, or is one of
    SimKube's simulations. Other nodes of KWOK stand for nodes.
    """
    labels = mapping(mapping(node.get("metadata")).get("labels"))
    taints = {name(each.get("key")) for each in mappings(mapping(node.get("spec")).get("taints"))}
    is_elsewhere = labels.get("type") == "virtual-kubelet" or labels.get(_FARGATE) == "fargate"
    return is_elsewhere or bool(taints & {_PROVIDERS, VIRTUAL_TAINT_KEY})


def less(node: NodePool, requests: Sequence[Mapping[str, int]], pods: int) -> NodePool:
    """A node without the room that is taken; one that is full takes no more pods.

    Args:
        node: The node.
        requests: Amounts that are taken, in thousandths, by resource.
        pods: How many of the pods that it takes are there already.
    """
    if not requests:
        return node
    taken: Counter[str] = Counter()
    for each in requests:
        taken.update(each)
    cpu_m = node.cpu_m - taken["cpu"]
    memory_bytes = node.memory_bytes - _whole(taken["memory"])
    left = ((resource, amount - _whole(taken[resource])) for resource, amount in node.resources)
    return replace(
        node,
        cpu_m=max(cpu_m, 1),
        memory_bytes=max(memory_bytes, 1),
        pods=max(node.pods - pods, 1),
        resources=tuple((resource, amount) for resource, amount in left if amount > 0),
        unschedulable=node.unschedulable or pods >= node.pods,
    )


def _whole(thousandths: int) -> int:
    return -(-thousandths // 1000)
