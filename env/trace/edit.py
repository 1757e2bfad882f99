"""The edit of what a Deployment's manifest asks for, in place; `DeploymentSpec.edited` gives the same without one."""

from __future__ import annotations

from env.engine.manifests.deployment import read_deployment
from env.engine.manifests.edited_container import with_edit
from env.engine.manifests.fields import Manifest
from env.workload import ResourceEdit


def edited(manifest: Manifest, edit: ResourceEdit) -> Manifest:
    """Write `edit` into a manifest of a Deployment, in place; a limit below its new request is raised to it.

    Raises:
        TraceError, QuantityError: The manifest is not valid.
    """
    source = read_deployment(manifest).source
    spec = manifest["spec"]
    if edit.replicas is not None:
        spec["replicas"] = edit.replicas
    template = spec["template"]
    template["spec"] = with_edit(template["spec"], source.edited, edit.cpu_m, edit.memory_bytes)
    return manifest
