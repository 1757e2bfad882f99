"""The edit of what a Deployment's manifest asks for, in place; `DeploymentSpec.edited` gives the same without one."""

from __future__ import annotations

from env.engine.manifests.deployment import read_deployment
from env.engine.manifests.fields import Manifest
from env.engine.manifests.requests import with_request
from env.workload import ResourceEdit


def edited(manifest: Manifest, edit: ResourceEdit) -> Manifest:
    """Write `edit` into a manifest of a Deployment, in place; a limit below its new request is raised to it.

    Raises:
        TraceError, QuantityError: The manifest is not valid.
    """
    read_deployment(manifest)
    spec = manifest["spec"]
    if edit.replicas is not None:
        spec["replicas"] = edit.replicas
    containers = spec["template"]["spec"]["containers"]
    for name, value in (("cpu", edit.cpu_m), ("memory", edit.memory_bytes)):
        if value is not None:
            containers[0] = with_request(containers[0], name, value)
    return manifest
