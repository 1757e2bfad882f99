"""The last gate: a workload that has come to rest, on virtual nodes that are as they were; see `gates.py`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from env.errors import ClusterError
from env.kube.client import KubeApi, Waiting, plain
from env.kube.paths import within
from env.simkube import paths
from env.simkube.gates import first_of, nodes_fit, occupied, simulation_seen
from env.simkube.neighbours import ALWAYS, Neighbour, neighbours
from env.simkube.nodes import VirtualNode, changes
from env.simkube.pods import PodState, check_verdicts, live, owned_by, pod_state, refusal, why_undecided
from env.simkube.rest import refusal_of_pods
from env.simkube.rest_of_kinds import is_rolled_out, why_not_at_rest
from env.words import count
from env.workload import WorkloadRef

Manifest = dict[str, Any]

# What quotas and limit ranges of the trace refuse is part of the observation.
_QUOTA = re.compile(r"(exceeded|failed) quota|(usage|ratio) per (Pod|Container)")


@dataclass(frozen=True)
class WorkloadState:
    """A workload: its kind and object, a Deployment's ReplicaSets, its live pods, oldest first, and all others."""

    kind: str
    own: Manifest
    sets: list[Manifest]
    pods: list[Manifest]
    others: list[Neighbour]

    @property
    def counts(self) -> tuple[object, ...]:
        """Equal as long as nothing has happened to any pod."""
        every = [*self.pods, *(pod for each in self.others for pod in each.pods)]
        states = sorted((pod["metadata"]["uid"], pod_state(pod).name, refusal(pod)) for pod in every)
        return (self.own["metadata"].get("generation"), *states)

    @property
    def rolled_out(self) -> bool:
        """Whether it can be seen that nothing is left to happen to any workload."""
        return is_rolled_out(self.kind, self.own, self.pods) and all(each.rolled_out for each in self.others)


def settling(
    workload: WorkloadRef,
    name: str,
    settle_s: float,
    nodes: Sequence[VirtualNode],
    namespaces: Collection[str],
    kinds: Collection[str],
    wanted: Collection[str],
) -> Callable[[KubeApi], WorkloadState | Waiting]:
    """A look at the workload that returns it once all workloads are at rest, on the nodes that the replay began with.

    Args:
        workload: What is observed.
        name: The simulation.
        settle_s: Pods that are not Ready count as decided once nothing has changed for so long.
        nodes: The virtual nodes as they were.
        namespaces: Those of the replay.
        kinds: The kinds of objects that the trace applies.
        wanted: Keys of taints that the scenario's own nodes have.
    """
    steady: tuple[tuple[object, ...], float] | None = None

    def look(api: KubeApi) -> WorkloadState | Waiting:
        nonlocal steady
        simulation_seen(api, name)
        seen = workload_seen(api, workload, namespaces, kinds)
        now_nodes = nodes_fit(api, wanted)  # after the pods, so that what made them wait is seen
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
        if not seen.rolled_out and now - steady[1] < settle_s:
            pods = len(seen.counts) - 1
            return Waiting(f"{count(pods, 'pod')}, decided but not yet unchanged for {settle_s:.0f} s")
        refused = refusal_of_pods(seen.own)
        if refused and not _QUOTA.search(refused):
            raise ClusterError(f"{workload.title}: its pods are refused: {plain(refused)}")
        foreign = occupied(api, nodes, namespaces)
        if foreign:
            raise ClusterError(first_of(foreign))
        return seen

    return look


def workload_seen(
    api: KubeApi, workload: WorkloadRef, namespaces: Collection[str], kinds: Collection[str]
) -> WorkloadState:
    """The workloads of the replay as they are now.

    Raises:
        ClusterError: There is no such workload.
    """
    wanted = {*ALWAYS, workload.kind, *kinds, *(["Job"] if "CronJob" in kinds else [])}
    objects: dict[str, list[Manifest]] = {
        kind: [each for namespace in sorted(namespaces) for each in api.list(within(collection, namespace))]
        for kind, collection in paths.WORKLOADS.items()
        if kind in wanted
    }
    pods = [pod for namespace in sorted(namespaces) for pod in api.list(within(paths.PODS, namespace))]
    where = paths.virtual_namespace(workload.namespace)
    place = (where, workload.name)
    own = next((each for each in objects[workload.kind] if _place(each) == place), None)
    if own is None:
        raise ClusterError(f"no {workload.title} at the end of the replay (looked for in {where})")
    uid = own["metadata"]["uid"]
    sets = owned_by(objects["ReplicaSet"], [uid])
    members = owned_by(pods, [uid, *(each["metadata"]["uid"] for each in sets)])
    return WorkloadState(workload.kind, own, sets, live(members), neighbours(objects, pods, uid))


def why_unsettled(seen: WorkloadState) -> str | None:
    """Why the workloads cannot be observed yet; None: they can.

    Raises:
        ClusterError: A pod is Ready against its verdict.
    """
    check_verdicts(seen.pods)
    reason = why_not_at_rest(seen.kind, seen.own, seen.sets, seen.pods)
    if reason is not None:
        refused = refusal_of_pods(seen.own)
        return f"{reason}; {plain(refused)}" if refused else reason
    undecided = [pod for pod in seen.pods if pod_state(pod) is PodState.UNDECIDED]
    if undecided:
        return f"{len(undecided)} of {count(len(seen.pods), 'pod')} undecided: {why_undecided(undecided[0])}"
    return next(filter(None, (each.why_unsettled() for each in seen.others)), None)


def _place(o: Manifest) -> tuple[str, str]:
    return o["metadata"].get("namespace", ""), o["metadata"]["name"]
