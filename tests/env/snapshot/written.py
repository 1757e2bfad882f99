"""Manifests as tests write them, and what `-f` reads of them."""

from __future__ import annotations

from pathlib import Path

import yaml

from env.snapshot import Snapshot, read_manifests
from env.trace.document import Manifest

POD = {"containers": [{"name": "app", "image": "x", "resources": {"requests": {"cpu": "100m"}}}]}


def workload(kind: str, name: str, namespace: str | None = None, pod: Manifest = POD, **spec: object) -> Manifest:
    """A Deployment, StatefulSet, DaemonSet or ReplicaSet."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


def snapshot(folder: Path, *objects: Manifest | str) -> Snapshot:
    """What `-f` reads of a file with these documents."""
    file = folder / "all.yaml"
    file.write_text("\n---\n".join(each if isinstance(each, str) else yaml.safe_dump(each) for each in objects))
    return read_manifests([str(file)])


def keys(found: Snapshot) -> list[str]:
    """Kind, namespace and name of each object."""
    return [f"{each['kind']} {each['metadata']['namespace']}/{each['metadata']['name']}" for each in found.objects]


def said(found: Snapshot) -> list[str]:
    """What was skipped, and why."""
    return list(map(str, found.skipped))
