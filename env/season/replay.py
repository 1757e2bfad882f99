"""One window of a season on a cluster: a Deployment with its request, whose containers use the window's peak."""

from __future__ import annotations

import math

from env.actions import CPU_STEP_M, MEMORY_STEP_BYTES
from env.cluster import Cluster
from env.errors import ClusterError
from env.problems.generate import GeneratedProblem, problem_scenario
from env.problems.nodes import NodePool
from env.problems.scenario import Scenario
from env.quantity import GIB
from env.season.variants import Variant
from env.workload import Resources

NODES = NodePool(3, 32_000, 64 * GIB)
"""They have room for the largest request of each variant, so that pods fail only for their use."""


def window_scenario(variant: Variant, request: int, peak: float, window: int = 0) -> Scenario:
    """A window as a problem that a cluster replays.

    Memory and CPU are one pod's. Replicas share the peak, which is measured in pods: each serves one step of CPU.

    Args:
        variant: What is asked for.
        request: In steps, 1 to the variant's largest.
        peak: In steps, more than 0.
        window: Its number, for names.
    """
    need = min(variant.largest, max(1, math.ceil(peak)))
    return problem_scenario(
        GeneratedProblem(
            kind=f"season-{variant.name}",
            seed=window,
            target=_resources(variant, request).replicas,
            nodes=NODES,
            start=_resources(variant, request),
            goal=_resources(variant, need),
            cpu_use_m=_cpu_use_m(variant, request, peak),
            memory_use_bytes=math.ceil(peak * MEMORY_STEP_BYTES) if variant.name == "memory" else 0,
            least_actions=abs(need - request),
        )
    )


def exceeded_on(cluster: Cluster, scenario: Scenario) -> bool:
    """Whether a cluster says that use was above the request: pods are OOM-killed, or never get Ready for want of CPU.

    Args:
        cluster: Replays the scenario.
        scenario: Of `window_scenario`.

    Raises:
        ClusterError: Pods are not Ready for another reason, or the workload could not be observed.
    """
    seen = cluster.observe(scenario, None)
    short = seen.oom_killed + seen.cpu_starved
    if {seen.ready, short} != {0, scenario.target}:
        raise ClusterError(
            f"{scenario.name}: of {scenario.target} pods {seen.ready} are Ready and {short} short of what they use; "
            "must be all of them or none: look at the cluster's nodes and events"
        )
    return short > 0


def _resources(variant: Variant, steps: int) -> Resources:
    """What the Deployment requests: steps of the variant, one of each of the others."""
    asked = Resources(CPU_STEP_M, MEMORY_STEP_BYTES, 1)
    if variant.name == "memory":
        return asked._replace(memory_bytes=steps * variant.step)
    return asked._replace(cpu_m=steps * variant.step) if variant.name == "cpu" else asked._replace(replicas=steps)


def _cpu_use_m(variant: Variant, request: int, peak: float) -> int:
    """What a pod uses, in whole millicores: rounded up, it is above the request where the peak is."""
    if variant.name == "memory":
        return 0
    return math.ceil(peak * variant.step if variant.name == "cpu" else peak * CPU_STEP_M / request)
