"""What SimKube's cluster held when a workload was observed; implements `env.api_objects.ApiObjects`.

The simulation is deleted right after, so that it is all read at once, and kept under the names of the trace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from env.api_objects import LONGEST_LOG, Manifest, NoSuchObject
from env.engine.manifests.container_log import container_log
from env.errors import ClusterError, QuantityError
from env.kube.client import KubeApi
from env.kube.paths import within
from env.simkube import paths


@dataclass(frozen=True)
class Snapshot:
    """The objects of one namespace, and the virtual nodes.

    Attributes:
        namespace: As the trace names it.
        held: The objects by kind.
    """

    namespace: str
    held: dict[str, list[Manifest]]

    def pods(self, namespace: str) -> list[Manifest]:
        """See `ApiObjects.pods`."""
        return self._of("pods", namespace)

    def deployment(self, namespace: str, name: str) -> Manifest | None:
        """See `ApiObjects.deployment`."""
        return _named(self._of("deployments", namespace), name)

    def events(self, namespace: str) -> list[Manifest]:
        """See `ApiObjects.events`."""
        return self._of("events", namespace)

    def nodes(self) -> list[Manifest]:
        """See `ApiObjects.nodes`."""
        return self.held["nodes"]

    def log(self, namespace: str, pod: str, container: str, tail_lines: int) -> str:
        """See `ApiObjects.log`; nothing runs on virtual nodes: see `env.engine.manifests.container_log`."""
        found = _named(self.pods(namespace), pod)
        if found is None:
            raise NoSuchObject(f"pod {namespace}/{pod}")
        if (found.get("status") or {}).get("phase") in (None, "Pending"):
            raise NoSuchObject(f"log of pod {namespace}/{pod}: no container of it was started yet")
        try:
            text = container_log(found, container)
        except (ValueError, QuantityError) as error:
            raise ClusterError(f"pod {namespace}/{pod}: {error}") from error
        if text is None:
            raise NoSuchObject(f"container {container} of pod {namespace}/{pod}")
        return "".join(text.splitlines(keepends=True)[-tail_lines:])[-LONGEST_LOG:]

    def _of(self, kind: str, namespace: str) -> list[Manifest]:
        if namespace != self.namespace:
            raise NoSuchObject(f"namespace {namespace}; of the simulation only {self.namespace} was kept")
        return self.held[kind]


def snapshot(api: KubeApi, namespace: str) -> Snapshot:
    """Read all that there is now in the namespace in which a trace's is replayed.

    Raises:
        KubeError: It cannot be read.
    """
    where = paths.virtual_namespace(namespace)
    collections = {"pods": paths.PODS, "deployments": paths.DEPLOYMENTS, "events": paths.EVENTS}
    held = {
        kind: [_renamed(each, where, namespace) for each in api.list(within(path, where))]
        for kind, path in collections.items()
    }
    return Snapshot(namespace, {**held, "nodes": api.list(paths.NODES, labels=paths.VIRTUAL_NODES)})


def _renamed(value: Manifest, before: str, after: str) -> Manifest:
    """The object with another namespace in its metadata, and in what an Event is about."""
    changed: dict[str, Any] = {}
    for key in ("metadata", "involvedObject"):
        inner = value.get(key)
        if isinstance(inner, dict) and inner.get("namespace") == before:
            changed[key] = {**inner, "namespace": after}
    return {**value, **changed}


def _named(objects: list[Manifest], name: str) -> Manifest | None:
    return next((each for each in objects if (each.get("metadata") or {}).get("name") == name), None)
