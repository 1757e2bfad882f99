"""Problems made from a seed: a goal that fits the nodes, and a start some wrong actions away from it.

Nodes are identical and hold nothing else, so `target` pods fit exactly when ceil(target / nodes) of them fit one node.
Requests that are part of the problem are put within one action below that edge in the goal; the number of actions
drawn is then the least that solves the problem.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from env.actions import CPU_STEP_M, GIB, MEMORY_STEP_BYTES, MIB, MIN_CPU_M, MIN_MEMORY_BYTES, Resources
from env.embedded import EmbeddedCluster
from env.errors import ScenarioError
from env.quantity import format_cpu, format_memory
from env.reward import goal
from env.scenario import NodePool, Scenario, scenario_from_trace
from env.spec_hash import spec_hash
from env.trace import Manifest, Trace
from env.trace_schema import VERSION
from env.trace_upgrade import TEMPLATE_PATHS

PROBLEMS: tuple[str, ...] = ("cpu", "memory", "replica-deficit", "combined", "over-allocation")

MAX_ACTIONS = 12
MAX_TARGET = 20
MAX_NODES = 20

_KIND = "apps/v1.Deployment"
_DEPLOY, _NAMESPACE = "web", "default"
_START_TS = 1_735_689_600  # 2025-01-01T00:00:00Z
_LENGTH_S = 60
_CPU_GRAIN_M = 50
_MEMORY_GRAIN_BYTES = 16 * MIB
_LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True)
class Problem:
    """A drawn problem: the workload as recorded, one configuration that solves it, and where it runs."""

    kind: str
    seed: int
    target: int
    nodes: NodePool
    start: Resources
    goal: Resources


def generate_scenario(problem: str | None, seed: int) -> Scenario:
    """The scenario of (problem, seed): always the same one.

    Args:
        problem: One of PROBLEMS; None draws one from the seed.
        seed: 0 to 2^63 - 1.

    Raises:
        ScenarioError: No such problem, or a seed out of range.
    """
    drawn = draw_problem(problem, seed)
    scenario = scenario_from_trace(_trace(drawn), name=f"{drawn.kind}-{seed}")
    cluster = EmbeddedCluster()
    solved = [goal(cluster.observe(scenario, asked), drawn.target) for asked in (None, drawn.goal)]
    if solved != [False, True]:
        raise ScenarioError(f"scenario {scenario.name}: the embedded cluster contradicts the generator: {solved}")
    return scenario


def generate_trace(problem: str | None, seed: int) -> Trace:
    """The trace of `generate_scenario(problem, seed)`: SimKube version 2, with the scenario in its metadata."""
    return generate_scenario(problem, seed).trace


def draw_problem(problem: str | None, seed: int) -> Problem:
    """Draw the problem of (problem, seed); see `generate_scenario`."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= _LARGEST_SEED:
        raise ScenarioError(f"seed {seed!r:.40}: must be a whole number from 0 to 2^63 - 1")
    if problem is None:
        problem = PROBLEMS[int(np.random.default_rng((len(PROBLEMS), seed)).integers(len(PROBLEMS)))]
    if problem not in PROBLEMS:
        raise ScenarioError(f"problem {problem!r:.80}: unknown; choose from {', '.join(PROBLEMS)}")
    return _draw(problem, seed, np.random.default_rng((PROBLEMS.index(problem), seed)))


def _draw(kind: str, seed: int, rng: np.random.Generator) -> Problem:
    nodes = _draw_nodes(rng)
    target = int(rng.integers(2 if kind == "replica-deficit" else 1, MAX_TARGET + 1))
    wrong = _draw_wrong_actions(kind, target, rng)
    solved = _draw_goal(target, nodes, wrong, rng)
    start = Resources(
        solved.cpu_m + wrong.get("cpu", 0) * CPU_STEP_M,
        solved.memory_bytes + wrong.get("memory", 0) * MEMORY_STEP_BYTES,
        target + wrong.get("replicas", 0),
    )
    return Problem(kind, seed, target, nodes, start, solved)


def _draw_nodes(rng: np.random.Generator) -> NodePool:
    cores = int(rng.choice((2, 4, 8, 16)))
    gib_per_core = int(rng.choice((1, 2, 4, 8)))
    count = int(rng.integers(1, MAX_NODES + 1))
    return NodePool(count, cores * 1000, min(32, max(4, cores * gib_per_core)) * GIB)


