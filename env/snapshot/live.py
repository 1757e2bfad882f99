"""A cluster's workloads and nodes as a snapshot: only read, never written to.

What a controller would make again is not in it: the pods of a Deployment are the Deployment's, a CronJob's Jobs the
CronJob's. What belongs to a controller that Kubernetes itself does not have stands on its own. Pods that are no part of
the replay and run (static pods, pods of other namespaces, of Jobs that a CronJob has started, and of owners that could
not be read) keep their room: what they request is taken off their nodes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from env.engine.manifests.priorities import SYSTEM_PRIORITIES
from env.errors import ManifestError, ScenarioError
from env.kube.client import KubeApi
from env.problems.node_manifests import joined_nodes, node_pool
from env.problems.nodes import NodePools
from env.snapshot.admitted import Added, added_to, proven, said
from env.snapshot.clean import cleaned
from env.snapshot.now import WorkloadNow, workload_now
from env.snapshot.pods import Key, PodSeen, key_of, maker_of
from env.snapshot.reading import LISTED, POD_ELSEWHERE, ClusterRead, Manifest, Say, read_objects
from env.snapshot.room import is_virtual, less
from env.snapshot.snapshot import ALL, Skipped, Snapshot
from env.untrusted import count, mapping, mappings, message, name
from env.words import count as counted

_CLUSTER_SCOPED = frozenset(("RuntimeClass", *(each.kind for each in LISTED if not each.has_namespace)))
_WORKLOADS = ("DaemonSet", "StatefulSet", "Deployment", "ReplicaSet", "CronJob", "Job")
_BEFORE = ("Namespace", "PriorityClass", "LimitRange", "ResourceQuota")
_AFTER = ("HorizontalPodAutoscaler", "PodDisruptionBudget")


def _silent(what: str, done: int, total: int, remark: str) -> None:
    """Shows nothing."""


def read_cluster(api: KubeApi, source: str, namespaces: Sequence[str] = (), say: Say = _silent) -> Snapshot:
    """What a cluster runs now; what may not be read is in `skipped`.

    Args:
        api: Its API server.
        source: What messages call it, such as "context kind-prod".
        namespaces: Whose workloads; none: of all. Other namespaces' pods keep their room on the nodes.
        say: Told how far the reading is.

    Raises:
        ConfigError: A namespace that does not exist.
        ClusterError: No answer, no valid credentials, or more than is read at most.
    """
    return snapshot_of(read_objects(api, namespaces, say), source)


def snapshot_of(read: ClusterRead, source: str) -> Snapshot:
    """What was read, as a snapshot."""
    nodes = [node for node in read.objects["Node"] if not is_virtual(node)]
    virtual = {key_of(node, "Node").name for node in read.objects["Node"] if is_virtual(node)}
    sorted_out = _sorted_out(read, virtual)
    kept = {key: workload for key, workload in sorted_out.workloads.items() if not _is_elsewhere(workload, virtual)}
    staying = [pod for pod in sorted_out.others if pod.node and pod.node not in virtual]
    ranged = {key_of(each, "LimitRange").namespace for each in read.objects["LimitRange"]}  # these give requests, too
    added = [
        each
        for key, workload in kept.items()
        if key.namespace not in ranged
        for each in added_to(workload.manifest, workload.pods, workload.now)
    ]
    pools, unusable = _pools(nodes, staying, added)
    workloads = sorted(kept.values(), key=lambda workload: (workload.waits, workload.created))
    objects, unfit = _cleaned(
        [
            *(
                each
                for kind in _BEFORE
                for each in read.objects[kind]
                if key_of(each, kind).name not in SYSTEM_PRIORITIES
            ),
            *proven([pod for workload in workloads for pod in workload.pods]),
            *(_as_new(workload.manifest) for workload in workloads),
            *(each for kind in _AFTER for each in read.objects[kind]),
        ]
    )
    skipped = [
        *_unread(read),
        *(Skipped("Node", each, "is virtual, no room of the cluster's own") for each in sorted(virtual)),
        *unusable,
        *(
            Skipped(key.kind, f"{key.namespace}/{key.name}", "runs on virtual nodes only")
            for key in sorted_out.workloads
            if key not in kept
        ),
        *_stayed(staying),
        *said(added),
        *unfit,
    ]
    return Snapshot(source, tuple(objects), pools, tuple(skipped), tuple(workload.now for workload in workloads))


def _cleaned(objects: Sequence[Manifest]) -> tuple[list[Manifest], list[Skipped]]:
    """The objects without what a trace must not carry, and those that no API server would have sent."""
    kept, unfit = [], []
    for each in objects:
        key = key_of(each, each["kind"])
        try:
            kept.append(cleaned({**each, "metadata": _with_names(each, key)}))
        except ManifestError as error:
            unfit.append(Skipped(key.kind, f"{key.namespace}/{key.name}", message(str(error))))
    return kept, unfit


def _with_names(manifest: Manifest, key: Key) -> Manifest:
    """An object's metadata, with a name, and with a namespace, which is "" for kinds without one."""
    metadata = mapping(manifest.get("metadata"))
    told = metadata.get("name"), metadata.get("namespace", "")
    if told != (key.name, key.namespace) or not key.name or bool(key.namespace) == (key.kind in _CLUSTER_SCOPED):
        raise ManifestError("its name or namespace is none")
    return {**metadata, "namespace": key.namespace}


