"""Pod templates in a normal form: two of one meaning are equal, however their defaults and quantities are spelled.

A Deployment compares templates as values (kubernetes 1.36 `pkg/controller/deployment/util/deployment_util.go`,
`EqualIgnoreHash`, with `equality.Semantic`), so "1024Mi" is "1Gi" is "1073741824". StatefulSets and DaemonSets compare
the JSON that the API server keeps (`pkg/controller/history/controller_history.go`, `EqualRevision`), in which "1Gi" and
"1073741824" differ. Both come after defaulting, here by leaving out what equals its default.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from env.engine.manifests.fields import Manifest, as_map
from env.engine.manifests.pod_schema import TYPES
from env.quantity import canonical, thousandths

HASH_LABEL = "pod-template-hash"

NormalForm = Callable[[Manifest], Manifest]

_Rule = Callable[[Any], Any]
_NONE = object()  # the field is the same as none


def by_value(template: Manifest) -> Manifest:
    """The normal form in which quantities of one value are equal.

    Raises:
        QuantityError: A quantity that the API server would refuse.
    """
    normal: Manifest = _BY_VALUE(template)
    return normal


def by_text(template: Manifest) -> Manifest:
    """The normal form in which quantities are equal that the API server writes in the same way.

    Raises:
        QuantityError: A quantity that the API server would refuse.
    """
    normal: Manifest = _BY_TEXT(template)
    return normal


@cache
def _struct(name: str, quantity: _Rule) -> _Rule:
    """The rule of a struct of that type: it leaves out the fields that are the same as none."""
    rules = {field: rule for text in TYPES.get(name, "").split() for field, rule in [_field(text, quantity)]}
    computed = _COMPUTED.get(name)

    def normal(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if computed is not None:
            value = computed(value)
        found = {}
        for field, held in value.items():
            kept = rules.get(field, _plain)(held)
            if kept is not _NONE:
                found[field] = kept
        return found

    return normal


def _field(text: str, quantity: _Rule) -> tuple[str, _Rule]:
    """A field's name and rule, of the notation in `pod_schema`."""
    declared, has_default, default = text.partition("=")
    name, is_structured, kind = declared.partition(":")
    if not is_structured:
        literal = _literal(default) if has_default else None
        return name.removesuffix("?"), _scalar(literal, pointer=name.endswith("?"))
    if kind == "{}":
        return name, _or_none(lambda texts: {key: "" if t is None else t for key, t in texts.items()}, dict)
    if kind == "{q}":
        return name, _or_none(lambda amounts: {key: quantity(amount) for key, amount in amounts.items()}, dict)
    if kind.endswith("q"):
        pointer = kind == "*q"
        return name, lambda held: _NONE if held is None or not (pointer or thousandths(held)) else quantity(held)
    if kind.startswith("[]"):
        item = _struct(kind[2:], quantity)
        return name, _or_none(lambda items: [item(each) for each in items], list)
    inner = _struct(kind.removeprefix("*"), quantity)
    may_be_empty = kind.startswith("*") and not has_default

    def struct(value: Any) -> Any:
        kept = inner(value)
        return _NONE if value is None or not (kept or may_be_empty) else kept

    return name, struct


def _scalar(default: Any, *, pointer: bool) -> _Rule:
    if pointer:
        return lambda value: _NONE if value is None or value == default else value
    return lambda value: _NONE if not value or value == default else value


def _plain(value: Any) -> Any:
    return value or _NONE


def _or_none(normal: _Rule, kind: type) -> _Rule:
    """The rule of a list or a map: an empty one is the same as none, and what is neither stays as it is."""
    return lambda value: _NONE if not value else normal(value) if isinstance(value, kind) else value


def _literal(text: str) -> Any:
    return int(text) if text.isdigit() else {"false": False}.get(text, text)


# --- defaults that depend on other fields --------------------------------------------------------------------------


def _pod(spec: Manifest) -> Manifest:
    """`serviceAccount` is an old name of `serviceAccountName`, which wins."""
    if "serviceAccount" not in spec:
        return spec
    others = {key: value for key, value in spec.items() if key != "serviceAccount"}
    return {**others, "serviceAccountName": spec.get("serviceAccountName") or spec["serviceAccount"]}


def _volume(volume: Manifest) -> Manifest:
    """One without a source is an emptyDir."""
    if all(value is None for key, value in volume.items() if key != "name"):
        return {**volume, "emptyDir": {}}
    image = as_map(volume, "image")
    return {**volume, "image": _pulled(image, "reference", "pullPolicy")} if image else volume


def _container(container: Manifest) -> Manifest:
    return _pulled(container, "image", "imagePullPolicy")


def _pulled(value: Manifest, image: str, policy: str) -> Manifest:
    """Without the policy if it is the image's default one."""
    if value.get(policy) == _pull_policy(str(value.get(image) or "")):
        return {key: each for key, each in value.items() if key != policy}
    return value


def _pull_policy(image: str) -> str:
    """Always for the tag "latest", which is that of an image with neither tag nor digest; else IfNotPresent."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2] or ("" if digest or not name else "latest")
    return "Always" if tag == "latest" else "IfNotPresent"


def _metadata(metadata: Manifest) -> Manifest:
    """The Deployment controller leaves its own label out of the comparison."""
    labels = metadata.get("labels")
    if not isinstance(labels, dict) or HASH_LABEL not in labels:
        return metadata
    return {**metadata, "labels": {key: value for key, value in labels.items() if key != HASH_LABEL}}


_COMPUTED: dict[str, Callable[[Manifest], Manifest]] = {
    "ObjectMeta": _metadata,
    "PodSpec": _pod,
    "Volume": _volume,
    "Container": _container,
}
_BY_VALUE = _struct("PodTemplateSpec", lambda amount: f"{thousandths(amount)}m")
_BY_TEXT = _struct("PodTemplateSpec", canonical)
