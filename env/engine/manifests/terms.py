"""What a pod spec says about where its pods may run: tolerations, affinity, topology spread.

Tolerations follow kubernetes 1.36 `staging/src/k8s.io/api/core/v1/toleration.go`; topology spread
`pkg/scheduler/framework/plugins/podtopologyspread/common.go`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from env.engine.manifests.fields import Manifest, as_count, as_map, as_maps, as_text, as_texts
from env.engine.manifests.labels import LabelPair, Predicate, conjunction, label_selector, wanted_label

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
# Labels that controllers add to pods, a value per revision.
_REVISION_LABELS = {"pod-template-hash", "controller-revision-hash"}


@dataclass(frozen=True)
class Toleration:
    """As in a pod's spec: no key tolerates every key, no effect every effect."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""

    def tolerates(self, taint: Taint) -> bool:
        """Whether a pod with it may be where the taint is."""
        if self.effect not in ("", taint.effect):
            return False
        if self.operator == "Exists":
            return self.key in ("", taint.key)
        return self.key == taint.key and self.value == taint.value


@dataclass(frozen=True)
class Taint:
    """As in a node's spec; `effect` is NoSchedule, PreferNoSchedule or NoExecute."""

    key: str
    value: str = ""
    effect: str = "NoSchedule"


@dataclass(frozen=True)
class SpreadConstraint:
    """One of `topologySpreadConstraints`.

    Attributes:
        hard: DoNotSchedule; otherwise ScheduleAnyway.
        honors_affinity: Nodes that the pod's affinity excludes do not count (nodeAffinityPolicy).
        honors_taints: Nodes whose taints it does not tolerate do not count (nodeTaintsPolicy).
        same_revision: Only pods of the same owner and revision count (matchLabelKeys with pod-template-hash).
    """

    topology_key: str
    max_skew: int
    hard: bool
    selects: Predicate
    min_domains: int = 1
    honors_affinity: bool = True
    honors_taints: bool = False
    same_revision: bool = False


@dataclass(frozen=True)
class PodAffinityTerm:
    """A term of pod (anti-)affinity; `weight` 0 marks a required one, below 0 an anti-affinity that is preferred.

    Attributes:
        namespaces: Of the pods that it means; None: those of every namespace.
        wanted: A label that all of these pods have, with its value; None: it demands no single one.
    """

    topology_key: str
    selects: Predicate
    namespaces: frozenset[str] | None
    weight: int = 0
    wanted: LabelPair | None = None


