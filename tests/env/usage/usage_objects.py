"""Objects of a cluster for tests: workloads, pods and their containers."""

from typing import Any

Manifest = dict[str, Any]


def container(name: str = "web", *, requests: Manifest | None = None, limits: Manifest | None = None) -> Manifest:
    """A container with these requests and limits."""
    resources = {"requests": requests, "limits": limits}
    return {"name": name, "image": "i", "resources": {key: each for key, each in resources.items() if each}}


def autoscaler(target: str, *resources: str, kind: str = "Deployment", target_type: str = "Utilization") -> Manifest:
    """A HorizontalPodAutoscaler that scales by these resources."""
    metrics = [{"type": "Resource", "resource": {"name": each, "target": {"type": target_type}}} for each in resources]
    spec = {"scaleTargetRef": {"kind": kind, "name": target}, "metrics": metrics}
    return {"kind": "HorizontalPodAutoscaler", "metadata": {"namespace": "shop", "name": target}, "spec": spec}


def workload(kind: str = "Deployment", name: str = "web", *containers: Manifest, namespace: str = "shop") -> Manifest:
    """A workload of a kind with these containers; one of its own name where none is given."""
    template: Manifest = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": list(containers) or [container(name)]},
    }
    spec: Manifest = {"template": template}
    if kind == "CronJob":
        spec = {"jobTemplate": {"spec": spec}}
    if kind == "Pod":
        spec = template["spec"]
    return {"apiVersion": "v1", "kind": kind, "metadata": {"namespace": namespace, "name": name}, "spec": spec}
