"""What a writing action would change on a real cluster, and to what: a rule for each, and safety before the rule.

Only what is wrong is a target: a healthy node is not drained, and a Deployment of the right size, or whose replicas an
autoscaler sets, is not scaled. Nothing is changed in a namespace that is not read, nor in kube-system unless it is
named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from env.doctor.actions import DoctorAction
from env.kube.paths import path_of
from env.live.pods import PodState, belongs_to_node, controller_of, node_of, pod_key, pod_state
from env.live.reading import DEPLOYMENTS, NODES, PODS, Seen
from env.live.usage import Load, is_cordoned, is_ready, loads, node_name, not_ready_nodes, pods_by_node
from env.untrusted import mapping, mappings, name
from env.words import count

MOST_CHANGES = 50
"""Pods that one action deletes or evicts at most."""
PROTECTED = "kube-system"
_MAKES_ANOTHER = ("ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True)
class Change:
    """One request.

    Attributes:
        said: What it does, one printable line.
        command: The same as arguments of kubectl; empty where the object's name is none that Kubernetes takes.
        method, path, body: The request.
        was: Replicas that the Deployment had; it is not scaled if it has others by then.
    """

    said: str
    command: tuple[str, ...]
    method: str
    path: str
    body: Mapping[str, Any]
    was: int | None = None


@dataclass(frozen=True)
class Plan:
    """What an action would change.

    Attributes:
        action: The action.
        changes: In order; that of a drain begins with the cordon, if the node is open.
        because: Why there are none, or what is left out.
    """

    action: DoctorAction
    changes: tuple[Change, ...]
    because: str = ""


@dataclass(frozen=True)
class Reach:
    """Which namespaces may be written to: those named, else all but kube-system."""

    namespaces: tuple[str, ...] = ()

    def __contains__(self, namespace: str) -> bool:
        return namespace in self.namespaces if self.namespaces else namespace != PROTECTED


def plan(action: DoctorAction, seen: Seen, reach: Reach, restarted: frozenset[str] = frozenset()) -> Plan:
    """What a writing action would change now.

    Args:
        action: One of `env.doctor.actions.WRITES`.
        seen: What was read last, what pods use among it.
        reach: Where it may write.
        restarted: UIDs of controllers whose pods were restarted before; not twice.
    """
    match action:
        case DoctorAction.RESTART_FAILED_PODS:
            return _restart(seen, reach, restarted)
        case DoctorAction.SCALE_UP_DEPLOYMENT:
            found = [each for each in loads(seen) if each.too_few and each.namespace in reach]
            return _scale(action, max(found, key=lambda each: each.used_percent, default=None), _more, seen)
        case DoctorAction.SCALE_DOWN_DEPLOYMENT:
            found = [each for each in loads(seen) if each.too_many and each.namespace in reach]
            return _scale(action, min(found, key=lambda each: each.used_percent, default=None), _fewer, seen)
        case DoctorAction.DRAIN_NODE:
            return _drain(seen, reach)
    return _uncordon(seen)


def kubectl(*arguments: str, names: Iterable[str]) -> tuple[str, ...]:
    """A command, if the names in it are such as Kubernetes takes; else none."""
    return ("kubectl", *arguments) if all(_NAME.fullmatch(each) for each in names) else ()


def _restart(seen: Seen, reach: Reach, restarted: frozenset[str]) -> Plan:
    changes, left = [], []
    not_ready = not_ready_nodes(seen)
    for pod in seen.pods:
        if pod_state(pod, not_ready, seen.at) is not PodState.FAILED:
            continue
        owner, key = controller_of(pod), pod_key(pod)
        if key[0] not in reach:
            left.append(f"{'/'.join(key)} is in a namespace that is not to be changed")
        elif owner.get("kind") not in _MAKES_ANOTHER:
            left.append(f"{'/'.join(key)} has no controller that would make another")
        elif name(owner.get("uid")) in restarted or node_of(pod) in not_ready:
            left.append(
                f"{'/'.join(key)} was restarted before" if node_of(pod) not in not_ready else "its node is lost"
            )
        else:
            said = f"delete pod {'/'.join(key)}; {name(owner.get('kind'))} {name(owner.get('name'))} makes another"
            command = kubectl("delete", "pod", "-n", *key, names=key)
            changes.append(Change(said, command, "DELETE", path_of(PODS, key[1], key[0]), _only(pod)))
    return Plan(DoctorAction.RESTART_FAILED_PODS, tuple(changes[:MOST_CHANGES]), _left(left, changes))


def _left(left: list[str], changes: list[Change]) -> str:
    if len(changes) > MOST_CHANGES:
        left = [*left, f"{count(len(changes) - MOST_CHANGES, 'pod')} more than one action changes"]
    if not left and not changes:
        return "no pod has failed"
    return "; ".join(left[:5]) + (f"; and {len(left) - 5} more" if len(left) > 5 else "")


def _only(pod: Any) -> dict[str, Any]:
    """DeleteOptions for this very pod, and none that has its name by then."""
    uid = mapping(pod.get("metadata")).get("uid")
    return {"apiVersion": "v1", "kind": "DeleteOptions", **({"preconditions": {"uid": uid}} if uid else {})}


def _more(load: Load) -> int:
    return min(load.needed, 2 * load.replicas)


def _fewer(load: Load) -> int:
    return max(load.needed, (load.replicas + 1) // 2)


def _scale(action: DoctorAction, load: Load | None, to: Callable[[Load], int], seen: Seen) -> Plan:
    if load is None:
        known = "no Deployment is of the wrong size" if seen.pod_usage is not None else "what pods use is not known"
        return Plan(action, (), known)
    key, replicas = (load.namespace, load.name), to(load)
    said = f"scale Deployment {'/'.join(key)} from {load.replicas} to {replicas}: it uses {load.used_percent:.0f} %"
    numbers = f"--replicas={replicas}", f"--current-replicas={load.replicas}"
    command = kubectl("scale", "-n", key[0], f"deployment/{key[1]}", *numbers, names=key)
    path = f"{path_of(DEPLOYMENTS, key[1], key[0])}/scale"
    change = Change(
        f"{said} of the CPU that it requests", command, "PATCH", path, {"spec": {"replicas": replicas}}, load.replicas
    )
    return Plan(action, (change,))


def _drain(seen: Seen, reach: Reach) -> Plan:
    """The NotReady node with most pods; if none has any, the cordoned one with most."""
    held = pods_by_node(seen)
    ready: dict[bool, list[tuple[int, str]]] = {True: [], False: []}
    for each in seen.nodes:
        if held[node_name(each)] and (not is_ready(each) or is_cordoned(each)):
            ready[is_ready(each)].append((held[node_name(each)], node_name(each)))
    chosen = max(ready[False] or ready[True], default=None)
    if chosen is None:
        return Plan(DoctorAction.DRAIN_NODE, (), "no node that is NotReady or cordoned has pods to move")
    node = chosen[1]
    pods = [each for each in seen.pods if node_of(each) == node and not _stays(each, seen)]
    if why := next(_keeps(pods, reach), ""):
        return Plan(DoctorAction.DRAIN_NODE, (), f"node {node} cannot be drained: {why}")
    command, body = kubectl("cordon", node, names=[node]), {"spec": {"unschedulable": True}}
    cordon = Change(f"cordon node {node}", command, "PATCH", path_of(NODES, node), body)
    before = [] if is_cordoned(next(each for each in seen.nodes if node_name(each) == node)) else [cordon]
    evictions = [_evict(each) for each in pods[:MOST_CHANGES]]
    more = f"{count(len(pods) - MOST_CHANGES, 'pod')} more" if len(pods) > MOST_CHANGES else ""
    return Plan(DoctorAction.DRAIN_NODE, (*before, *evictions), more)


def _stays(pod: Any, seen: Seen) -> bool:
    """Whether a drain leaves it: a DaemonSet's, a static pod, or one that ends or has ended."""
    return belongs_to_node(pod) or pod_state(pod, set(), seen.at) is PodState.LEFT_OUT


