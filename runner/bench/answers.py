"""How long `sim-arena suggest` takes for many workloads: a made-up cluster of which every tenth workload fails."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from agents.kinds import make_agent
from env.problems.nodes import NodePool, NodePools
from env.problems.philox import below, philox
from env.quantity import GIB
from env.trace.document import Manifest, Trace
from env.trace.upgrade import upgraded
from runner.suggest.answer import Question, answer

NODE = NodePool(1, 8_000, 32 * GIB, 110)
_CPU = ("50m", "100m", "250m", "500m", "1")
_TOO_MUCH = ("9", "12", "20")  # more than a node has
_MEMORY = ("64Mi", "128Mi", "512Mi", "1Gi", "2Gi")
_FAILING = 10  # of so many workloads one fails


@dataclass(frozen=True)
class Answered:
    """One answer, measured.

    Attributes:
        workloads, pods, nodes: What was asked about.
        failing: Workloads that were not whole.
        staying: Those that are not whole with all proposals either.
        cpu_s: Processor time, after the compiler is warm.
    """

    workloads: int
    pods: int
    nodes: int
    failing: int
    staying: int
    cpu_s: float


def measure(workloads: int, nodes: int) -> Answered:
    """Answer about so many workloads once, on nodes of 8 CPU and 32Gi."""
    answer(_question(_FAILING, 1), make_agent("heuristic", seed=0), 100)
    question = _question(workloads, nodes)
    start = time.process_time()
    found = answer(question, make_agent("heuristic", seed=0), 100)
    cpu_s = time.process_time() - start
    pods = sum(row.before.wanted for row in found.rows)
    return Answered(workloads, pods, nodes, len(found.failing), len(found.staying), cpu_s)


def _question(workloads: int, nodes: int) -> Question:
    event = {"ts": 0, "applied_objs": [_manifest(each) for each in range(workloads)], "deleted_objs": []}
    trace = Trace(upgraded({"version": 1, "events": [event], "metadata": {}}), "made up")
    return Question(trace, NodePools((NodePool(nodes, NODE.cpu_m, NODE.memory_bytes, NODE.pods),)))


def _manifest(number: int) -> Manifest:
    first, second, third, _ = philox(0, 0, number)
    cpu = _TOO_MUCH[below(first, 3)] if number % _FAILING == _FAILING // 2 else _CPU[below(first, 5)]
    requests = {"cpu": cpu, "memory": _MEMORY[below(second, 5)]}
    labels = {"app": f"web-{number}"}
    pod: dict[str, Any] = {"containers": [{"name": "main", "image": "web", "resources": {"requests": requests}}]}
    spec = {"replicas": 1 + below(third, 4), "selector": {"matchLabels": labels}}
    spec["template"] = {"metadata": {"labels": labels}, "spec": pod}
    metadata = {"name": f"web-{number}", "namespace": f"team-{number % 20}"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
