"""Which nodes a pod template may use, apart from free resources: filters and scores on labels and taints.

Follows kubernetes 1.36 `pkg/scheduler/framework/plugins`: `nodeunschedulable/node_unschedulable.go`,
`tainttoleration/taint_toleration.go` and `nodeaffinity/node_affinity.go`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any

import numpy as np

from env.engine.manifests.fields import as_maps
from env.engine.manifests.labels import Predicate, conjunction
from env.engine.manifests.terms import Placement, Taint, Toleration
from env.engine.scheduling.nodes import Node
from env.jit import Ints

_UNSCHEDULABLE = Taint("node.kubernetes.io/unschedulable")


class StaticFilter(IntEnum):
    """Which filter keeps a pod off a node for good; in kube-scheduler's order, the first that refuses counts."""

    NONE = 0
    UNSCHEDULABLE = 1
    TAINT = 2
    AFFINITY = 3
    OTHER_NODE = 4


def static_table(placement: Placement, nodes: Sequence[Node]) -> Ints:
    """`StaticFilter`, PreferNoSchedule taints not tolerated, and preferred node affinity: int64 of shape (3, nodes)."""
    terms = None if placement.terms is None else [_term(term) for term in placement.terms]
    preferred = [(weight, _term(term)) for weight, term in placement.preferred]
    table = np.zeros((3, len(nodes)), dtype=np.int64)
    named = _named(placement)
    rows = [row for row, node in enumerate(nodes) if named is None or node.name in named]
    table[0] = StaticFilter.OTHER_NODE
    for row in rows:
        node = nodes[row]
        table[0, row] = _refusing(placement, terms, node)
        table[1, row] = sum(
            taint.effect == "PreferNoSchedule" and not tolerated(taint, _preferring(placement.tolerations))
            for taint in node.taints
        )
        table[2, row] = sum(weight for weight, matches in preferred if matches(node))
    return table


def admits_affinity(placement: Placement, node: Node) -> bool:
    """Whether the node selector and the required node affinity let the pod in."""
    terms = None if placement.terms is None else [_term(term) for term in placement.terms]
    return _matches_affinity(placement, terms, node)


def untolerated(tolerations: Iterable[Toleration], taints: Iterable[Taint]) -> bool:
    """Whether a taint that keeps pods away (NoSchedule or NoExecute) is not tolerated."""
    tolerations = tuple(tolerations)
    return any(taint.effect != "PreferNoSchedule" and not tolerated(taint, tolerations) for taint in taints)


def tolerated(taint: Taint, tolerations: Iterable[Toleration]) -> bool:
    """Whether one of the tolerations fits the taint."""
    return any(toleration.tolerates(taint) for toleration in tolerations)


def _named(placement: Placement) -> frozenset[str] | None:
    """The nodes that come into question by name, where every term of node affinity names some (`PreFilter`)."""
    every = [_names(json.loads(term)) for term in placement.terms or ()]
    if not every or None in every:
        return None
    return frozenset().union(*(names for names in every if names is not None))


def _names(term: Any) -> frozenset[str] | None:
    found = [
        frozenset(map(str, field.get("values") or ()))
        for field in as_maps(term, "matchFields")
        if field.get("key") == "metadata.name" and field.get("operator") == "In"
    ]
    return frozenset.intersection(*found) if found else None


def _preferring(tolerations: Iterable[Toleration]) -> list[Toleration]:
    return [each for each in tolerations if each.effect in ("", "PreferNoSchedule")]


def _refusing(placement: Placement, terms: list[Any] | None, node: Node) -> StaticFilter:
    if node.unschedulable and not tolerated(_UNSCHEDULABLE, placement.tolerations):
        return StaticFilter.UNSCHEDULABLE
    if untolerated(placement.tolerations, node.taints):
        return StaticFilter.TAINT
    return StaticFilter.NONE if _matches_affinity(placement, terms, node) else StaticFilter.AFFINITY


def _matches_affinity(placement: Placement, terms: list[Any] | None, node: Node) -> bool:
    if any(node.labels.get(key) != value for key, value in placement.node_selector):
        return False
    return terms is None or any(matches(node) for matches in terms)


def _term(text: str) -> Any:
    """A nodeSelectorTerm as a predicate over nodes; an empty one matches nothing."""
    term = json.loads(text)
    expressions, fields = as_maps(term, "matchExpressions"), as_maps(term, "matchFields")
    by_label: Predicate = conjunction({}, expressions)
    by_field: Predicate = conjunction({}, fields)
    if not expressions and not fields:
        return lambda node: False
    return lambda node: by_label(node.labels) and by_field({"metadata.name": node.name})
