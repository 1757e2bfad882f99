"""Containers of objects that make pods: their templates, what they are granted, and what their annotations say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from env.quantity import parse_cpu, parse_memory
from env.untrusted import mapping, mappings, name
from env.usage.usage import ContainerKey

Manifest = dict[str, Any]

TEMPLATE_PATHS: dict[str, tuple[str, ...]] = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "Pod": (),
}
"""Where the pod template of an object of each kind is; a Pod is its own."""


@dataclass(frozen=True)
class Amounts:
    """CPU and memory of a container, as it requests them or is limited to them.

    Attributes:
        cpu_m: Millicores; None: it says none.
        memory_bytes: The same for memory.
    """

    cpu_m: int | None = None
    memory_bytes: int | None = None


def pod_template(manifest: Manifest) -> Manifest | None:
    """The pod template of an object; None for one that makes no pods."""
    path = TEMPLATE_PATHS.get(name(manifest.get("kind")))
    if path is None:
        return None
    template = manifest
    for key in path:
        template = mapping(template.get(key))
    return template


def containers(manifest: Manifest) -> Iterator[tuple[ContainerKey, Manifest]]:
    """The containers of an object that run as long as its pods: sidecars too, init containers that end not."""
    template = pod_template(manifest)
    if template is None:
        return
    kind, metadata, spec = name(manifest.get("kind")), mapping(manifest.get("metadata")), mapping(template.get("spec"))
    namespace, workload = name(metadata.get("namespace")) or "default", name(metadata.get("name"))
    sidecars = [each for each in mappings(spec.get("initContainers")) if each.get("restartPolicy") == "Always"]
    for each in mappings(spec.get("containers")) + sidecars:
        yield ContainerKey(kind, namespace, workload, name(each.get("name"))), each


def workload_text(manifest: Manifest) -> str:
    """The object for a message, such as "Deployment shop/web"."""
    metadata = mapping(manifest.get("metadata"))
    return f"{name(manifest.get('kind'))} {name(metadata.get('namespace')) or 'default'}/{name(metadata.get('name'))}"


def container_keys(manifests: Iterable[Manifest]) -> tuple[ContainerKey, ...]:
    """The containers of all these objects, each once, in their order."""
    return tuple(dict.fromkeys(key for each in manifests for key, _ in containers(each)))


def requests_of(container: Manifest) -> Amounts:
    """What it requests; of a resource that it only limits, the limit, as the API server does.

    Raises:
        QuantityError: What Kubernetes would refuse.
    """
    asked, most = _amounts(container, "requests"), limits_of(container)
    return Amounts(
        most.cpu_m if asked.cpu_m is None else asked.cpu_m,
        most.memory_bytes if asked.memory_bytes is None else asked.memory_bytes,
    )


def limits_of(container: Manifest) -> Amounts:
    """What it is limited to.

    Raises:
        QuantityError: What Kubernetes would refuse.
    """
    return _amounts(container, "limits")


def _amounts(container: Manifest, field: str) -> Amounts:
    said = mapping(mapping(container.get("resources")).get(field))
    cpu, memory = said.get("cpu"), said.get("memory")
    return Amounts(None if cpu is None else parse_cpu(cpu), None if memory is None else parse_memory(memory))
