"""What an API server would refuse in a manifest, beside what the engine's readers check."""

from __future__ import annotations

import re
from typing import Any

from env.engine.manifests.fields import Manifest, as_count_or_percent, as_map, as_maps, as_text, as_texts
from env.engine.manifests.labels import label_selector
from env.engine.manifests.objects import pod_templates, priority_class, read_object
from env.engine.manifests.resource_list import read_resources
from env.errors import ManifestError, QuantityError, SimArenaError
from env.problems.node_manifests import check_label
from env.quantity import thousandths

NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)

_WITH_SELECTOR = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")


def check_name(metadata: Manifest, key: str) -> None:
    """ManifestError unless `key` of the metadata, its name or its namespace, is one that Kubernetes takes."""
    value, pattern = metadata.get(key), LABEL if key == "namespace" else NAME
    if not isinstance(value, str) and value is not None:
        raise ManifestError(f"metadata.{key} {value!r:.80}: must be text; put it in quotes")
    if not value:
        raise ManifestError(f"metadata.{key}: is missing")
    if len(value) > 253 or pattern.fullmatch(value) is None:
        hint = "; fill in its variables first" if "$" in value else ""
        raise ManifestError(f"metadata.{key} {value!r:.80}: must be lower-case letters, digits, '-' and '.'{hint}")


def check_object(manifest: Manifest) -> None:
    """Accept an object, cleaned, that an API server would accept.

    Raises:
        ManifestError: Says which field, and why.
    """
    what = f"{manifest['kind']} {manifest['metadata']['namespace']}/{manifest['metadata']['name']}".replace(" /", " ")
    try:
        _check_labels(as_map(manifest["metadata"], "labels"), "metadata.labels:")
        for template in pod_templates(manifest):
            _check_template(template)
        if manifest["kind"] == "PriorityClass":
            priority_class(manifest)
        else:
            read_object(manifest, {})
        if manifest["kind"] == "Deployment":
            _check_strategy(as_map(as_map(manifest, "spec"), "strategy"))
        if manifest["kind"] in _WITH_SELECTOR:
            _check_selector(as_map(manifest, "spec"))
        elif manifest["kind"] == "PodDisruptionBudget":
            _check_budget(as_map(manifest, "spec"))
        _check_rules([*as_maps(manifest, "webhooks"), as_map(as_map(manifest, "spec"), "matchConstraints")])
    except (SimArenaError, ValueError) as error:
        raise ManifestError(f"{what}: {str(error).removeprefix(f'{what}: ')}") from error


def without_image(manifest: Manifest) -> list[str]:
    """The containers without an image, at which an API server refuses the object; a replay needs none."""
    return [
        as_text(container, "name")
        for template in pod_templates(manifest)
        for field in ("initContainers", "containers")
        for container in as_maps(as_map(template, "spec"), field)
        if not as_text(container, "image")
    ]


def _check_template(template: Manifest) -> None:
    _check_labels(as_map(as_map(template, "metadata"), "labels"), "labels of its pods:")
    pod = as_map(template, "spec")
    _check_labels(as_map(pod, "nodeSelector"), "nodeSelector:")
    names = []
    for field in ("initContainers", "containers"):
        for number, container in enumerate(as_maps(pod, field)):
            name = as_text(container, "name")
            if not name:
                raise ValueError(f"{field}[{number}]: has no name")
            if LABEL.fullmatch(name) is None:
                raise ValueError(f"{field}[{number}]: name {name!r:.80}: must be lower-case letters, digits and '-'")
            names.append(name)
            _check_resources(as_map(container, "resources"), f"container {name:.80}")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"two containers are called {twice!r:.80}")


def _check_resources(resources: Manifest, what: str) -> None:
    for part in ("requests", "limits"):
        for name, amount in as_map(resources, part).items():
            try:
                thousandths(amount)
            except QuantityError as error:
                raise ValueError(f"{what}: {part}.{name:.80}: {error}") from error
    limits = read_resources(resources, "limits")
    for name, request in read_resources(resources, "requests").items():
        if name in limits and request.milli > limits[name].milli:
            raise ValueError(
                f"{what}: requests {request.text} of {name:.80}, more than its limit of {limits[name].text}"
            )


def _check_rules(hooks: list[Manifest]) -> None:
    """What webhooks and admission policies say of the objects that they see."""
    for hook in hooks:
        for selector in ("objectSelector", "namespaceSelector"):
            label_selector(as_map(hook, selector))
        for rule in [*as_maps(hook, "rules"), *as_maps(hook, "resourceRules")]:
            for key in ("apiGroups", "resources", "operations"):
                as_texts(rule, key)


def _check_selector(spec: Manifest) -> None:
    selector = as_map(spec, "selector")
    if not selector:
        raise ValueError("spec.selector: is missing")
    labels: dict[str, Any] = as_map(as_map(as_map(spec, "template"), "metadata"), "labels")
    if not label_selector(selector)(labels):
        raise ValueError("spec.selector: does not match the labels of spec.template")


def _check_strategy(strategy: Manifest) -> None:
    """Kubernetes' `ValidateDeploymentStrategy`."""
    kind, rolling = strategy.get("type") or "RollingUpdate", as_map(strategy, "rollingUpdate")
    if kind not in ("RollingUpdate", "Recreate"):
        raise ValueError(f"strategy.type {kind!r:.80}: must be RollingUpdate or Recreate")
    if kind == "Recreate" and rolling:
        raise ValueError("strategy.rollingUpdate: must not be there with type Recreate")
    if all(str(rolling.get(each)).removesuffix("%") == "0" for each in ("maxSurge", "maxUnavailable")):
        raise ValueError("strategy: maxSurge and maxUnavailable must not both be 0")


def _check_budget(spec: Manifest) -> None:
    """Kubernetes' `ValidatePodDisruptionBudgetSpec`."""
    label_selector(as_map(spec, "selector"))
    if "minAvailable" in spec and "maxUnavailable" in spec:
        raise ValueError("spec: has minAvailable and maxUnavailable; leave one out")
    for key in ("minAvailable", "maxUnavailable"):
        value = as_count_or_percent(spec, key, 0)
        if isinstance(value, str) and int(value.removesuffix("%")) > 100:
            raise ValueError(f"spec.{key} {value:.80}: must be 100% at most")


def _check_labels(labels: Manifest, what: str) -> None:
    for key, value in labels.items():
        check_label(key, value, what)
