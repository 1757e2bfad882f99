"""A workload's name and what it requests: the words that traces, the engine, problems and agents share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, order=True)
class WorkloadRef:
    """An object by namespace and name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Resources(NamedTuple):
    """What a workload requests: CPU and memory of one container (`engine.manifests.edited_container`), and replicas.

    A tuple, as numba compiles those.

    Attributes:
        cpu_m: CPU, millicores.
        memory_bytes: Memory.
        replicas: Pods.
    """

    cpu_m: int
    memory_bytes: int
    replicas: int


@dataclass(frozen=True)
class ResourceEdit:
    """New values for a workload; None leaves a field as it is in each manifest."""

    cpu_m: int | None = None
    memory_bytes: int | None = None
    replicas: int | None = None

    @classmethod
    def between(cls, recorded: Resources, wanted: Resources) -> ResourceEdit:
        """Only what differs, so that asking for what was recorded edits nothing."""
        return cls(
            wanted.cpu_m if wanted.cpu_m != recorded.cpu_m else None,
            wanted.memory_bytes if wanted.memory_bytes != recorded.memory_bytes else None,
            wanted.replicas if wanted.replicas != recorded.replicas else None,
        )


def is_deployment(manifest: dict[str, Any]) -> bool:
    """Whether a manifest is a Deployment of `apps/v1`."""
    return bool(manifest["kind"] == "Deployment" and manifest["apiVersion"] == "apps/v1")


def workload_ref(manifest: dict[str, Any]) -> WorkloadRef:
    """Namespace and name of a manifest."""
    return WorkloadRef(manifest["metadata"]["namespace"], manifest["metadata"]["name"])
