"""The virtual nodes: what pods may use of them, and what keeps them from taking a replay's pods; pure functions.

A node that cannot take pods looks like pods that find no room, which would be a wrong observation. So the gates look at
all nodes before a replay and again when its pods have settled, and `sim-arena doctor` asks for the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from env.problems.nodes import NodePools
from env.quantity import format_cpu, format_memory, parse_cpu, parse_memory
from env.simkube import paths
from env.words import count

Manifest = dict[str, Any]

TAINT = "kwok-provider"
"""The key of the one taint that simulated pods tolerate."""

LABELS = ("kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch")
"""What every kubelet sets and KWOK does not. Without them, anti-affinity, spread and node selectors mean nothing."""

_CORDONED = "node.kubernetes.io/unschedulable"
PASSING_TAINTS = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
"""How the keys of the taints begin that controllers put on nodes and take away again."""


@dataclass(frozen=True)
class VirtualNode:
    """A virtual node and what of it pods may use.

    Attributes:
        uid: A node that was deleted and made anew has another.
    """

    name: str
    cpu_m: int
    memory_bytes: int
    pods: int
    uid: str = ""

    def __str__(self) -> str:
        return f"{format_cpu(self.cpu_m)} CPU, {format_memory(self.memory_bytes)}, {count(self.pods, 'pod')}"


@dataclass(frozen=True)
class Defect:
    """Why a node, or a pod on it, makes observations wrong.

    Attributes:
        said: One line that names the node.
        mend: A command.
        passing: It may go by itself.
    """

    said: str
    mend: str
    passing: bool = False

    def __str__(self) -> str:
        return f"{self.said}; {self.mend}"


def read_node(node: Manifest) -> VirtualNode:
    """A node's allocatable.

    Raises:
        QuantityError: A quantity that is none.
    """
    metadata = node["metadata"]
    allocatable = (node.get("status") or {}).get("allocatable") or {}
    cpu, memory, pods = (allocatable.get(name, 0) for name in ("cpu", "memory", "pods"))
    return VirtualNode(
        metadata["name"], parse_cpu(cpu), parse_memory(memory), parse_memory(pods), metadata.get("uid", "")
    )


def intended(wanted: NodePools) -> frozenset[str]:
    """The keys of the taints that nodes of a scenario have, also that of cordoned ones."""
    keys = {taint.key for pool in wanted.pools for taint in pool.taints}
    return frozenset(keys | ({_CORDONED} if any(pool.unschedulable for pool in wanted.pools) else set()))


def defects(node: Manifest, wanted: Collection[str] = ()) -> Iterator[Defect]:
    """What is wrong with a virtual node, the gravest first; `wanted` are the keys of taints that it may have."""
    metadata, spec = node["metadata"], node.get("spec") or {}
    name, labels = metadata["name"], metadata.get("labels") or {}
    if spec.get("unschedulable") and _CORDONED not in wanted:
        yield Defect(f"node {name} is cordoned", f"kubectl uncordon {name}")
    for taint in _keeping_off(spec):
        if taint["key"] not in (TAINT, *wanted) and not taint["key"].startswith(PASSING_TAINTS):
            said = f"node {name} has a taint {taint['key']}: simulated pods do not tolerate it"
            yield Defect(said, f"kubectl taint node {name} {taint['key']}-")
    missing = [label for label in LABELS if label not in labels]
    if missing:
        said = f"node {name} has no label {', '.join(missing)}: anti-affinity, spread and selectors would not hold"
        values = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        wanted = " ".join(f"{label}={values[label]}" for label in missing)
        yield Defect(said, f"kubectl label node {name} {wanted}")
    if not _is_ready(node):
        yield Defect(f"node {name} is not Ready", f"is KWOK running? kubectl describe node {name}", passing=True)
    for taint in _keeping_off(spec):
        # That of a cordoned node stays for a moment after its end.
        if taint["key"].startswith(PASSING_TAINTS) and not spec.get("unschedulable"):
            yield Defect(f"node {name} has the taint {taint['key']}", f"kubectl describe node {name}", passing=True)


def occupants(nodes: Collection[str], pods: Sequence[Manifest], own: Collection[str]) -> list[Defect]:
    """Pods that take room on virtual nodes and are not of the replay.

    Args:
        nodes: The virtual nodes' names.
        pods: Those of the whole cluster.
        own: The namespaces of the replay.
    """
    found = []
    for pod in pods:
        metadata, place = pod["metadata"], (pod.get("spec") or {}).get("nodeName")
        ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        if place not in nodes or ended or metadata.get("namespace") in own:
            continue
        where = f"-n {metadata.get('namespace')}"
        owner: Manifest = next(iter(metadata.get("ownerReferences") or ()), {})
        mend = f"kubectl {where} delete pod {metadata['name']}"
        if owner.get("kind") == "DaemonSet":
            mend = f"keep the DaemonSet off these nodes: kubectl {where} patch daemonset {owner.get('name')} {_OFF}"
        said = f"node {place} is occupied by pod {metadata.get('namespace')}/{metadata['name']}, not of the simulation"
        found.append(Defect(said, mend, passing="deletionTimestamp" in metadata))
    return found


_OFF = (
    """--type merge -p '{"spec":{"template":{"spec":{"affinity":{"nodeAffinity":{"""
    """"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":["""
    """{"key":"type","operator":"NotIn","values":["virtual"]}]}]}}}}}}}'"""
)


def changes(before: Sequence[VirtualNode], now: Sequence[VirtualNode]) -> str | None:
    """How the nodes are other ones than those that a replay began with; None: they are the same."""
    was, is_ = ({node.name: node for node in nodes} for nodes in (before, now))
    for name in sorted({*was, *is_}):
        old, new = was.get(name), is_.get(name)
        if old == new:
            continue
        if new is None:
            return f"node {name} is gone"
        if old is None or old.uid != new.uid:
            return f"node {name} is new"
        return f"node {name} had {old}, and has {new}"
    return None


def differences(wanted: NodePools, nodes: Sequence[VirtualNode]) -> str | None:
    """How nodes differ from those of a scenario in CPU, memory and pods, in words; None: not at all."""
    sizes, made_for = Counter(map(str, nodes)), Counter[str]()
    for pool in wanted.pools:
        made_for[pool.size] += pool.count
    if sizes == made_for:
        return None
    made = f"{count(wanted.count, 'virtual node')}{' of ' if len(made_for) == 1 else ': '}"
    asked = next(iter(made_for)) if len(made_for) == 1 else _by_size(made_for)
    return f"made for {made}{asked}, the cluster has {_by_size(sizes)}"


def is_virtual(node: Manifest) -> bool:
    """Whether simulated pods select the node."""
    key, _, value = paths.VIRTUAL_NODES.partition("=")
    return bool((node["metadata"].get("labels") or {}).get(key) == value)


def _by_size(sizes: Counter[str]) -> str:
    return "; ".join(f"{number} of {size}" for size, number in sorted(sizes.items()))


def _keeping_off(spec: Manifest) -> list[Manifest]:
    return [taint for taint in spec.get("taints") or () if taint.get("effect") != "PreferNoSchedule"]


def _is_ready(node: Manifest) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
