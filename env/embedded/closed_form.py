"""The closed form of plain scenarios: what a replay ends in, computed instead of replayed.

A scenario is plain if its nodes are equal and take any pod, if its trace applies one Deployment once and holds nothing
else, and if nothing but CPU, memory and the number of pods decides whether a node takes one of its pods. Pods and nodes
are then all alike, so every node takes the same number of pods, in any order and with any scores; and as no node
differs from another, they are all full when a pod is pending.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from env.engine.manifests.deployment import read_deployment
from env.engine.manifests.pod_template import TemplateSource
from env.engine.manifests.requests import Amount
from env.errors import SimArenaError
from env.observation import Observation
from env.problems.generate import GeneratedProblem
from env.problems.scenario import Scenario
from env.trace.document import Manifest
from env.workload import Resources, is_of

# Below these every product of two numbers here is below 2^53, so that float64 holds it exactly.
_LARGEST_AMOUNT = 2**40  # 1 TiB, or a thousand million CPUs
_LARGEST_COUNT = 2**12

# What may stand in a manifest and still leave its place to CPU, memory and the number of pods.
_SPEC_KEYS = {
    "minReadySeconds",
    "paused",
    "progressDeadlineSeconds",
    "replicas",
    "revisionHistoryLimit",
    "selector",
    "strategy",
    "template",
}
_POD_KEYS = {
    "automountServiceAccountToken",
    "containers",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "hostAliases",
    "hostname",
    "imagePullSecrets",
    "initContainers",
    "overhead",
    "restartPolicy",
    "securityContext",
    "serviceAccount",
    "serviceAccountName",
    "subdomain",
    "terminationGracePeriodSeconds",
    "tolerations",
}


@dataclass(frozen=True, slots=True)
class PlainWorkload:
    """The numbers that a plain scenario comes down to; CPU in millicores, memory in bytes.

    Attributes:
        nodes: Number of nodes.
        node_cpu_m: Allocatable CPU of each.
        node_memory_bytes: Allocatable memory of each.
        node_pods: Pods that each can hold.
        cpu_beside_m: What a pod needs besides the edited container's request: other containers, sidecars, overhead.
        cpu_least_m: What it needs at least, whatever that is: often the peak of its init containers, and the overhead.
        cpu_limit_m: The edited container's limit; 0 where it has none.
        cpu_use_m: What the edited container uses; 0 where that is not known.
        memory_beside_bytes, memory_least_bytes, memory_limit_bytes, memory_use_bytes: The same for memory.
    """

    nodes: int
    node_cpu_m: int
    node_memory_bytes: int
    node_pods: int
    cpu_beside_m: int = 0
    cpu_least_m: int = 0
    cpu_limit_m: int = 0
    cpu_use_m: int = 0
    memory_beside_bytes: int = 0
    memory_least_bytes: int = 0
    memory_limit_bytes: int = 0
    memory_use_bytes: int = 0


def observe_plain(workload: PlainWorkload, asked: Resources) -> Observation:
    """What a replay would end in; numba compiles it, then `workload` is a record of an array with these fields."""
    w = workload
    cpu_m = max(asked.cpu_m + w.cpu_beside_m, w.cpu_least_m)
    memory_bytes = max(asked.memory_bytes + w.memory_beside_bytes, w.memory_least_bytes)
    per_node = w.node_pods
    # Rounded down exactly, as no sum of two amounts reaches 2^53; processors divide floats faster than whole numbers.
    if cpu_m > 0:
        per_node = min(per_node, int(w.node_cpu_m / cpu_m))
    if memory_bytes > 0:
        per_node = min(per_node, int(w.node_memory_bytes / memory_bytes))
    bound = min(asked.replicas, per_node * w.nodes)
    oom_killed = max(asked.memory_bytes, w.memory_limit_bytes) < w.memory_use_bytes
    cpu_starved = max(asked.cpu_m, w.cpu_limit_m) < w.cpu_use_m and not oom_killed
    # Numba takes no conditions within a call of so many arguments, and knows no defaults of tuples.
    full = w.nodes if asked.replicas > bound else 0
    ready = 0 if oom_killed or cpu_starved else bound
    insufficient_cpu = full if cpu_m > w.node_cpu_m - per_node * cpu_m else 0
    insufficient_memory = full if memory_bytes > w.node_memory_bytes - per_node * memory_bytes else 0
    too_many_pods = full if per_node >= w.node_pods else 0
    killed, starved = bound if oom_killed else 0, bound if cpu_starved else 0
    return Observation(
        ready=ready,
        pending=asked.replicas - bound,
        total=asked.replicas,
        resources=asked,
        node_cpu_m=w.node_cpu_m,
        node_memory_bytes=w.node_memory_bytes,
        cluster_cpu_m=w.nodes * w.node_cpu_m,
        cluster_memory_bytes=w.nodes * w.node_memory_bytes,
        nodes=w.nodes,
        insufficient_cpu=insufficient_cpu,
        insufficient_memory=insufficient_memory,
        too_many_pods=too_many_pods,
        oom_killed=killed,
        cpu_starved=starved,
        refused_otherwise=0,
        broken=0,
        others_pending=0,
        others_insufficient_cpu=0,
        others_insufficient_memory=0,
        others_too_many_pods=0,
    )


def generated_workload(problem: GeneratedProblem) -> PlainWorkload:
    """The numbers of a generated problem; the same that `plain_workload` reads from its scenario."""
    pool, uses = problem.nodes, {"cpu_use_m": problem.cpu_use_m, "memory_use_bytes": problem.memory_use_bytes}
    return PlainWorkload(pool.count, pool.cpu_m, pool.memory_bytes, pool.pods, **uses)


def plain_workload(scenario: Scenario) -> tuple[PlainWorkload, Resources] | None:
    """The numbers of a plain scenario and what it asks for as recorded.

    None if it is not plain, or not valid: then a replay says what is wrong.
    """
    manifest, nodes = _only_manifest(scenario), scenario.nodes.only
    if manifest is None or nodes is None or not _is_placed_by_room(manifest):
        return None
    try:
        deployment = read_deployment(manifest)
        demand = _demand(deployment.source)
    except (SimArenaError, ValueError):
        return None
    if demand is None:
        return None
    workload = PlainWorkload(
        nodes.count,
        nodes.cpu_m,
        nodes.memory_bytes,
        nodes.pods,
        *_amounts(deployment.source.cpu),
        demand[0],
        *_amounts(deployment.source.memory),
        demand[1],
    )
    return (workload, deployment.resources) if _is_exact(scenario, workload, deployment.resources) else None


def _only_manifest(scenario: Scenario) -> Manifest | None:
    """The scenario's Deployment, if its trace applies that once and does nothing else, and no pod ends by itself."""
    if scenario.trace.pod_lifecycles:
        return None
    events = scenario.trace.events_within(scenario.duration_s)
    applied = [manifest for event in events for manifest in event["applied_objs"]]
    if len(applied) != 1 or any(event["deleted_objs"] for event in events):
        return None
    manifest: Manifest = applied[0]
    return manifest if scenario.workload.kind == "Deployment" and is_of(manifest, scenario.workload) else None


