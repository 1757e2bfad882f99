"""What a snapshot reads of an API server: lists by GET alone, in pages, bounded, within a deadline.

What RBAC refuses and what the API server does not know stays unread, by kind and with the reason. Any other error ends
the reading: half a cluster is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from env.errors import ClusterError, ConfigError
from env.kube.client import KubeApi, KubeError, wait
from env.kube.lists import bounded, collections
from env.kube.paths import path_of
from env.snapshot.pods import PodSeen, maker_of, read_pod
from env.untrusted import count, mapping

Manifest = dict[str, Any]
Say = Callable[[str, int, int, str], None]
"""Told of each kind: what is done, how many kinds are read, of how many, and a remark."""
T = TypeVar("T")

READ_S = 240.0
"""Seconds that all requests may take together."""
MOST_OBJECTS = 20_000
"""Of a kind, in the cluster or in each namespace that is asked for."""
MOST_PODS = 150_000
"""The most that Kubernetes supports."""
_MOST_REVISIONS = 100_000
_KIND_S = 120.0
_MOST_SILENT = 2
"""So often a request may have no answer at all before there is none."""


class Listed(NamedTuple):
    """A kind, its group and version, and where it is listed."""

    kind: str
    api_version: str
    plural: str
    has_namespace: bool = True

    @property
    def collection(self) -> str:
        """The path of its objects in the whole cluster."""
        return f"/{'apis' if '/' in self.api_version else 'api'}/{self.api_version}/{self.plural}"


NODES = Listed("Node", "v1", "nodes", has_namespace=False)
NAMESPACES = Listed("Namespace", "v1", "namespaces", has_namespace=False)
PODS = Listed("Pod", "v1", "pods")
REPLICA_SETS = Listed("ReplicaSet", "apps/v1", "replicasets")
OBJECTS = (
    Listed("PriorityClass", "scheduling.k8s.io/v1", "priorityclasses", has_namespace=False),
    Listed("LimitRange", "v1", "limitranges"),
    Listed("ResourceQuota", "v1", "resourcequotas"),
    Listed("DaemonSet", "apps/v1", "daemonsets"),
    Listed("StatefulSet", "apps/v1", "statefulsets"),
    Listed("Deployment", "apps/v1", "deployments"),
    REPLICA_SETS,
    Listed("CronJob", "batch/v1", "cronjobs"),
    Listed("Job", "batch/v1", "jobs"),
    Listed("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers"),
    Listed("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets"),
)
LISTED = (NODES, NAMESPACES, *OBJECTS, PODS)
"""All that is read: what a role must allow to get and list."""


@dataclass(frozen=True)
class ClusterRead:
    """What an API server held.

    Attributes:
        objects: By kind, as they were sent, with `apiVersion` and `kind`.
        pods: All that may be read, also of namespaces that were not asked for: they take room on the nodes.
        namespaces: Those that were asked for; none: all.
        unread: Why a kind was not read; "Pod elsewhere" are the pods of other namespaces.
    """

    objects: Mapping[str, Sequence[Manifest]]
    pods: Sequence[PodSeen]
    namespaces: tuple[str, ...]
    unread: Mapping[str, str]


POD_ELSEWHERE = "Pod elsewhere"


def read_objects(api: KubeApi, namespaces: Sequence[str], say: Say) -> ClusterRead:
    """Read all kinds of LISTED.

    Raises:
        ConfigError: A namespace that does not exist.
        ClusterError: No answer, no valid credentials, no right to read anything, or more than is read at most.
    """
    api = api.until(api.timer.now() + READ_S)
    unread: dict[str, str] = {}
    objects: dict[str, Sequence[Manifest]] = {}
    for number, listed in enumerate(LISTED[:-1]):
        say("reading", number, len(LISTED), listed.plural)
        if listed is NAMESPACES and namespaces:
            found = _read(api, listed, unread, lambda limited: _named(limited, namespaces))
        else:
            where = namespaces if listed.has_namespace else ()
            most = _MOST_REVISIONS if listed is REPLICA_SETS else MOST_OBJECTS
            found = _read(api, listed, unread, lambda a, k=listed, w=where, m=most: list(_kept(a, k, w, m)))  # type: ignore[misc]
        objects[listed.kind] = found or ()
    say("reading", len(LISTED) - 1, len(LISTED), PODS.plural)
    pods = _pods(api, namespaces, unread, say)
    say("reading", len(LISTED), len(LISTED), "")
    if unread.keys() >= {each.kind for each in LISTED}:
        raise ClusterError(f"nothing of the cluster may be read: {unread[NODES.kind]}; see docs/record.md for the role")
    return ClusterRead(objects, pods, tuple(namespaces), unread)


def _pods(api: KubeApi, namespaces: Sequence[str], unread: dict[str, str], say: Say) -> Sequence[PodSeen]:
    """Of the whole cluster if that is allowed, else of the namespaces alone."""
    seen = 0

    def read(limited: KubeApi, where: Sequence[str]) -> list[PodSeen]:
        nonlocal seen
        found = []
        for path in collections(PODS.collection, where):
            for pod in bounded(limited, path, MOST_PODS):
                found.append(read_pod(pod))
                seen += 1
                if seen % 500 == 0:
                    say("reading", len(LISTED) - 1, len(LISTED), f"{seen:,} pods")
        return found

    everywhere = _read(api, PODS, unread, lambda limited: read(limited, ()))
    if everywhere is None and namespaces:
        unread[POD_ELSEWHERE] = unread.pop(PODS.kind)
        return _read(api, PODS, unread, lambda limited: read(limited, namespaces)) or ()
    return everywhere or ()


def _read(api: KubeApi, listed: Listed, unread: dict[str, str], read: Callable[[KubeApi], T]) -> T | None:
    """What `read` gives, asked for again where an error is passing; None where it is refused or not known."""
    silent = 0

    def look(limited: KubeApi) -> T:
        nonlocal silent
        try:
            return read(limited)
        except KubeError as error:
            silent += error.status == 0
            if silent > _MOST_SILENT:
                raise ClusterError(str(error)) from error
            raise

    try:
        return wait(api, f"GET {listed.collection}", _KIND_S, look)
    except KubeError as error:
        if error.status not in (403, 404):
            raise
        unread[listed.kind] = str(error)
        return None


def _kept(api: KubeApi, listed: Listed, namespaces: Sequence[str], most: int) -> Iterator[Manifest]:
    """A list's objects as objects of their own; old revisions of what a Deployment makes do not stay in memory."""
    for path in collections(listed.collection, namespaces):
        for each in bounded(api, path, most):
            if listed is REPLICA_SETS and maker_of(each, listed.kind):
                yield {"metadata": _names_alone(each)}
            elif listed is not REPLICA_SETS or count(mapping(each.get("spec")).get("replicas")):
                metadata = {
                    key: value for key, value in mapping(each.get("metadata")).items() if key != "managedFields"
                }
                yield {**each, "apiVersion": listed.api_version, "kind": listed.kind, "metadata": metadata}


def _names_alone(manifest: Manifest) -> Manifest:
    kept = ("namespace", "name", "ownerReferences")
    return {key: value for key, value in mapping(manifest.get("metadata")).items() if key in kept}


def _named(api: KubeApi, namespaces: Sequence[str]) -> list[Manifest]:
    found = []
    for each in namespaces:
        manifest = api.get(path_of(NAMESPACES.collection, each))
        if manifest is None:
            raise ConfigError(f"--namespace {each}: the cluster has none of that name")
        found.append({**manifest, "apiVersion": NAMESPACES.api_version, "kind": NAMESPACES.kind})
    return found