def _keeps(pods: list[Any], reach: Reach) -> Iterator[str]:
    """What keeps kubectl drain from a node, unless it is forced."""
    for pod in pods:
        called = "/".join(pod_key(pod))
        if pod_key(pod)[0] not in reach:
            yield f"pod {called} is in a namespace that is not to be changed"
        if not controller_of(pod):
            yield f"pod {called} has no controller that would make another"
        if any("emptyDir" in each for each in mappings(mapping(pod.get("spec")).get("volumes"))):
            yield f"pod {called} would lose the data of its emptyDir"


def _evict(pod: Any) -> Change:
    namespace, called = pod_key(pod)
    metadata = {"namespace": namespace, "name": called}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata, "deleteOptions": _only(pod)}
    return Change(f"evict pod {namespace}/{called}", (), "POST", f"{path_of(PODS, called, namespace)}/eviction", body)


def _uncordon(seen: Seen) -> Plan:
    """The emptiest Ready node that is cordoned."""
    cordoned = [node_name(each) for each in seen.nodes if is_ready(each) and is_cordoned(each)]
    if not cordoned:
        return Plan(DoctorAction.UNCORDON_NODE, (), "no Ready node is cordoned")
    held = pods_by_node(seen)
    node = min(cordoned, key=lambda each: (held[each], each))
    command, body = kubectl("uncordon", node, names=[node]), {"spec": {"unschedulable": None}}
    return Plan(
        DoctorAction.UNCORDON_NODE, (Change(f"uncordon node {node}", command, "PATCH", path_of(NODES, node), body),)
    )
