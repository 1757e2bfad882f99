"""What an API server knows of objects: the resources that it serves, selectors, merge patches, births."""

from __future__ import annotations

import copy
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Resource:
    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    status: bool = False
    """Whether status can only be written through the subresource."""
    custom: bool = False
    """Whether it is served only while its CustomResourceDefinition exists."""


RESOURCES = (
    Resource("", "v1", "namespaces", "Namespace", False, status=True),
    Resource("", "v1", "nodes", "Node", False, status=True),
    Resource("", "v1", "pods", "Pod", True, status=True),
    Resource("", "v1", "events", "Event", True),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", True),
    Resource("", "v1", "secrets", "Secret", True),
    Resource("", "v1", "configmaps", "ConfigMap", True),
    Resource("", "v1", "services", "Service", True),
    Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", True, status=True),
    Resource("", "v1", "limitranges", "LimitRange", True),
    Resource("", "v1", "resourcequotas", "ResourceQuota", True, status=True),
    Resource("apps", "v1", "deployments", "Deployment", True, status=True),
    Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", True, status=True),
    Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", True),
    Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", True, status=True),
    Resource("apps", "v1", "replicasets", "ReplicaSet", True, status=True),
    Resource("apps", "v1", "statefulsets", "StatefulSet", True, status=True),
    Resource("apps", "v1", "daemonsets", "DaemonSet", True, status=True),
    Resource("batch", "v1", "jobs", "Job", True, status=True),
    Resource("batch", "v1", "cronjobs", "CronJob", True, status=True),
    Resource("coordination.k8s.io", "v1", "leases", "Lease", True),
    Resource("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", False),
    Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False),
    Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False),
    Resource("simkube.io", "v1", "simulations", "Simulation", False, status=True, custom=True),
    Resource("simkube.io", "v1", "simulationroots", "SimulationRoot", False, custom=True),
    Resource("kwok.x-k8s.io", "v1alpha1", "stages", "Stage", False, custom=True),
    Resource("cert-manager.io", "v1", "clusterissuers", "ClusterIssuer", False, status=True, custom=True),
)


