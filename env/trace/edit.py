"""The edit of what a Deployment's manifest asks for, in place; `DeploymentSpec.edited` gives the same without one."""

from __future__ import annotations

from collections.abc import Callable

from env.engine.manifests.deployment import read_deployment
from env.engine.manifests.fields import Manifest
from env.engine.manifests.requests import quantity_of
from env.quantity import format_cpu, format_memory
from env.workload import ResourceEdit

_FORMATTERS: dict[str, Callable[[int], str]] = {"cpu": format_cpu, "memory": format_memory}


def edited(manifest: Manifest, edit: ResourceEdit) -> Manifest:
    """Write `edit` into a manifest of a Deployment, in place; a limit below its new request is raised to it.

    Raises:
        TraceError, QuantityError: The manifest is not valid.
    """
    read_deployment(manifest)
    spec = manifest["spec"]
    if edit.replicas is not None:
        spec["replicas"] = edit.replicas
    container = spec["template"]["spec"]["containers"][0]
    for name, value in (("cpu", edit.cpu_m), ("memory", edit.memory_bytes)):
        if value is not None:
            _set_request(container, name, value)
    return manifest


def _set_request(container: Manifest, name: str, value: int) -> None:
    text = _FORMATTERS[name](value)
    resources = container["resources"] = container.get("resources") or {}
    requests = resources["requests"] = resources.get("requests") or {}
    requests[name] = text
    limit = quantity_of(resources, "limits", name)
    if limit is not None and limit < value:
        resources["limits"][name] = text
