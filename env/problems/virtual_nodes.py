"""The nodes of a scenario as the engine has them, and objects as SimKube's driver sends them there.

The driver gives every pod a node selector and a toleration, so that it runs on virtual nodes and nowhere else. Apart
from `nodes.py`, as the engine's nodes need a compiler, which commands that only read a scenario do without.
"""

from __future__ import annotations

from env.engine.controllers.daemon_set import DaemonSet
from env.engine.manifests.fields import as_map, as_maps
from env.engine.manifests.labels import kubelet_labels, with_beta_copies
from env.engine.manifests.objects import pod_templates, read_workload
from env.engine.manifests.replicated import DaemonSetSpec
from env.engine.manifests.terms import Taint
from env.engine.scheduling.nodes import Node, by_zone
from env.problems.nodes import NodePool, NodePools
from env.trace.document import Manifest

VIRTUAL_LABEL = ("type", "virtual")
VIRTUAL_TAINT_KEY = "kwok-provider"
_VIRTUAL_TOLERATION = {"key": VIRTUAL_TAINT_KEY, "operator": "Exists", "effect": "NoSchedule"}
_VIRTUAL_TAINT = Taint(VIRTUAL_TAINT_KEY, "true", "NoSchedule")


def virtual_nodes(nodes: NodePools) -> list[Node]:
    """The nodes of a scenario, labelled as by a kubelet, and with label and taint as SimKube's users set them."""
    numbers = iter(range(1, nodes.count + 1))
    made = [
        _virtual_node(pool, name)
        for pool in nodes.pools
        for name in pool.names or (f"node-{next(numbers)}" for _ in range(pool.count))
    ]
    return by_zone(made)


def _virtual_node(pool: NodePool, name: str) -> Node:
    key, value = VIRTUAL_LABEL
    own = tuple(taint for taint in pool.taints if taint.key != VIRTUAL_TAINT_KEY)
    return Node(
        name=name,
        cpu_m=pool.cpu_m,
        memory_bytes=pool.memory_bytes,
        pods=pool.pods,
        labels=with_beta_copies({**kubelet_labels(name), **dict(pool.labels), key: value}),
        taints=(_VIRTUAL_TAINT, *own),
        unschedulable=pool.unschedulable,
        extended=dict(pool.resources),
    )


def daemon_pods(manifest: Manifest, nodes: NodePools) -> int:
    """How many pods the controller of a DaemonSet wants on these nodes.

    Raises:
        TraceError, QuantityError: A manifest that the API server would refuse.
    """
    spec = read_workload(on_virtual_nodes(manifest))
    return len(DaemonSet(spec, virtual_nodes(nodes)).wanted_nodes) if isinstance(spec, DaemonSetSpec) else 0


def on_virtual_nodes(manifest: Manifest, *, keep_ports: bool = False) -> Manifest:
    """The object as SimKube's driver applies it: its pods may run on virtual nodes and nowhere else, without ports.

    Args:
        manifest: As in the trace.
        keep_ports: Leave ports, which a real cluster has, as they are.

    Raises:
        ValueError: A pod template that is no map.
    """
    for template in pod_templates(manifest):
        pod = as_map(template, "spec")
        if not pod:
            continue
        containers = [{k: v for k, v in c.items() if keep_ports or k != "ports"} for c in as_maps(pod, "containers")]
        changed = {
            **pod,
            "containers": containers,
            "nodeSelector": {**as_map(pod, "nodeSelector"), VIRTUAL_LABEL[0]: VIRTUAL_LABEL[1]},
            "tolerations": [*as_maps(pod, "tolerations"), _VIRTUAL_TOLERATION],
        }
        return _replaced(manifest, template, {**template, "spec": changed})
    return manifest


def _replaced(value: Manifest, old: Manifest, new: Manifest) -> Manifest:
    """The document with the one map `old` in it replaced; shares everything that lies beside the way to it."""
    if value is old:
        return new
    for key in ("spec", "template", "jobTemplate"):
        child = value.get(key)
        if not isinstance(child, dict):
            continue
        changed = _replaced(child, old, new)
        if changed is not child:
            return {**value, key: changed}
    return value
