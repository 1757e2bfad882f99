"""Label selectors (`metav1.LabelSelector`) and node selector terms, as predicates over labels.

Operators are those of kubernetes 1.36 `staging/src/k8s.io/apimachinery/pkg/labels/selector.go`. Which labels a node has
by itself is in `pkg/kubelet/kubelet_node_status.go` (`initialNode`) and in
`pkg/controller/nodelifecycle/node_lifecycle_controller.go` (`labelReconcileInfo`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from env.engine.manifests.fields import Manifest, as_map, as_maps, as_text

Labels = Mapping[str, str]
LabelPair = tuple[str, str]
Predicate = Callable[[Labels], bool]

QUALIFIED_NAME = re.compile(
    r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", re.ASCII
)
"""A label's key, and a resource's name (`IsQualifiedName`)."""
HOSTNAME, OS, ARCH = "kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch"
_BETA_COPIES = {OS: "beta.kubernetes.io/os", ARCH: "beta.kubernetes.io/arch"}


def kubelet_labels(name: str) -> dict[str, str]:
    """The labels that a kubelet on a usual machine gives its node."""
    return {HOSTNAME: name, OS: "linux", ARCH: "amd64"}


def with_beta_copies(labels: Labels) -> dict[str, str]:
    """A node's labels with the beta labels that the node lifecycle controller keeps equal to the stable ones."""
    copies = {beta: labels[stable] for stable, beta in _BETA_COPIES.items() if stable in labels}
    return {**labels, **copies}


def label_selector(selector: Manifest | None) -> Predicate:
    """A selector as a predicate: None matches nothing, an empty one everything.

    Raises:
        ValueError: An expression that the API server would refuse.
    """
    if selector is None:
        return lambda labels: False
    wanted = {key: str(value) for key, value in as_map(selector, "matchLabels").items()}
    return conjunction(wanted, as_maps(selector, "matchExpressions"))


def wanted_label(selector: Manifest) -> LabelPair | None:
    """A label with the one value that a valid selector demands of it; None where it demands none."""
    for key, value in as_map(selector, "matchLabels").items():
        return key, str(value)
    for expression in as_maps(selector, "matchExpressions"):
        values = _texts(expression.get("values"))
        if as_text(expression, "operator") == "In" and len(values) == 1:
            return as_text(expression, "key"), values[0]
    return None


def conjunction(wanted: Mapping[str, str], expressions: list[Manifest]) -> Predicate:
    """All of `wanted` labels and all `expressions`."""
    requirements = [_requirement(expression) for expression in expressions]
    items = tuple(wanted.items())

    def matches(labels: Labels) -> bool:
        return all(labels.get(key) == value for key, value in items) and all(holds(labels) for holds in requirements)

    return matches


def _requirement(expression: Manifest) -> Predicate:
    key, operator = as_text(expression, "key"), as_text(expression, "operator")
    values = _texts(expression.get("values"))
    if operator not in _OPERATORS or not key:
        raise ValueError(
            f"expression {key!r:.80} {operator!r:.40}: the operator must be one of {', '.join(_OPERATORS)}"
        )
    if operator in ("Gt", "Lt") and not (len(values) == 1 and _is_integer(values[0])):
        raise ValueError(f"expression {key!r:.80} {operator}: must have one whole number as its value")
    compare = _OPERATORS[operator]
    return lambda labels: compare(labels.get(key), values)


def _number(value: str | None) -> int | None:
    return int(value) if value is not None and _is_integer(value) else None


def _is_integer(value: str) -> bool:
    return value.lstrip("-").isascii() and value.lstrip("-").isdigit() and len(value) < 20


def _greater(value: str | None, values: list[str]) -> bool:
    number = _number(value)
    return number is not None and number > int(values[0])


def _less(value: str | None, values: list[str]) -> bool:
    number = _number(value)
    return number is not None and number < int(values[0])


_OPERATORS: dict[str, Callable[[str | None, list[str]], bool]] = {
    "In": lambda value, values: value in values,
    "NotIn": lambda value, values: value not in values,
    "Exists": lambda value, values: value is not None,
    "DoesNotExist": lambda value, values: value is None,
    "Gt": _greater,
    "Lt": _less,
}


def _texts(values: Any) -> list[str]:
    if values is None:
        return []
    if not isinstance(values, list):
        raise ValueError("values: must be a list")
    return [str(value) for value in values]
