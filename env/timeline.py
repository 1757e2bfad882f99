"""A trace read once into the steps that a replay performs."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from env.errors import SimArenaError
from env.scheduler import Toleration
from env.trace import Manifest, Trace, WorkloadRef, is_deployment, workload_ref
from env.workload import Asked, Deployment, read_deployment

logger = logging.getLogger("env.embedded")

VIRTUAL_LABEL = ("type", "virtual")
VIRTUAL_TAINT_KEY = "kwok-provider"
_VIRTUAL_TOLERATION = Toleration(VIRTUAL_TAINT_KEY, "Exists", effect="NoSchedule")


@dataclass(frozen=True)
class Step:
    """One event: Deployments applied in order, then those deleted.

    Attributes:
        ts: Unix seconds.
        applied: Each Deployment as read, and what it asks for unedited.
        deleted: Deployments that go.
    """

    ts: int
    applied: tuple[tuple[Deployment, Asked], ...]
    deleted: tuple[WorkloadRef, ...]


def read_timeline(trace: Trace) -> tuple[Step, ...]:
    """Read every event; what the embedded cluster does not simulate is logged, once per trace, by name.

    Raises:
        TraceError, QuantityError: A Deployment that the API server would refuse.
    """
    try:
        steps = tuple(_step(event) for event in trace.events)
    except SimArenaError as error:
        raise type(error)(f"trace {trace.name}: {error}") from error
    unsimulated = _unsimulated(trace, steps)
    if unsimulated:
        logger.warning("trace %s: not simulated: %s", trace.name, "; ".join(unsimulated))
    return steps


def _step(event: Manifest) -> Step:
    applied = [_on_virtual_nodes(read_deployment(m)) for m in event["applied_objs"] if is_deployment(m)]
    return Step(
        ts=event["ts"],
        applied=tuple((deployment, deployment.asked()) for deployment in applied),
        deleted=tuple(workload_ref(m) for m in event["deleted_objs"] if is_deployment(m)),
    )


def _on_virtual_nodes(deployment: Deployment) -> Deployment:
    """What SimKube's driver adds to every tracked object: it may run on virtual nodes and nowhere else."""
    selector = {**dict(deployment.node_selector), VIRTUAL_LABEL[0]: VIRTUAL_LABEL[1]}
    tolerations = (*deployment.tolerations, _VIRTUAL_TOLERATION)
    return replace(deployment, node_selector=tuple(selector.items()), tolerations=tolerations)


def _unsimulated(trace: Trace, steps: tuple[Step, ...]) -> list[str]:
    others = (m for event in trace.events for m in event["applied_objs"] if not is_deployment(m))
    fields = (
        f"{field} of Deployment {deployment.ref}"
        for step in steps
        for deployment, _ in step.applied
        for field in deployment.unsimulated
    )
    return [*dict.fromkeys(f"{m['kind']} {workload_ref(m)}" for m in others), *dict.fromkeys(fields)]
