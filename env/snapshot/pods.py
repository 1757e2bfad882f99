"""A cluster's pods, each as the little that a snapshot needs of it: 5,000 whole ones would take gigabytes.

Pods that run are their owner's, which makes them anew in a replay. Here is told how they are, who owns them, and what
they take of their node; the manifest is kept only of those that no controller would make again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from env.engine.manifests.resource_list import of_pod, with_requests
from env.errors import QuantityError
from env.untrusted import mapping, mappings, message, name

MAKERS = {"Pod": ("ReplicaSet", "StatefulSet", "DaemonSet", "Job"), "ReplicaSet": ("Deployment",), "Job": ("CronJob",)}
"""The kinds of which a controller of Kubernetes itself makes objects of a kind."""
OOM_KILLED = "OOMKilled"

_MIRROR = "kubernetes.io/config.mirror"
_GROUPS = ("apps", "batch")


class Key(NamedTuple):
    """An object by kind, namespace and name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class PodSeen:
    """A pod.

    Attributes:
        key: Its name.
        owner: What controls it, as the reference says it; None: nothing.
        made_by: `owner`, where that is of a kind whose controller would make the pod again; else None.
        hash: Its label `pod-template-hash`: the end of the name of its ReplicaSet.
        node: Where it is bound; empty for nowhere.
        is_static: It is a static pod, which its node's kubelet runs whatever the API server says.
        is_over: It has ended, or is being deleted.
        is_ready: As its condition says.
        requests: What it takes of its node, in thousandths, by resource.
        containers: The names of its containers, those that start it included.
        account: Its ServiceAccount.
        runtime: Its RuntimeClass; empty for none.
        oom_killed: Its containers whose last end was for their memory.
        waiting: Why containers wait, such as CrashLoopBackOff.
        said: What the scheduler says of a pod without a node.
        manifest: The whole object, where nothing would make the pod again.
    """

    key: Key
    owner: Key | None
    made_by: Key | None
    hash: str
    node: str
    is_static: bool
    is_over: bool
    is_ready: bool
    requests: Mapping[str, int]
    containers: tuple[str, ...]
    account: str
    runtime: str
    oom_killed: tuple[str, ...]
    waiting: tuple[str, ...]
    said: str
    manifest: Any = None


def key_of(manifest: Any, kind: str) -> Key:
    """Of an object that an API server sent."""
    metadata = mapping(manifest.get("metadata"))
    return Key(kind, name(metadata.get("namespace")), name(metadata.get("name")))


def owner_of(manifest: Any) -> tuple[Key | None, bool]:
    """What controls an object, and whether that is of Kubernetes' own groups."""
    metadata = mapping(manifest.get("metadata"))
    for each in mappings(metadata.get("ownerReferences")):
        if each.get("controller") is True:
            key = Key(name(each.get("kind")), name(metadata.get("namespace")), name(each.get("name")))
            return key, name(each.get("apiVersion")).partition("/")[0] in _GROUPS
    return None, False


def maker_of(manifest: Any, kind: str) -> Key | None:
    """What would make an object of that kind again if it were not there; None: nothing that Kubernetes itself has."""
    owner, is_own = owner_of(manifest)
    return owner if owner is not None and is_own and owner.kind in MAKERS.get(kind, ()) else None


def read_pod(pod: Any) -> PodSeen:
    """What of a pod is kept."""
    metadata, spec, status = (mapping(pod.get(part)) for part in ("metadata", "spec", "status"))
    (owner, _), maker = owner_of(pod), maker_of(pod, "Pod")
    is_static = _MIRROR in mapping(metadata.get("annotations")) or (owner is not None and owner.kind == "Node")
    is_over = status.get("phase") in ("Succeeded", "Failed") or bool(metadata.get("deletionTimestamp"))
    conditions = {name(each.get("type")): each for each in mappings(status.get("conditions"))}
    containers = [*mappings(status.get("initContainerStatuses")), *mappings(status.get("containerStatuses"))]
    return PodSeen(
        key=key_of(pod, "Pod"),
        owner=owner,
        made_by=maker,
        hash=name(mapping(metadata.get("labels")).get("pod-template-hash")),
        node=name(spec.get("nodeName")),
        is_static=is_static,
        is_over=is_over,
        is_ready=conditions.get("Ready", {}).get("status") == "True",
        requests=requests_of(spec),
        containers=container_names(spec),
        account=name(spec.get("serviceAccountName")),
        runtime=name(spec.get("runtimeClassName")),
        oom_killed=tuple(name(each.get("name")) for each in containers if _was_oom_killed(each)),
        waiting=tuple(dict.fromkeys(filter(None, map(_waiting, containers)))),
        said=message(conditions.get("PodScheduled", {}).get("message")),
        manifest=None if maker or is_static or is_over else pod,
    )


def container_names(spec: dict[str, Any]) -> tuple[str, ...]:
    """Of a pod's spec, those that start it included."""
    return tuple(
        name(each.get("name")) for part in ("containers", "initContainers") for each in mappings(spec.get(part))
    )


def requests_of(spec: dict[str, Any]) -> dict[str, int]:
    """What a pod of this spec takes of its node, in thousandths, by resource."""
    try:
        found = of_pod(with_requests(spec), "requests", overhead=True)
    except (QuantityError, ValueError, TypeError, AttributeError):  # no API server has taken that
        return {}
    return {resource: amount.milli for resource, amount in found.items() if amount.milli}


def _was_oom_killed(container: dict[str, Any]) -> bool:
    ends = (mapping(mapping(container.get(part)).get("terminated")) for part in ("state", "lastState"))
    return any(end.get("reason") == OOM_KILLED for end in ends)


def _waiting(container: dict[str, Any]) -> str:
    return name(mapping(mapping(container.get("state")).get("waiting")).get("reason"))
