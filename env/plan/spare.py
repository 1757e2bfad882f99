"""A placeholder that keeps a node free for the loss of another one.

kube-scheduler spreads pods, and with them what is free: a little on every node, and nowhere enough for a large pod of a
node that is lost. A pod of the lowest priority as large as a node keeps that room in one place. When a node is lost,
its pods take the placeholder's: they preempt it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from env.jit import Ints
from env.plan.arrivals import key_of
from env.plan.demand import CPU, MEMORY, Key, Table
from env.plan.offers import Counts
from env.plan.packing import cost_of
from env.plan.trial import Survive, Trial
from env.trace.document import Manifest, Trace
from env.untrusted import mapping

PLACEHOLDER: Key = ("Deployment", "default", "spare-node")
_PRIORITY = -10
"""The lowest for which the Cluster Autoscaler still adds a node (--expendable-pods-priority-cutoff)."""


@dataclass(frozen=True, eq=False)
class Spare:
    """Nodes of which a placeholder keeps one free.

    Attributes:
        counts: Nodes of each offer, the free one among them.
        cost: What they cost an hour; nodes, where prices are not known.
        manifests: A PriorityClass and the placeholder, which come before other pods may take the node.
    """

    counts: Counts
    cost: float
    manifests: tuple[Manifest, Manifest]


def with_spare(counts: Counts, trial: Trial, table: Table) -> Spare | None:
    """A set of nodes with one more of the largest kind, kept free; None where that does not survive a node's loss.

    Args:
        counts: Nodes that hold everything while none is lost.
        trial: What everything is.
        table: The demand on the trial's offers.
    """
    used = np.flatnonzero(counts)
    largest = [
        o
        for o in used.tolist()
        if (table.rooms[o] >= table.rooms[used].max(axis=0)).all() and not trial.offers[o].node.taints
    ]
    if not largest:
        return None
    kept = min(largest, key=lambda o: (table.prices[o], counts[o], o))
    grown = tuple(many + (o == kept) for o, many in enumerate(counts))
    manifests = placeholder(table.rooms[kept])
    ahead = _with_first(trial.trace, *manifests)
    spared = frozenset({PLACEHOLDER})
    tried = Trial(ahead, ahead, trial.offers, trial.spare, frozenset({Survive.NODE}), trial.cluster, spared=spared)
    return Spare(grown, cost_of(table, grown), manifests) if tried.holds(grown) else None


def placeholder(room: Ints) -> tuple[Manifest, Manifest]:
    """A PriorityClass, and a Deployment of one pod that asks for so much, shape (resources,)."""
    kind, namespace, name = PLACEHOLDER
    priority = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": _PRIORITY,
        "preemptionPolicy": "Never",
        "description": "Room that a lost node's pods may take.",
    }
    requests = {"cpu": f"{int(room[CPU])}m", "memory": str(int(room[MEMORY]))}
    pod = {
        "priorityClassName": name,
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "pause", "image": "registry.k8s.io/pause:3.10", "resources": {"requests": requests}}],
    }
    labels = {"app": name}
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
    return priority, deployment


def is_placeholder(manifest: Manifest) -> bool:
    """Whether an object is the placeholder of an earlier plan, which is no workload to find room for."""
    pod = mapping(mapping(mapping(manifest.get("spec")).get("template")).get("spec"))
    return key_of(manifest) == PLACEHOLDER and pod.get("priorityClassName") == PLACEHOLDER[2]


def _with_first(trace: Trace, priority: Manifest, deployment: Manifest) -> Trace:
    """A trace of one event with the placeholder first."""
    (event,) = trace.events
    event = {**event, "applied_objs": [deployment, *event["applied_objs"]]}
    told = trace.document.get("metadata") or {}
    metadata = {**told, "unapplied": [*trace.unapplied, priority]}
    return Trace({**trace.document, "events": [event], "metadata": metadata}, trace.name)