def definition(resource: Resource) -> Manifest:
    """The CustomResourceDefinition of a resource, without a schema worth the name."""
    schema: Manifest = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    if resource.kind == "Simulation":
        schema["properties"] = {"spec": {"type": "object", "properties": {"lifecycleParams": {"type": "object"}}}}
        schema["properties"]["spec"]["x-kubernetes-preserve-unknown-fields"] = True
        schema["properties"]["status"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version: Manifest = {
        "name": resource.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    if resource.status:
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{resource.group}"},
        "spec": {
            "group": resource.group,
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "names": {
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
            },
            "versions": [version],
        },
        "status": {"conditions": [{"type": "Established", "status": "True"}]},
    }


def merged(old: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = old if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def born(manifest: Manifest, generation: int | None = None) -> Manifest:
    metadata = manifest["metadata"]
    metadata.setdefault("uid", str(uuid.uuid4()))
    metadata.setdefault("creationTimestamp", now())
    if generation is not None or "generation" not in metadata:
        metadata["generation"] = generation or 1
    if manifest["kind"] == "Namespace":
        manifest.setdefault("status", {"phase": "Active"})
        metadata.setdefault("labels", {})["kubernetes.io/metadata.name"] = metadata["name"]
    return manifest


def tainted(node: Manifest) -> Manifest:
    """A node with the node controller's taints: those of its states, cordoned and not Ready, and no stale ones.

    A node of the wrong shape, which only a hostile API server serves, is left as it is.
    """
    spec, status = node.setdefault("spec", {}), node.get("status", {})
    if not isinstance(spec, dict) or not isinstance(status, dict):
        return node
    conditions = status.get("conditions") or ()
    if not isinstance(conditions, list | tuple):
        return node
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    states = {
        "node.kubernetes.io/unschedulable": bool(spec.get("unschedulable")),
        "node.kubernetes.io/not-ready": not ready,
    }
    taints = [taint for taint in spec.get("taints") or () if not isinstance(taint, dict) or taint["key"] not in states]
    taints += [{"key": key, "effect": "NoSchedule"} for key, holds in states.items() if holds]
    return {**node, "spec": {**spec, "taints": taints}} if taints or "taints" in spec else node


def resource_of(manifest: Manifest) -> Resource:
    group, _, version = manifest["apiVersion"].rpartition("/")
    for resource in RESOURCES:
        if (resource.group, resource.version, resource.kind) == (group, version, manifest["kind"]):
            return resource
    raise LookupError(f"{manifest['apiVersion']} {manifest['kind']}: not served here")


def root_path(resource: Resource) -> str:
    return f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"


def group_entry(group: str, version: str) -> Manifest:
    entry = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [entry], "preferredVersion": entry}


def discovered(resource: Resource) -> Manifest:
    verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update"]
    return {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": ["create"] if resource.kind == "SelfSubjectAccessReview" else verbs,
    }


def labels_match(o: Manifest, selector: str) -> bool:
    labels = o["metadata"].get("labels") or {}
    return all(_requirement_holds(labels, part.strip()) for part in _split(selector))


def _split(selector: str) -> Iterator[str]:
    """The parts of a selector, at commas outside of parentheses."""
    return (part for part in re.split(r",(?![^(]*\))", selector) if part.strip())


def _requirement_holds(labels: dict[str, str], part: str) -> bool:
    if match := re.fullmatch(r"(\S+)\s+(in|notin)\s+\((.*)\)", part):
        values = [value.strip() for value in match[3].split(",")]
        return (labels.get(match[1]) in values) == (match[2] == "in")
    if "!=" in part:
        key, _, value = part.partition("!=")
        return labels.get(key) != value
    if "=" in part:
        key, value = re.split(r"==?", part, maxsplit=1)
        return labels.get(key) == value
    return part[1:] not in labels if part.startswith("!") else part in labels


def fields_match(o: Manifest, selector: str) -> bool:
    for part in _split(selector):
        path, operator, value = re.split(r"(!=|==|=)", part, maxsplit=1)
        found: Any = o
        for step in path.split("."):
            found = found.get(step, "") if isinstance(found, dict) else ""
        if (str(found) == value) == (operator == "!="):
            return False
    return True


def owners(o: Manifest) -> list[str]:
    return [reference["uid"] for reference in o["metadata"].get("ownerReferences") or ()]


def without(o: Manifest, *keys: str) -> Manifest:
    return {key: value for key, value in o.items() if key not in keys}


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def scale_of(deployment: Manifest) -> Manifest:
    """The Scale of a Deployment."""
    replicas = {"replicas": deployment["spec"]["replicas"]}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": deployment["metadata"], "spec": replicas}


def evicted_too_many(pod: Manifest, budgets: list[Manifest]) -> bool:
    """Whether a PodDisruptionBudget keeps a pod from being evicted."""
    return any(
        labels_match(
            pod, ",".join(f"{key}={value}" for key, value in budget["spec"]["selector"]["matchLabels"].items())
        )
        and budget["status"]["disruptionsAllowed"] == 0
        for budget in budgets
    )


def about_server(path: str, version: str, served: list[Resource]) -> Manifest | None:
    """Its version, its health and what it serves; None at any other path."""
    if path == "/version":
        major, minor = version.removeprefix("v").split(".")[:2]
        return {"major": major, "minor": minor, "gitVersion": version, "platform": "linux/amd64"}
    if path in ("/readyz", "/livez", "/healthz"):
        return {"status": "ok"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = sorted({(r.group, r.version) for r in served if r.group})
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group_entry(g, v) for g, v in groups]}
    here = [r for r in served if path == root_path(r)]
    if not here:
        return None
    version = f"{here[0].group}/{here[0].version}".lstrip("/")
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": version,
        "resources": [discovered(r) for r in here],
    }
