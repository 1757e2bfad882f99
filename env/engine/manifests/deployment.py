"""What a Deployment's manifest asks for.

Defaults are the API server's (kubernetes 1.36 `pkg/apis/apps/v1/defaults.go`): 1 replica, 25% surge and
unavailability, a limit without a request is the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from env.engine.manifests.fields import Manifest, as_count, as_flag, as_map, naming
from env.engine.manifests.pod_template import PodTemplate, TemplateSource, read_lasting_template
from env.engine.manifests.priorities import PriorityClass
from env.engine.manifests.strategy import RolloutStrategy, read_strategy
from env.workload import ResourceEdit, Resources, WorkloadRef, workload_ref


@dataclass(frozen=True, eq=False)
class DeploymentSpec:
    """What one apply of a Deployment asks for.

    Attributes:
        ref: Its namespace and name.
        resources: Requests of the edited containers (0 where they have none; see `edited_container`), and replicas.
        strategy: How it replaces pods.
        source: The pod template of the manifest.
        template: What its pods are made from: `source` with `resources`.
        paused: It makes no new ReplicaSets.
        min_ready_s: Seconds that a pod must be Ready before it counts as available.
    """

    ref: WorkloadRef
    resources: Resources
    strategy: RolloutStrategy
    source: TemplateSource
    template: PodTemplate
    paused: bool = False
    min_ready_s: int = 0

    @property
    def replicas(self) -> int:
        """Pods that are asked for."""
        return self.resources.replicas

    @cached_property
    def fenceposts(self) -> tuple[int, int]:
        """Surge and unavailability in pods."""
        return self.strategy.fenceposts(self.resources.replicas)

    def edited(self, edit: ResourceEdit) -> DeploymentSpec:
        """What the manifest would ask for after `edit`: the same as reading what `env.trace.edit` writes."""
        cpu_m = self.source.cpu.own if edit.cpu_m is None else edit.cpu_m
        memory_bytes = self.source.memory.own if edit.memory_bytes is None else edit.memory_bytes
        replicas = self.replicas if edit.replicas is None else edit.replicas
        return replace(
            self,
            resources=Resources(cpu_m or 0, memory_bytes or 0, replicas),
            template=self.source.template(edit.cpu_m, edit.memory_bytes),
        )


def read_deployment(manifest: Manifest, priorities: Mapping[str, PriorityClass] | None = None) -> DeploymentSpec:
    """Read what a Deployment's manifest asks for.

    Args:
        manifest: The whole object.
        priorities: Each PriorityClass by name; one that is not there counts 0.

    Raises:
        TraceError: A field that the API server would refuse; names it.
        QuantityError: A quantity that it would refuse.
    """
    ref = workload_ref(manifest)
    with naming(f"Deployment {ref}"):
        return deployment_spec(ref, as_map(manifest, "spec"), priorities)


def deployment_spec(ref: WorkloadRef, spec: Manifest, priorities: Mapping[str, PriorityClass] | None) -> DeploymentSpec:
    """The `spec` of a manifest, read.

    Raises:
        ValueError, QuantityError: A field that the API server would refuse.
    """
    replicas, strategy = as_count(spec, "replicas", 1), read_strategy(as_map(spec, "strategy"))
    source = read_lasting_template(as_map(spec, "template"), ref.namespace, priorities)
    return DeploymentSpec(
        ref=ref,
        resources=Resources(source.cpu.own or 0, source.memory.own or 0, replicas),
        strategy=strategy,
        source=source,
        template=source.as_written(),
        paused=as_flag(spec, "paused"),
        min_ready_s=as_count(spec, "minReadySeconds", 0),
    )
