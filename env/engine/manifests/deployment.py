"""What a Deployment's manifest asks for.

Defaults are the API server's (kubernetes 1.36 `pkg/apis/apps/v1/defaults.go`): 1 replica, 25% surge and
unavailability, a limit without a request is the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from env.engine.manifests.fields import Manifest, as_count, as_flag, as_map, naming
from env.engine.manifests.lasting import LastingSpec, resources_of
from env.engine.manifests.pod_template import read_lasting_template
from env.engine.manifests.priorities import PriorityClass
from env.engine.manifests.strategy import RolloutStrategy, read_strategy
from env.workload import ObjectRef, object_ref


@dataclass(frozen=True, eq=False)
class DeploymentSpec(LastingSpec):
    """What one apply of a Deployment asks for.

    Attributes:
        strategy: How it replaces pods.
        paused: It makes no new ReplicaSets.
        min_ready_s: Seconds that a pod must be Ready before it counts as available.
    """

    strategy: RolloutStrategy
    paused: bool = False
    min_ready_s: int = 0

    @cached_property
    def fenceposts(self) -> tuple[int, int]:
        """Surge and unavailability in pods."""
        return self.strategy.fenceposts(self.resources.replicas)


def read_deployment(manifest: Manifest, priorities: Mapping[str, PriorityClass] | None = None) -> DeploymentSpec:
    """Read what a Deployment's manifest asks for.

    Args:
        manifest: The whole object.
        priorities: Each PriorityClass by name; one that is not there counts 0.

    Raises:
        TraceError: A field that the API server would refuse; names it.
        QuantityError: A quantity that it would refuse.
    """
    ref = object_ref(manifest)
    with naming(f"Deployment {ref}"):
        return deployment_spec(ref, as_map(manifest, "spec"), priorities)


def deployment_spec(ref: ObjectRef, spec: Manifest, priorities: Mapping[str, PriorityClass] | None) -> DeploymentSpec:
    """The `spec` of a manifest, read.

    Raises:
        ValueError, QuantityError: A field that the API server would refuse.
    """
    replicas, strategy = as_count(spec, "replicas", 1), read_strategy(as_map(spec, "strategy"))
    source = read_lasting_template(as_map(spec, "template"), ref.namespace, priorities)
    return DeploymentSpec(
        ref=ref,
        resources=resources_of(source, replicas),
        source=source,
        template=source.as_written(),
        strategy=strategy,
        paused=as_flag(spec, "paused"),
        min_ready_s=as_count(spec, "minReadySeconds", 0),
    )