def _is_placed_by_room(manifest: Manifest) -> bool:
    spec = manifest.get("spec")
    template = spec.get("template") if isinstance(spec, dict) else None
    pod = template.get("spec") if isinstance(template, dict) else None
    if not isinstance(spec, dict) or not isinstance(pod, dict) or spec.get("paused"):
        return False
    if pod.get("restartPolicy", "Always") != "Always":
        return False
    if not set(spec) <= _SPEC_KEYS or not {key for key, value in pod.items() if value} <= _POD_KEYS:
        return False
    return all(
        _needs_only_room(container)
        for key in ("containers", "initContainers")
        for container in pod.get(key) or []
        if isinstance(container, dict)
    )


def _needs_only_room(container: dict[str, Any]) -> bool:
    """Whether it asks for CPU and memory only, and for no port of its node."""
    resources, ports = container.get("resources") or {}, container.get("ports") or []
    if not isinstance(resources, dict) or not isinstance(ports, list):
        return False
    named = {name for amounts in resources.values() for name in (amounts if isinstance(amounts, dict) else ())}
    takes_port = any(not isinstance(port, dict) or port.get("hostPort") for port in ports)
    return set(resources) <= {"requests", "limits"} and named <= {"cpu", "memory"} and not takes_port


def _demand(source: TemplateSource) -> tuple[int, int] | None:
    """What the edited containers use; None if other containers or a missing request have a part in the verdict."""
    uses = {
        (number, name): use
        for number, row in enumerate(source.granted)
        for name, use in zip("cm", row[3:], strict=True)
    }
    cpu, memory = (
        uses.pop((slot.index, name), 0) if slot.field == "containers" else 0
        for name, slot in (("c", source.edited.cpu), ("m", source.edited.memory))
    )
    missing = (cpu and source.cpu.own is None) or (memory and source.memory.own is None)
    return None if missing or any(uses.values()) else (cpu, memory)


def _amounts(amount: Amount) -> tuple[int, int, int]:
    return amount.beside + amount.overhead, amount.least + amount.overhead, amount.limit or 0


def _is_exact(scenario: Scenario, workload: PlainWorkload, asked: Resources) -> bool:
    amounts = (
        workload.node_cpu_m,
        workload.node_memory_bytes,
        workload.cpu_beside_m,
        workload.cpu_least_m,
        workload.cpu_limit_m,
        workload.cpu_use_m,
        workload.memory_beside_bytes,
        workload.memory_least_bytes,
        workload.memory_limit_bytes,
        workload.memory_use_bytes,
        asked.cpu_m,
        asked.memory_bytes,
    )
    return max(amounts) <= _LARGEST_AMOUNT and max(scenario.target, asked.replicas) <= _LARGEST_COUNT
