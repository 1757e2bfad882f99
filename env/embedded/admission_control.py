"""Which webhooks and admission policies see a workload and its pods; what they would do to them no replay knows.

Follows kubernetes 1.36 `staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/predicates` (`rules`, `namespace`,
`object`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from env.engine.manifests.fields import as_map, as_maps, as_texts
from env.engine.manifests.labels import Labels, label_selector
from env.trace.document import Manifest
from env.workload import object_ref

_NAMESPACE_NAME = "kubernetes.io/metadata.name"

ADMISSION: Mapping[str, str] = {
    "MutatingWebhookConfiguration": "may change",
    "MutatingAdmissionPolicy": "may change",
    "ValidatingWebhookConfiguration": "may refuse",
    "ValidatingAdmissionPolicy": "may refuse",
}
"""Kinds that decide about what others apply, and how."""


def admission_of(configuration: Manifest, namespace: str, namespace_labels: Labels | None, labels: Labels) -> str:
    """What a configuration or policy may do to a Deployment or its pods, in words; "" if it sees neither.

    Args:
        configuration: Its manifest.
        namespace: Where the Deployment is.
        namespace_labels: The labels of that; None where they are not known: then all but its name may match.
        labels: Those of the Deployment's pods.

    Raises:
        ValueError: A field that the API server would refuse.
    """
    constraints = as_map(as_map(configuration, "spec"), "matchConstraints")
    policy = {**constraints, "rules": constraints.get("resourceRules")}
    hooks = as_maps(configuration, "webhooks") if "webhooks" in configuration else [policy]
    seeing = [each for each in hooks if _selects(each, namespace, namespace_labels, labels)]
    verb = ADMISSION[configuration["kind"]]
    if any(_covers(each, "", "pods") for each in seeing):
        return f"{verb} its pods when they are created; the replay makes them of the template"
    if any(_covers(each, "apps", "deployments") for each in seeing):
        return f"{verb} the Deployment when it is applied; the replay takes it as it was recorded"
    return ""


def namespace_labels(objects: Iterable[Manifest], name: str) -> dict[str, str] | None:
    """The labels of a namespace; None where no object says them."""
    for each in objects:
        if each["kind"] == "Namespace" and object_ref(each).name == name:
            own = as_map(as_map(each, "metadata"), "labels")
            return {**{key: str(value) for key, value in own.items()}, _NAMESPACE_NAME: name}
    return None


def _covers(hook: Manifest, group: str, resource: str) -> bool:
    """Whether one of its rules is about the creation of objects of a kind."""
    return any(
        {group, "*"} & set(as_texts(rule, "apiGroups"))
        and {resource, "*", "*/*"} & set(as_texts(rule, "resources"))
        and {"CREATE", "*"} & set(as_texts(rule, "operations"))
        for rule in as_maps(hook, "rules")
    )


def _selects(hook: Manifest, namespace: str, namespace_labels: Labels | None, labels: Labels) -> bool:
    if hook.get("objectSelector") is not None and not label_selector(as_map(hook, "objectSelector"))(labels):
        return False
    selector = as_map(hook, "namespaceSelector")
    if namespace_labels is None:
        return label_selector(_by_name(selector))({_NAMESPACE_NAME: namespace})
    return label_selector(selector)(namespace_labels)


def _by_name(selector: Manifest) -> Manifest:
    """What a selector of namespaces says about their names."""
    named = {key: value for key, value in as_map(selector, "matchLabels").items() if key == _NAMESPACE_NAME}
    expressions = [each for each in as_maps(selector, "matchExpressions") if each.get("key") == _NAMESPACE_NAME]
    return {"matchLabels": named, "matchExpressions": expressions}
