"""Problems made from a seed, as scenarios and as traces; `env.problems.draw` has their numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache

from env.demand import DEMAND_ANNOTATION
from env.errors import ScenarioError
from env.plugins import Plugin, find
from env.problems.draw import PROBLEMS, draw, draw_kind
from env.problems.nodes import NodePool
from env.problems.rooms.kinds import NAMES
from env.problems.scenario import Scenario, scenario_from_trace
from env.quantity import format_cpu, format_memory
from env.trace.document import Manifest, Trace
from env.trace.schema import VERSION
from env.trace.spec_hash import spec_hash
from env.trace.upgrade import TEMPLATE_PATHS
from env.workload import Resources

_LARGEST_SEED = 2**63 - 1
_KIND = "apps/v1.Deployment"
_DEPLOY, _NAMESPACE = "web", "default"
_START_TS = 1_735_689_600  # 2025-01-01T00:00:00Z
_LENGTH_S = 60


@dataclass(frozen=True)
class GeneratedProblem:
    """A drawn problem: the workload as recorded, one configuration that solves it, and where it runs.

    Attributes:
        kind: One of PROBLEMS.
        seed: What it was drawn from.
        target: Pods that should be ready.
        nodes: The cluster.
        start: What the workload asks for as recorded.
        goal: The nearest configuration that solves it.
        cpu_use_m: CPU that a pod uses, millicores; 0: it runs with any request.
        memory_use_bytes: The same for memory.
        least_actions: Actions from start to goal; fewer do not solve it.
    """

    kind: str
    seed: int
    target: int
    nodes: NodePool
    start: Resources
    goal: Resources
    cpu_use_m: int
    memory_use_bytes: int
    least_actions: int

    @property
    def name(self) -> str:
        """Kind and seed."""
        return f"{self.kind}-{self.seed}"


def generate_scenario(problem: str | None, seed: int) -> Scenario:
    """The scenario of (problem, seed): always the same one.

    Args:
        problem: One of PROBLEMS, or a kind that an installed package adds; None draws one of PROBLEMS from the seed.
        seed: 0 to 2^63 - 1.

    Raises:
        ConfigError: No such problem, or its package cannot be imported.
        ScenarioError: A seed out of range, or a package's function that makes no scenario.
    """
    plugin = None if problem is None else problem_plugin(problem)
    if problem is None or plugin is None:
        return problem_scenario(draw_problem(problem, seed))
    check_seed(seed)
    scenario = plugin.function(seed)
    if not isinstance(scenario, Scenario):
        raise ScenarioError(
            f"problem {problem!r} of package {plugin.origin}: made a {type(scenario).__name__} of seed {seed}; must be "
            "an env.problems.scenario.Scenario"
        )
    return replace(scenario, name=f"{problem}-{seed}", problem=problem)


@cache
def problem_plugin(problem: str) -> Plugin | None:
    """The package's function of this kind of problems; None for one of our own, rooms included.

    Raises:
        ConfigError: No such kind, or its package cannot be imported.
    """
    return find("problem", problem, NAMES)


def problem_scenario(problem: GeneratedProblem) -> Scenario:
    """The scenario of a drawn problem, with its trace."""
    return scenario_from_trace(_trace(problem), name=problem.name)


def draw_problem(problem: str | None, seed: int) -> GeneratedProblem:
    """Draw the problem of (problem, seed), where it is one of PROBLEMS; see `generate_scenario`."""
    check_seed(seed)
    if problem is not None and problem not in PROBLEMS:
        raise ScenarioError(f"problem {problem!r:.80}: unknown; choose from {', '.join(PROBLEMS)}")
    drawn = draw(draw_kind(seed) if problem is None else PROBLEMS.index(problem), seed)
    return GeneratedProblem(
        kind=PROBLEMS[drawn.kind],
        seed=seed,
        target=drawn.target,
        nodes=NodePool(drawn.nodes, drawn.node_cpu_m, drawn.node_memory_bytes),
        start=Resources(drawn.cpu_m, drawn.memory_bytes, drawn.replicas),
        goal=Resources(drawn.goal_cpu_m, drawn.goal_memory_bytes, drawn.target),
        cpu_use_m=drawn.cpu_use_m,
        memory_use_bytes=drawn.memory_use_bytes,
        least_actions=drawn.least_actions,
    )


def check_seed(seed: object) -> None:
    """ScenarioError unless it is a whole number from 0 to 2^63 - 1."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= _LARGEST_SEED:
        raise ScenarioError(f"seed {seed!r:.40}: must be a whole number from 0 to 2^63 - 1")


def _trace(problem: GeneratedProblem) -> Trace:
    manifest = _manifest(problem)
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
    return Trace(document, problem.name)


def _manifest(problem: GeneratedProblem) -> Manifest:
    """The workload as recorded; keys sorted, as SimKube writes them."""
    labels, start = {"app": _DEPLOY}, problem.start
    requests = {"cpu": format_cpu(start.cpu_m), "memory": format_memory(start.memory_bytes)}
    container = {"image": "registry.k8s.io/pause:3.10", "name": _DEPLOY, "resources": {"requests": requests}}
    template = {"metadata": {**_annotations(problem), "labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": _DEPLOY, "namespace": _NAMESPACE},
        "spec": {"replicas": start.replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def _annotations(problem: GeneratedProblem) -> Manifest:
    uses = {
        **({"cpu": format_cpu(problem.cpu_use_m)} if problem.cpu_use_m else {}),
        **({"memory": format_memory(problem.memory_use_bytes)} if problem.memory_use_bytes else {}),
    }
    return {"annotations": {DEMAND_ANNOTATION: json.dumps({_DEPLOY: uses})}} if uses else {}


def _metadata(problem: GeneratedProblem) -> Manifest:
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
        "least_actions": problem.least_actions,
    }
