"""The last gate: a workload that has come to rest, on virtual nodes that are as they were; see `gates.py`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from env.errors import ClusterError
from env.kube.client import KubeApi, Waiting, plain
from env.kube.paths import path_of, selector_text, within
from env.simkube import paths
from env.simkube.gates import first_of, nodes_fit, occupied, simulation_seen
from env.simkube.nodes import VirtualNode, changes
from env.simkube.pods import PodState, check_verdicts, live, owned_by, pod_state, refusal, why_undecided
from env.simkube.rest import is_rolled_out, refusal_of_pods, why_not_at_rest
from env.words import count
from env.workload import WorkloadRef

Manifest = dict[str, Any]

# What quotas and limit ranges of the trace refuse is part of the observation.
_QUOTA = re.compile(r"(exceeded|failed) quota|(usage|ratio) per (Pod|Container)")


@dataclass(frozen=True)
class WorkloadState:
    """A workload: its live Deployment, its ReplicaSets, and its live pods, oldest first."""

    deployment: Manifest
    sets: list[Manifest]
    pods: list[Manifest]

    @property
    def counts(self) -> tuple[object, ...]:
        """Equal as long as nothing has happened to any pod."""
        states = sorted((pod["metadata"]["uid"], pod_state(pod).name, refusal(pod)) for pod in self.pods)
        return (self.deployment["metadata"].get("generation"), *states)


def settling(
    workload: WorkloadRef, name: str, settle_s: float, nodes: Sequence[VirtualNode], namespaces: Collection[str]
) -> Callable[[KubeApi], WorkloadState | Waiting]:
    """A look at the workload that returns it once it is at rest, on the nodes that the replay began with.

    Args:
        workload: What is observed.
        name: The simulation.
        settle_s: Pods that are not Ready count as decided once nothing has changed for so long.
        nodes: The virtual nodes as they were.
        namespaces: Those of the replay.
    """
    steady: tuple[tuple[object, ...], float] | None = None

    def look(api: KubeApi) -> WorkloadState | Waiting:
        nonlocal steady
        simulation_seen(api, name)
        seen = workload_seen(api, workload)
        now_nodes = nodes_fit(api)  # after the pods, so that what made them wait is seen
        reason = now_nodes.seen if isinstance(now_nodes, Waiting) else why_unsettled(seen)
        if isinstance(now_nodes, Waiting) or reason is not None:
            steady = None
            return Waiting(str(reason))
        changed = changes(nodes, now_nodes)
        if changed is not None:
            raise ClusterError(f"the virtual nodes changed during the replay: {changed}")
        now = api.timer.now()
        if steady is None or steady[0] != seen.counts:
            steady = seen.counts, now
        if not is_rolled_out(seen.deployment, seen.pods) and now - steady[1] < settle_s:
            return Waiting(f"{count(len(seen.pods), 'pod')}, decided but not yet unchanged for {settle_s:.0f} s")
        refused = refusal_of_pods(seen.deployment)
        if refused and not _QUOTA.search(refused):
            raise ClusterError(f"Deployment {workload}: its pods are refused: {plain(refused)}")
        others = occupied(api, nodes, namespaces)
        if others:
            raise ClusterError(first_of(others))
        return seen

    return look


def workload_seen(api: KubeApi, workload: WorkloadRef) -> WorkloadState:
    """The workload as it is now: pods that its Deployment's ReplicaSets own.

    Raises:
        ClusterError: There is no such Deployment.
    """
    namespace = paths.virtual_namespace(workload.namespace)
    deployment = api.get(path_of(paths.DEPLOYMENTS, workload.name, namespace))
    if deployment is None:
        raise ClusterError(f"no Deployment {workload} at the end of the replay (looked for in {namespace})")
    labels = selector_text(deployment["spec"]["selector"])
    sets = owned_by(api.list(within(paths.REPLICA_SETS, namespace), labels=labels), [deployment["metadata"]["uid"]])
    pods = owned_by(api.list(within(paths.PODS, namespace), labels=labels), [o["metadata"]["uid"] for o in sets])
    return WorkloadState(deployment, sets, live(pods))


def why_unsettled(seen: WorkloadState) -> str | None:
    """Why a workload cannot be observed yet; None: it can.

    Raises:
        ClusterError: A pod is Ready against its verdict.
    """
    check_verdicts(seen.pods)
    reason = why_not_at_rest(seen.deployment, seen.sets, seen.pods)
    if reason is not None:
        refused = refusal_of_pods(seen.deployment)
        return f"{reason}; {plain(refused)}" if refused else reason
    undecided = [pod for pod in seen.pods if pod_state(pod) is PodState.UNDECIDED]
    if undecided:
        return f"{len(undecided)} of {count(len(seen.pods), 'pod')} undecided: {why_undecided(undecided[0])}"
    return None
