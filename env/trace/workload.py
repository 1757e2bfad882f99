"""What a Deployment's manifest asks for, read into a record; and the edit of what it asks for.

Defaults are the API server's: 1 replica, 25% surge and unavailability, a limit without a request is the request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from env.engine.controllers.rollout import Strategy
from env.engine.manifests.fields import Manifest, as_count, as_count_or_percent, as_flag, as_map
from env.engine.manifests.pod_template import PodTemplate, PriorityClass, TemplateSource, read_lasting_template
from env.engine.manifests.requests import Amount, quantity_of
from env.errors import QuantityError, TraceError
from env.gym.actions import Resources
from env.quantity import format_cpu, format_memory
from env.trace.document import WorkloadRef, workload_ref

_FORMATTERS: dict[str, Callable[[int], str]] = {"cpu": format_cpu, "memory": format_memory}


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


@dataclass(frozen=True, eq=False)
class Asked:
    """What one apply of a Deployment asks for.

    Attributes:
        ref: Its namespace and name.
        resources: The first container's requests (0 where it has none) and the replicas.
        strategy: How it replaces pods.
        template: What its pods are made from.
        paused: It makes no new ReplicaSets.
        min_ready_s: Seconds that a pod must be Ready before it counts as available.
    """

    ref: WorkloadRef
    resources: Resources
    strategy: Strategy
    template: PodTemplate
    paused: bool = False
    min_ready_s: int = 0

    @property
    def replicas(self) -> int:
        return self.resources.replicas

    @cached_property
    def fenceposts(self) -> tuple[int, int]:
        """Surge and unavailability in pods."""
        return self.strategy.fenceposts(self.resources.replicas)


@dataclass(frozen=True, eq=False)
class Deployment:
    """A Deployment's manifest, read; see `Asked` for the attributes that they share.

    Attributes:
        source: Its pod template.
    """

    ref: WorkloadRef
    replicas: int
    strategy: Strategy
    source: TemplateSource
    paused: bool
    min_ready_s: int

    @property
    def cpu(self) -> Amount:
        """Requests in millicores."""
        return self.source.cpu

    @property
    def memory(self) -> Amount:
        """Requests in bytes."""
        return self.source.memory

    @property
    def kind(self) -> str:
        return "Deployment"

    @property
    def not_modelled(self) -> tuple[str, ...]:
        """Fields that matter to a real cluster and are not modelled."""
        return self.source.not_modelled

    @property
    def resources(self) -> Resources:
        """The first container's requests (0 where it has none) and the replicas."""
        return Resources(self.cpu.first or 0, self.memory.first or 0, self.replicas)

    def asked(self, edit: ResourceEdit | None = None) -> Asked:
        """What the manifest asks for after `edit`; the same as reading the manifest that `edited` returns."""
        edit = edit or ResourceEdit()
        cpu_m = self.cpu.first if edit.cpu_m is None else edit.cpu_m
        memory_bytes = self.memory.first if edit.memory_bytes is None else edit.memory_bytes
        replicas = self.replicas if edit.replicas is None else edit.replicas
        return Asked(
            self.ref,
            Resources(cpu_m or 0, memory_bytes or 0, replicas),
            self.strategy,
            self.source.template(cpu_m, memory_bytes),
            self.paused,
            self.min_ready_s,
        )


def read_deployment(manifest: Manifest, priorities: Mapping[str, PriorityClass] | None = None) -> Deployment:
    """Read what a Deployment's manifest asks for.

    Args:
        manifest: The whole object.
        priorities: Each PriorityClass by name; one that is not there counts 0.

    Raises:
        TraceError: A field that the API server would refuse; names it.
        QuantityError: A quantity that it would refuse.
    """
    ref = workload_ref(manifest)
    try:
        return _read(ref, manifest, priorities)
    except QuantityError as error:
        raise QuantityError(f"Deployment {ref}: {error}") from error
    except ValueError as error:
        raise TraceError(f"Deployment {ref}: {error}") from error


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


def _read(ref: WorkloadRef, manifest: Manifest, priorities: Mapping[str, PriorityClass] | None) -> Deployment:
    spec = as_map(manifest, "spec")
    return Deployment(
        ref=ref,
        replicas=as_count(spec, "replicas", 1),
        strategy=_strategy(as_map(spec, "strategy")),
        source=read_lasting_template(as_map(spec, "template"), ref.namespace, priorities),
        paused=as_flag(spec, "paused"),
        min_ready_s=as_count(spec, "minReadySeconds", 0),
    )


def _strategy(strategy: Manifest) -> Strategy:
    rolling = as_map(strategy, "rollingUpdate")
    return Strategy(
        recreate=strategy.get("type") == "Recreate",
        max_surge=as_count_or_percent(rolling, "maxSurge", "25%"),
        max_unavailable=as_count_or_percent(rolling, "maxUnavailable", "25%"),
    )