def _draw_wrong_actions(kind: str, target: int, rng: np.random.Generator) -> dict[str, int]:
    """How many actions each part of the workload is away from the goal; negative: too few replicas."""
    parts = _draw_parts(kind, rng)
    actions = int(rng.integers(len(parts), MAX_ACTIONS + 1))
    shares = 1 + rng.multinomial(actions - len(parts), [1 / len(parts)] * len(parts))
    wrong = {part: int(share) for part, share in zip(parts, shares, strict=True)}
    too_few = kind == "replica-deficit" or (kind == "combined" and target > 1 and rng.random() < 0.5)
    if too_few and "replicas" in wrong:
        wrong["replicas"] = -min(wrong["replicas"], target - 1)
    return wrong


def _draw_parts(kind: str, rng: np.random.Generator) -> list[str]:
    match kind:
        case "cpu" | "memory":
            return [kind]
        case "replica-deficit":
            return ["replicas"]
        case "combined":
            parts = [str(part) for part in rng.permutation(("cpu", "memory", "replicas"))]
            return sorted(parts[: int(rng.integers(2, 4))])
    extra = [part for part in ("cpu", "memory") if rng.random() < 0.5]
    return ["replicas", *extra]


def _draw_goal(target: int, nodes: NodePool, wrong: dict[str, int], rng: np.random.Generator) -> Resources:
    pods_per_node = -(-target // nodes.count)
    cpu_edge_m = nodes.cpu_m // pods_per_node
    memory_edge = nodes.memory_bytes // pods_per_node
    # In the goal a wrong part lies at most one action below the edge, any other part anywhere below it.
    cpu_low_m = max(MIN_CPU_M, cpu_edge_m - CPU_STEP_M + 1 if "cpu" in wrong else 0)
    memory_low = max(MIN_MEMORY_BYTES, memory_edge - MEMORY_STEP_BYTES + 1 if "memory" in wrong else 0)
    return Resources(
        _draw_multiple(_CPU_GRAIN_M, cpu_low_m, cpu_edge_m, rng),
        _draw_multiple(_MEMORY_GRAIN_BYTES, memory_low, memory_edge, rng),
        target,
    )


def _draw_multiple(grain: int, low: int, high: int, rng: np.random.Generator) -> int:
    return grain * int(rng.integers(-(-low // grain), high // grain + 1))


def _trace(problem: Problem) -> Trace:
    manifest = _manifest(problem.start)
    document = {
        "version": VERSION,
        "config": {"trackedObjects": {_KIND: {"podSpecTemplatePaths": [TEMPLATE_PATHS[_KIND]]}}},
        "events": [
            {"ts": _START_TS, "applied_objs": [manifest], "deleted_objs": []},
            {"ts": _START_TS + _LENGTH_S, "applied_objs": [], "deleted_objs": []},
        ],
        "index": {_KIND: {f"{_NAMESPACE}/{_DEPLOY}": spec_hash(manifest["spec"])}},
        "pod_lifecycles": {},
        "metadata": {"scenario": _metadata(problem)},
    }
    return Trace(document, f"{problem.kind}-{problem.seed}")


def _manifest(start: Resources) -> Manifest:
    """The workload as recorded; spec keys sorted, as SimKube writes them."""
    labels = {"app": _DEPLOY}
    requests = {"cpu": format_cpu(start.cpu_m), "memory": format_memory(start.memory_bytes)}
    container = {"image": "registry.k8s.io/pause:3.10", "name": _DEPLOY, "resources": {"requests": requests}}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": _DEPLOY, "namespace": _NAMESPACE},
        "spec": {"replicas": start.replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def _metadata(problem: Problem) -> Manifest:
    nodes = problem.nodes
    return {
        "problem": problem.kind,
        "deploy": _DEPLOY,
        "namespace": _NAMESPACE,
        "target": problem.target,
        "nodes": {
            "count": nodes.count,
            "cpu": format_cpu(nodes.cpu_m),
            "memory": format_memory(nodes.memory_bytes),
            "pods": nodes.pods,
        },
        "seed": problem.seed,
    }
