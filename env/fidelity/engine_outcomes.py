"""What a control plane decides about a scenario, in the form of a truth file (see `env.fidelity.truth`)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from env.engine.control_plane import ControlPlane
from env.engine.lots import Lots
from env.engine.manifests.objects import priority_class, read_object
from env.engine.manifests.priorities import PriorityClass
from env.engine.pods import UNBOUND, Phase, Pod
from env.engine.scheduling.nodes import read_node
from env.fidelity.truth import PRIORITY_CLASSES
from env.quantity import canonical
from env.trace.document import Manifest

# A recording waits until nothing has changed for so long, or longer where pods are pending: see `recorder.Pace`.
_QUIET_S, _PENDING_QUIET_S = 2.0, 12.0
_STEP_LIMIT_S = 180.0


def simulated_outcomes(
    nodes: list[Manifest], steps: list[list[Manifest]], draw: int | None = None
) -> list[dict[str, Any]]:
    """The outcome of each step: what a recorder would have written of the embedded control plane.

    Args:
        nodes: As in a truth file.
        steps: Of each the objects that are applied, in order.
        draw: Seed of what is chance in a cluster; None: as the engine always decides.

    Raises:
        TraceError, QuantityError: An object that the API server would refuse.
        ValueError, QuantityError: A node that is not valid.
    """
    lots = None if draw is None else Lots(np.random.default_rng(draw))
    plane = ControlPlane([read_node(node) for node in nodes], events=True, lots=lots)
    priorities = {name: PriorityClass(value) for name, value in PRIORITY_CLASSES.items()}
    outcomes = []
    for step in steps:
        for manifest in step:
            if manifest["kind"] == "PriorityClass":
                priorities |= priority_class(manifest)
                continue
            metadata = {"namespace": "default", **manifest["metadata"]}
            record = read_object({**manifest, "metadata": metadata}, priorities)
            if record is not None:
                plane.apply(record)
        plane.settle()
        _wait(plane)
        outcomes.append(outcome(plane))
    return outcomes


def _wait(plane: ControlPlane) -> None:
    """Let time pass as a recording does before it reads the outcome of a step."""
    plane.rest(_STEP_LIMIT_S, _QUIET_S)
    if any(pod.phase is Phase.PENDING for each in plane.workloads.values() for pod in each.pods()):
        plane.rest(_STEP_LIMIT_S, _PENDING_QUIET_S)
    plane.advance(plane.api.now_s + _QUIET_S)


def outcome(plane: ControlPlane) -> dict[str, Any]:
    """The state of every workload, and the distinct FailedScheduling messages so far."""
    failed = {event.message for event in plane.events if event.reason == "FailedScheduling"}
    every = ((each.ref.name, [pod for pod in each.pods() if not pod.leaving]) for each in plane.workloads.values())
    workloads = {name: _workload(plane, pods) for name, pods in every if pods}
    return {"failed_scheduling": sorted(failed), "workloads": dict(sorted(workloads.items()))}


def _workload(plane: ControlPlane, pods: list[Pod]) -> dict[str, Any]:
    names = [node.name for node in plane.api.scheduler.bound.table.nodes]
    return {
        "nodes": dict(sorted(Counter(names[pod.row] for pod in pods if pod.row != UNBOUND).items())),
        "pending": sum(pod.phase is Phase.PENDING for pod in pods),
        "ready": sum(pod.ready for pod in pods),
        "revisions": dict(sorted(Counter(map(_revision, pods)).items())),
        "succeeded": sum(pod.phase is Phase.SUCCEEDED for pod in pods),
        "total": len(pods),
    }


def _revision(pod: Pod) -> str:
    return "|".join(canonical(text) if text else "-" for text in pod.template.first_requests)
