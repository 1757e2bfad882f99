"""Proposals as a kustomize folder, for `kubectl apply -k`.

Where the manifests are at hand, the folder holds those of the workloads that change, whole and as they were written,
and a patch of each: applied, it makes of them what was replayed. Of a cluster or a trace the whole objects are not read
(env values, commands), so that there the folder holds only the fields that change. The API server merges those into
what runs with server-side apply, and only then; so the folder says how it is to be applied.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from env.trace.document import Manifest
from env.workload import WorkloadRef

_HEAD = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}


class Change(NamedTuple):
    """A workload, and the strategic merge patch of its manifest."""

    workload: WorkloadRef
    patch: Mapping[str, Any]


def files(changes: Sequence[Change], given: Mapping[WorkloadRef, Manifest]) -> dict[str, str]:
    """The files of the folder, by their paths in it.

    Args:
        changes: What is proposed; names that Kubernetes takes.
        given: Whole manifests, of those workloads of which there are any.
    """
    whole = [change for change in changes if change.workload in given]
    partial = [change for change in changes if change.workload not in given]
    found = {f"given/{_name(each.workload)}.json": _json(given[each.workload]) for each in whole}
    found |= {f"{_name(each.workload)}.yaml": _yaml(_fields(each, given.get(each.workload))) for each in changes}
    resources = [*(f"given/{_name(each.workload)}.json" for each in whole)]
    resources += [f"{_name(each.workload)}.yaml" for each in partial]
    document: dict[str, Any] = {**_HEAD, "resources": resources}
    if whole:
        document["patches"] = [{"path": f"{_name(each.workload)}.yaml"} for each in whole]
    return {"kustomization.yaml": f"# {apply_command('.', changes, given)}\n{_yaml(document)}", **found}


def apply_command(folder: str, changes: Sequence[Change], given: Mapping[WorkloadRef, Manifest]) -> str:
    """The command that applies the folder, but for quotes; with server-side apply where manifests are not whole."""
    is_whole = all(change.workload in given for change in changes)
    return f"kubectl apply -k {folder}" + ("" if is_whole else " --server-side --force-conflicts")


def write(folder: Path, contents: Mapping[str, str]) -> None:
    """Write the files into a folder, which is made."""
    for name, text in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _fields(change: Change, given: Manifest | None) -> Manifest:
    """The patch with the names of its object; those of a manifest without a namespace have none either."""
    ref = change.workload
    metadata = {"name": ref.name, "namespace": ref.namespace}
    if given is not None and not (given.get("metadata") or {}).get("namespace"):
        del metadata["namespace"]
    return {"apiVersion": "apps/v1", "kind": ref.kind, "metadata": metadata, **change.patch}


def _name(ref: WorkloadRef) -> str:
    return f"{ref.kind.lower()}-{ref.namespace}-{ref.name}"


def _json(document: Mapping[str, Any]) -> str:
    """JSON, as other readers of YAML take some texts for numbers."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _yaml(document: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump(dict(document), sort_keys=False))