@dataclass(frozen=True)
class Placement:
    """What decides which nodes accept a pod, apart from their free resources.

    Attributes:
        node_selector: Labels that a node must have.
        terms: Required node affinity, one of which must match; None: none is required.
        preferred: (weight, term) of preferred node affinity.
        tolerations: Taints that the pod tolerates.
        node_name: The node it names itself, if any.
        only_node: The node that a DaemonSet made it for, if any.
    """

    node_selector: tuple[tuple[str, str], ...] = ()
    terms: tuple[str, ...] | None = None
    preferred: tuple[tuple[int, str], ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    only_node: str | None = None

    @property
    def size(self) -> int:
        """Characters of its terms, and some for each of the rest: what it costs to look at one node."""
        terms = sum(len(term) for term in (*(self.terms or ()), *(term for _, term in self.preferred)))
        return terms + 32 * (len(self.node_selector) + len(self.tolerations))


def read_placement(pod: Manifest) -> Placement:
    """Node selector, node affinity and tolerations of a pod spec; ValueError for what the API server would refuse."""
    affinity = as_map(as_map(pod, "affinity"), "nodeAffinity")
    preferred = as_maps(affinity, _PREFERRED)
    terms = as_maps(as_map(affinity, _REQUIRED), "nodeSelectorTerms")
    return Placement(
        node_selector=tuple((key, str(value)) for key, value in as_map(pod, "nodeSelector").items()),
        terms=None if affinity.get(_REQUIRED) is None else tuple(map(_node_term, terms)),
        preferred=tuple((as_count(entry, "weight", 1), _node_term(as_map(entry, "preference"))) for entry in preferred),
        tolerations=tuple(_toleration(entry) for entry in as_maps(pod, "tolerations")),
    )


def _node_term(term: Manifest) -> str:
    """A nodeSelectorTerm as text, found to be valid."""
    for key in ("matchExpressions", "matchFields"):
        conjunction({}, as_maps(term, key))
    return as_json(term)


def _toleration(entry: Manifest) -> Toleration:
    key, operator, value, effect = (as_text(entry, name) for name in ("key", "operator", "value", "effect"))
    return Toleration(key, operator or "Equal", value, effect)


def read_spread(entry: Manifest, labels: Mapping[str, str]) -> SpreadConstraint:
    """A topology spread constraint of pods with these labels; ValueError for what the API server would refuse."""
    keys = as_texts(entry, "matchLabelKeys")
    return SpreadConstraint(
        topology_key=as_text(entry, "topologyKey"),
        max_skew=as_count(entry, "maxSkew", 1),
        hard=as_text(entry, "whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule",
        selects=label_selector(_selector(entry, labels)),
        min_domains=as_count(entry, "minDomains", 1),
        honors_affinity=as_text(entry, "nodeAffinityPolicy", "Honor") == "Honor",
        honors_taints=as_text(entry, "nodeTaintsPolicy", "Ignore") == "Honor",
        same_revision=not _REVISION_LABELS.isdisjoint(keys),
    )


def _selector(entry: Manifest, labels: Mapping[str, str]) -> Manifest | None:
    """The label selector, with what the pod's own labels add to it (matchLabelKeys and mismatchLabelKeys)."""
    if entry.get("labelSelector") is None:
        return None
    selector = as_map(entry, "labelSelector")
    more = [
        {"key": key, "operator": operator, "values": [labels[key]]}
        for name, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
        for key in as_texts(entry, name)
        if key in labels
    ]
    return {**selector, "matchExpressions": [*as_maps(selector, "matchExpressions"), *more]} if more else selector


def read_pod_affinity(
    pod: Manifest, namespace: str, labels: Mapping[str, str]
) -> tuple[tuple[PodAffinityTerm, ...], tuple[PodAffinityTerm, ...]]:
    """(affinity, anti-affinity) terms of a pod spec; ValueError for what the API server would refuse."""
    affinity = as_map(pod, "affinity")
    return (
        tuple(_affinity_terms(as_map(affinity, "podAffinity"), namespace, labels, 1)),
        tuple(_affinity_terms(as_map(affinity, "podAntiAffinity"), namespace, labels, -1)),
    )


def _affinity_terms(affinity: Manifest, namespace: str, labels: Mapping[str, str], sign: int) -> list[PodAffinityTerm]:
    required, preferred = as_maps(affinity, _REQUIRED), as_maps(affinity, _PREFERRED)
    weighted = [(as_map(entry, "podAffinityTerm"), sign * as_count(entry, "weight", 1)) for entry in preferred]
    every = [*((term, 0) for term in required), *weighted]
    return [_affinity_term(term, namespace, labels, weight) for term, weight in every]


def _affinity_term(term: Manifest, namespace: str, labels: Mapping[str, str], weight: int) -> PodAffinityTerm:
    named = frozenset(as_texts(term, "namespaces"))
    everywhere = term.get("namespaceSelector") == {}
    selector = _selector(term, labels)
    return PodAffinityTerm(
        as_text(term, "topologyKey"),
        label_selector(selector),
        None if everywhere else named or frozenset({namespace}),
        weight,
        wanted_label(selector or {}),
    )


def affinity_not_modelled(pod: Manifest) -> list[str]:
    """Fields of a pod's affinity that matter to a real cluster and are not modelled.

    These are namespaces by their labels, and labels that only controllers set.
    """
    affinity = as_map(pod, "affinity")
    fields = []
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = [*as_maps(as_map(affinity, kind), _REQUIRED)]
        terms += [as_map(entry, "podAffinityTerm") for entry in as_maps(as_map(affinity, kind), _PREFERRED)]
        if any(term.get("namespaceSelector") for term in terms):
            fields.append(f"namespaceSelector of {kind}")
        for key in ("matchLabelKeys", "mismatchLabelKeys"):
            if any(not _REVISION_LABELS.isdisjoint(as_texts(term, key)) for term in terms):
                fields.append(f"{key} of {kind} with labels of a revision")
    return fields


def as_json(value: Any) -> str:
    """JSON with sorted keys, so that equal values are equal text."""
    return json.dumps(value, sort_keys=True)
