"""Workloads and nodes at one moment, and the trace that applies them.

A trace holds two kinds of objects. Those that SimKube's driver can apply are in its one event. Those that it cannot,
and that decide about pods all the same (PriorityClasses, Namespaces, admission webhooks, autoscalers of other API
groups), are in `metadata.unapplied`, where our replays read them and SimKube does not look.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from env.problems.node_metadata import pools_as_metadata
from env.problems.nodes import NodePools
from env.snapshot.now import WorkloadNow
from env.trace.document import Manifest, Trace
from env.trace.scopes import GROUPS, group_of, is_cluster_scoped
from env.trace.upgrade import upgraded

START_TS = 1_735_689_600
"""2025-01-01T00:00:00Z: the same objects give the same trace."""

ALL = "*"
"""What `Skipped` calls all objects of a kind that may not be read."""


@dataclass(frozen=True)
class Skipped:
    """What was read and is no part of the replay.

    Attributes:
        kind: Of the object; of a file that holds none, what it is.
        name: "namespace/name", the name alone of a kind without a namespace, or a file's path; ALL: all of the kind.
        why: A printable sentence without its subject.
        matters: It may change which pods there are, and where.
    """

    kind: str
    name: str
    why: str
    matters: bool = True

    @property
    def is_whole_kind(self) -> bool:
        """Nothing of the kind could be read."""
        return self.name == ALL

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.why}"


@dataclass(frozen=True)
class Snapshot:
    """Workloads and nodes at one moment, without what a trace must not carry.

    Attributes:
        source: Where they came from, for messages: "deploy/", "context kind-prod".
        objects: Whole Kubernetes objects in the order in which a trace applies them. Each has a namespace; that of
            kinds without one is "".
        nodes: From Node objects; None: none given.
        skipped: What is no part of the replay.
        now: How each workload is, by the cluster's own word; none where the objects are from manifests.
    """

    source: str
    objects: tuple[Manifest, ...]
    nodes: NodePools | None = None
    skipped: tuple[Skipped, ...] = ()
    now: tuple[WorkloadNow, ...] = ()


def trace_of(snapshot: Snapshot) -> Trace:
    """A trace of version 2, valid for SimKube 2.7, that applies all objects at once.

    Nodes are in `metadata.scenario.nodes`, where `scenario_from_trace` finds them. Jobs that a cluster runs do not end.
    """
    applied = [each for each in snapshot.objects if driver_applies(each)]
    unapplied = [each for each in snapshot.objects if not driver_applies(each)]
    metadata: dict[str, Any] = {"scenario": {"made_from": "snapshot"}}
    if snapshot.nodes is not None:
        metadata["scenario"]["nodes"] = pools_as_metadata(snapshot.nodes)
    if unapplied:
        metadata["unapplied"] = unapplied
    event = {"ts": START_TS, "applied_objs": applied, "deleted_objs": []}
    lives = running_jobs(snapshot.now, START_TS)
    document = {"version": 1, "events": [event], "pod_lifecycles": lives, "metadata": metadata}
    return Trace(upgraded(document), snapshot.source)


def running_jobs(now: Iterable[WorkloadNow], ts: int) -> dict[tuple[str, str], Any]:
    """That the pods of a cluster's Jobs run since a time, as a trace's `pod_lifecycles`: else they end at once."""
    jobs = (each.key for each in now if each.key.kind == "Job")
    return {("batch/v1.Job", f"{key.namespace}/{key.name}"): {0: [{"Running": ts}]} for key in jobs}


def driver_applies(manifest: Manifest) -> bool:
    """Whether SimKube's driver can apply it in any cluster: it has a namespace, and its kind is Kubernetes' own."""
    return group_of(manifest) in GROUPS and not is_cluster_scoped(manifest)
