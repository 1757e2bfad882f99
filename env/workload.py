"""A workload's name and what it requests: the words that traces, the engine, problems and agents share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from env.errors import ConfigError

KINDS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
"""Kinds of workloads whose requests can be edited; all of `apps/v1`."""


@dataclass(frozen=True, order=True)
class ObjectRef:
    """An object by namespace and name; of which kind is known from where it stands."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, order=True)
class WorkloadRef:
    """A workload by namespace, name and kind, one of KINDS.

    As text a Deployment is `ns/name` and a workload of another kind `StatefulSet ns/name`: saved documents and
    fingerprints hold the text.
    """

    namespace: str
    name: str
    kind: str = "Deployment"

    def __str__(self) -> str:
        return str(self.ref) if self.kind == "Deployment" else self.title

    @property
    def ref(self) -> ObjectRef:
        """Namespace and name."""
        return ObjectRef(self.namespace, self.name)

    @property
    def key(self) -> tuple[str, ObjectRef]:
        """Kind and name, as a control plane has its objects."""
        return self.kind, self.ref

    @property
    def title(self) -> str:
        """The kind, then namespace and name: `Deployment ns/name`."""
        return f"{self.kind} {self.ref}"

    @property
    def scales(self) -> bool:
        """Whether a manifest of its kind says how many pods there should be; a DaemonSet's nodes do."""
        return self.kind != "DaemonSet"


_SHORT = {"deploy": "Deployment", "sts": "StatefulSet", "ds": "DaemonSet", "rs": "ReplicaSet"}  # as kubectl has them


def parse_workload(text: str) -> tuple[str, str | None, str]:
    """Kind, namespace (None: not said) and name of `KIND/NAMESPACE/NAME` or `KIND/NAME`; kinds as kubectl takes them.

    Raises:
        ConfigError: Neither of these forms, or a kind that is not in KINDS.
    """
    word, *names = text.split("/")
    known = {**_SHORT, **{each.lower(): each for each in KINDS}, **{f"{each.lower()}s": each for each in KINDS}}
    kind = known.get(word.lower())
    if kind is None or not 1 <= len(names) <= 2 or not all(names):
        wanted = f"KIND/NAMESPACE/NAME, such as StatefulSet/shop/db; KIND is one of {', '.join(KINDS)}"
        raise ConfigError(f"workload {text!r:.80}: must be {wanted}")
    return kind, names[0] if len(names) == 2 else None, names[-1]


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


def object_ref(manifest: dict[str, Any]) -> ObjectRef:
    """Namespace and name of a manifest."""
    return ObjectRef(manifest["metadata"]["namespace"], manifest["metadata"]["name"])


def workload_ref(manifest: dict[str, Any]) -> WorkloadRef | None:
    """The workload that a manifest is of; None for an object of another kind or API group."""
    if manifest["kind"] not in KINDS or manifest["apiVersion"] != "apps/v1":
        return None
    ref = object_ref(manifest)
    return WorkloadRef(ref.namespace, ref.name, manifest["kind"])


def is_of(manifest: dict[str, Any], ref: WorkloadRef) -> bool:
    """Whether a manifest is of this workload: `workload_ref(manifest) == ref`, faster."""
    metadata = manifest["metadata"]
    named = metadata["name"] == ref.name and metadata["namespace"] == ref.namespace
    return bool(named and manifest["kind"] == ref.kind and manifest["apiVersion"] == "apps/v1")
