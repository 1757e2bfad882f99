"""What nodes have left for a pod beside their DaemonSets, which run a pod on every node that admits them.

A replay in which a DaemonSet comes last lets a pod take a whole node, and the DaemonSet's pod waits. In a real cluster
a DaemonSet of higher priority takes the room back, or misses its pod.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from env.embedded.left_out import objects_at_end
from env.engine.controllers.daemon_set import DaemonSet
from env.engine.manifests.objects import read_object, read_workload
from env.engine.manifests.replicated import DaemonSetSpec
from env.engine.scheduling.placement import static_table
from env.problems.scenario import Scenario, recorded_manifest
from env.problems.virtual_nodes import on_virtual_nodes, virtual_nodes
from env.quantity import format_cpu, format_memory
from env.workload import ResourceEdit, Resources, is_of


@dataclass(frozen=True)
class Excess:
    """What a pod takes too much of for every node: CPU, memory or both; and that in words."""

    cpu: bool
    memory: bool
    reason: str


def excess(scenario: Scenario, asked: Resources) -> Excess | None:
    """What pods of the workload take too much of when it asks for so much; None where some node has the room.

    Raises:
        ScenarioError, TraceError, QuantityError: As `recorded_manifest`, or a manifest that is not valid.
    """
    recorded = recorded_manifest(scenario.trace, scenario.workload, scenario.duration_s)
    spec = read_workload(on_virtual_nodes(recorded))
    template = spec.edited(ResourceEdit.between(spec.resources, asked)).template
    nodes = virtual_nodes(scenario.nodes)
    taken_cpu, taken_memory = Counter[str](), Counter[str]()
    for manifest in objects_at_end(scenario):
        is_other = manifest["kind"] == "DaemonSet" and not is_of(manifest, scenario.workload)
        found = read_object(on_virtual_nodes(manifest), {}) if is_other else None
        if found is not None and isinstance(found.spec, DaemonSetSpec):
            for name in DaemonSet(found.spec, nodes).wanted_nodes:
                taken_cpu[name] += found.spec.template.cpu_m
                taken_memory[name] += found.spec.template.memory_bytes
    admitting = [node for node in nodes if not static_table(template.placement, [node])[0, 0]]
    if not taken_cpu or not admitting:
        return None
    left = [(node.cpu_m - taken_cpu[node.name], node.memory_bytes - taken_memory[node.name]) for node in admitting]
    if any(template.cpu_m <= cpu_m and template.memory_bytes <= memory_bytes for cpu_m, memory_bytes in left):
        return None
    cpu_m, memory_bytes = (max(amounts) for amounts in zip(*left, strict=True))
    is_cpu, is_memory = template.cpu_m > cpu_m, template.memory_bytes > memory_bytes
    pod, room = (
        f"{format_cpu(cpu)} of CPU and {format_memory(memory)} of memory"
        for cpu, memory in ((template.cpu_m, template.memory_bytes), (cpu_m, memory_bytes))
    )
    reason = f"a pod asks for {pod}, and nodes have {room} left beside their DaemonSets"
    return Excess(is_cpu or not is_memory, is_memory, reason)
