"""The edit of what a workload's manifest asks for, in place; `LastingSpec.edited` gives the same without one."""

from __future__ import annotations

from env.engine.manifests.edited_container import with_edit
from env.engine.manifests.fields import Manifest
from env.engine.manifests.objects import read_workload
from env.workload import ResourceEdit


def edited(manifest: Manifest, edit: ResourceEdit) -> Manifest:
    """Write `edit` into a workload's manifest, in place; a limit below its new request is raised to it.

    A DaemonSet has no replicas, so that those of an edit are not written into it.

    Raises:
        TraceError, QuantityError: The manifest is not valid.
    """
    source = read_workload(manifest).source
    spec = manifest["spec"]
    if edit.replicas is not None and manifest["kind"] != "DaemonSet":
        spec["replicas"] = edit.replicas
    template = spec["template"]
    template["spec"] = with_edit(template["spec"], source.edited, edit.cpu_m, edit.memory_bytes)
    return manifest