@dataclass(frozen=True)
class _Workload:
    """An object that a replay applies, with its pods."""

    key: Key
    manifest: Manifest
    pods: Sequence[PodSeen]

    @property
    def waits(self) -> bool:
        """It has pods without a node: what runs was there first."""
        return any(not pod.node for pod in self.pods)

    @property
    def created(self) -> tuple[str, Key]:
        return name(mapping(self.manifest.get("metadata")).get("creationTimestamp")), self.key

    @property
    def now(self) -> WorkloadNow:
        return workload_now(self.key, self.manifest, self.pods)


@dataclass(frozen=True)
class _SortedOut:
    """What stands on its own, and pods that no replay makes."""

    workloads: Mapping[Key, _Workload]
    others: Sequence[PodSeen]


def _sorted_out(read: ClusterRead, virtual: set[str]) -> _SortedOut:
    """Give each pod that runs to what would make it again."""
    made_by: dict[Key, Key] = {}
    standing: dict[Key, Manifest] = {}
    there = {key_of(each, kind) for kind in _WORKLOADS for each in read.objects[kind]}
    for kind in _WORKLOADS:
        for each in read.objects[kind]:
            key, maker = key_of(each, kind), maker_of(each, kind)
            if maker is not None and maker in there:
                made_by[key] = maker
            elif maker is None and not _is_done(each, kind):
                standing[key] = each
    pods: dict[Key, list[PodSeen]] = defaultdict(list)
    others: list[PodSeen] = []
    for pod in read.pods:
        if pod.is_over:
            continue
        if pod.manifest is not None and (not read.namespaces or pod.key.namespace in read.namespaces):
            standing[pod.key] = {**pod.manifest, "apiVersion": "v1", "kind": "Pod"}
            pods[pod.key].append(pod)
            continue
        root = _root(pod, made_by, standing)
        if root is None or root.kind == "CronJob":
            others.append(pod)
        else:
            pods[root].append(pod)
    return _SortedOut({key: _Workload(key, each, pods[key]) for key, each in standing.items()}, others)


def _root(pod: PodSeen, made_by: Mapping[Key, Key], standing: Mapping[Key, Manifest]) -> Key | None:
    """The object whose replay makes the pod again; None: there is none."""
    owner = pod.made_by
    if owner is None or pod.is_static:
        return None
    deployment = Key("Deployment", owner.namespace, owner.name.removesuffix(f"-{pod.hash}"))
    if owner.kind == "ReplicaSet" and owner not in made_by and pod.hash and deployment.name != owner.name:
        owner = deployment if owner not in standing else owner  # ReplicaSets may not be read
    owner = made_by.get(owner, owner)
    return owner if owner in standing else None


def _is_done(manifest: Manifest, kind: str) -> bool:
    """A Job that has ended."""
    conditions = mappings(mapping(manifest.get("status")).get("conditions"))
    ended = (each for each in conditions if each.get("type") in ("Complete", "Failed"))
    return kind == "Job" and any(each.get("status") == "True" for each in ended)


def _as_new(manifest: Manifest) -> Manifest:
    """An object as if it were created now: a pod without its node, a Job without the completions that it has, and a
    Deployment that was paused after it had pods without its pause, as a new one makes none."""
    if manifest["kind"] == "Pod":
        return {**manifest, "spec": {k: v for k, v in mapping(manifest.get("spec")).items() if k != "nodeName"}}
    spec, status = mapping(manifest.get("spec")), mapping(manifest.get("status"))
    if manifest["kind"] == "Deployment" and spec.get("paused") and count(status.get("replicas")):
        return {**manifest, "spec": {key: value for key, value in spec.items() if key != "paused"}}
    wanted, done = count(spec.get("completions")), count(status.get("succeeded"))
    if manifest["kind"] != "Job" or spec.get("completionMode") == "Indexed" or not 0 < done < wanted:
        return manifest
    return {**manifest, "spec": {**spec, "completions": wanted - done}}


def _is_elsewhere(workload: _Workload, virtual: set[str]) -> bool:
    return bool(workload.pods) and all(pod.node in virtual for pod in workload.pods)


def _pools(
    nodes: Sequence[Manifest], staying: Sequence[PodSeen], added: Sequence[Added]
) -> tuple[NodePools | None, list[Skipped]]:
    """The nodes with the room that is left beside what stays and what was added to pods, and those that are none."""
    pods = Counter(pod.node for pod in staying)
    taken: dict[str, list[Mapping[str, int]]] = defaultdict(list)
    for pod in staying:
        taken[pod.node].append(pod.requests)
    for more in added:
        taken[more.node].append(more.requests)
    pools, unusable = [], []
    for node in sorted(nodes, key=lambda each: name(mapping(each.get("metadata")).get("creationTimestamp"))):
        key = key_of(node, "Node")
        try:
            pools.append(less(node_pool(node), taken[key.name], pods[key.name]))
        except ScenarioError as error:
            unusable.append(Skipped("Node", key.name, f"is left out: {message(str(error))}"))
    return (NodePools(tuple(joined_nodes(pools))) if pools else None), unusable


def _unread(read: ClusterRead) -> Iterator[Skipped]:
    for kind, why in read.unread.items():
        if kind == POD_ELSEWHERE:
            yield Skipped("Pod", "of other namespaces", f"not read, so nodes count as free of them: {why}")
        else:
            yield Skipped(kind, ALL, f"not read: {why}")


def _stayed(staying: Sequence[PodSeen]) -> Iterator[Skipped]:
    """In a line each: there may be one of them a node."""
    static = [pod for pod in staying if pod.is_static]
    rest = [pod for pod in staying if not pod.is_static]
    said = "no part of the replay; what they request is taken off their nodes"
    if static:
        yield Skipped("Pod", counted(len(static), "static pod"), said)
    if rest:
        yield Skipped("Pod", f"{counted(len(rest), 'pod')} of other namespaces, CronJobs or unread owners", said)
