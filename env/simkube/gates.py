"""What must be true before the next thing may be done, looked at once; see `env.kube.client.wait`.

    cluster_free -> nodes_usable -> (create) -> driver_running -> replay_ended -> settled -> (observe, delete)

Each function reads the cluster and returns what it found, or `Waiting` with what it saw instead. What can only get
worse (a simulation that failed) is raised as ClusterError at once.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from env.errors import ClusterError
from env.kube.client import KubeApi, Waiting, plain
from env.kube.paths import path_of, selector_text, within
from env.simkube import paths
from env.simkube.nodes import Defect, VirtualNode, changes, defects, occupants, read_node
from env.simkube.pods import PodState, check_verdicts, live, owned_by, pod_state, refusal, why_undecided
from env.simkube.rest import is_rolled_out, refusal_of_pods, why_not_at_rest
from env.simkube.traces import END_MARKER
from env.words import count
from env.workload import WorkloadRef

Manifest = dict[str, Any]

_OVER = ("Finished", "Failed")
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


def nodes_usable(api: KubeApi, namespaces: Collection[str]) -> list[VirtualNode] | Waiting:
    """The virtual nodes, once there are some, all of them can take pods, and none has any but those of the replay.

    Args:
        api: The cluster.
        namespaces: Those of the replay.

    Raises:
        ClusterError: A node cannot, and will not by itself.
    """
    nodes = nodes_fit(api)
    if isinstance(nodes, Waiting):
        return nodes
    found = _occupants(api, nodes, namespaces)
    return _waiting_for(found) or nodes


def nodes_fit(api: KubeApi) -> list[VirtualNode] | Waiting:
    """The virtual nodes, whatever runs on them, once there are some and all of them can take pods.

    Raises:
        ClusterError: A node cannot, and will not by itself.
    """
    found = api.list(paths.NODES, labels=paths.VIRTUAL_NODES)
    if not found:
        return Waiting(f"no node labelled {paths.VIRTUAL_NODES}")
    seen = [defect for node in found for defect in itertools.islice(defects(node), 1)]
    return _waiting_for(seen) or [read_node(node) for node in found]


def _occupants(api: KubeApi, nodes: Sequence[VirtualNode], namespaces: Collection[str]) -> list[Defect]:
    return occupants({node.name for node in nodes}, api.list(paths.PODS), namespaces)


def _waiting_for(found: Sequence[Defect]) -> Waiting | None:
    """None if nothing was found; ClusterError if something was that stays."""
    lasting = [defect for defect in found if not defect.passing]
    if lasting:
        raise ClusterError(_first(lasting))
    return Waiting(_first(found)) if found else None


def _first(found: Sequence[Defect]) -> str:
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{found[0].said}{more}; {found[0].mend}"


def driver_image(api: KubeApi) -> str:
    """The sk-driver image of the same version as the cluster's sk-ctrl.

    Raises:
        ClusterError: There is no sk-ctrl, or its image has another name or no tag to go by.
    """
    found = api.list(within(paths.DEPLOYMENTS, paths.CONTROLLER_NAMESPACE), labels=paths.CONTROLLER_LABEL)
    containers = [c for o in found for c in o["spec"]["template"]["spec"]["containers"]]
    images = [str(c.get("image")) for c in containers if "sk-ctrl" in str(c.get("image")).rpartition("/")[2]]
    if not images:
        raise ClusterError(
            f"no sk-ctrl Deployment in namespace {paths.CONTROLLER_NAMESPACE}: install SimKube, or name the driver's "
            "image with the setting driver_image"
        )
    folder, slash, name = images[0].rpartition("/")
    name, digest, _ = name.partition("@")  # that of sk-ctrl is not sk-driver's
    if digest and ":" not in name:
        raise ClusterError(
            f"sk-ctrl's image {plain(images[0], 200)} is known by its digest only: name the driver's image of the same "
            "version with the setting driver_image"
        )
    return folder + slash + name.replace("sk-ctrl", "sk-driver", 1)


def cluster_free(api: KubeApi, before: str | None, namespaces: Collection[str]) -> Waiting | None:
    """Whether no simulation holds the cluster and nothing of an earlier one is left.

    Args:
        api: The cluster.
        before: The simulation of ours that was deleted last.
        namespaces: Those that the next replay will use.
    """
    if before is not None and isinstance(going := simulation_gone(api, before), Waiting):
        return going
    holder = lease_holder(api)
    if holder is not None:
        return Waiting(
            f"simulation {holder} holds the cluster, and one runs at a time; is it a leftover? see: sim-arena doctor"
        )
    for namespace in api.list(paths.NAMESPACES):
        metadata = namespace["metadata"]
        virtual = (metadata.get("labels") or {}).get(paths.VIRTUAL_LABEL) == "true"
        if virtual or metadata["name"] in namespaces:
            phase = (namespace.get("status") or {}).get("phase")
            return Waiting(f"namespace {metadata['name']} of an earlier simulation is {phase}")
    return None


def simulation_gone(api: KubeApi, name: str) -> Waiting | None:
    """Whether a simulation of ours that was deleted is gone; it is deleted again if it is still whole."""
    left = api.get(path_of(paths.SIMULATIONS, name))
    if left is None:
        return None
    if "deletionTimestamp" not in left["metadata"]:
        api.delete(path_of(paths.SIMULATIONS, name))
    return Waiting(f"simulation {name} is being deleted")


def lease_holder(api: KubeApi) -> str | None:
    """The simulation that holds SimKube's lease; None: it is free."""
    lease = api.get(path_of(paths.LEASES, paths.LEASE, paths.CONTROLLER_NAMESPACE))
    return ((lease or {}).get("spec") or {}).get("holderIdentity") or None


def driver_running(api: KubeApi, name: str) -> Waiting | None:
    """Whether the driver's pod runs. That the Simulation says `Running` means only that the Job exists."""
    state = simulation_state(api, name)
    pods = api.list(within(paths.PODS, paths.CONTROLLER_NAMESPACE), labels=f"job-name={paths.driver_job(name)}")
    if any((pod.get("status") or {}).get("phase") in ("Running", "Succeeded") for pod in pods):
        return None
    if state == "Blocked":
        return Waiting(f"the simulation is Blocked by {lease_holder(api) or 'another one'}")
    about = f"the simulation is {state or 'not yet seen by sk-ctrl'}"
    if pods:
        return Waiting(f"{about}; {why_undecided(pods[0])}{_last_event(api, pods[0]['metadata']['name'])}")
    return Waiting(f"{about}, no driver pod{_last_event(api, paths.driver_job(name)) or _last_event(api, name)}")


def replay_ended(api: KubeApi, name: str, workload: WorkloadRef) -> Waiting | None:
    """Whether the driver has applied the whole trace, which ends with a marker."""
    namespace = paths.virtual_namespace(workload.namespace)
    if api.get(path_of(paths.CONFIG_MAPS, END_MARKER, namespace)) is not None:
        return None
    state = simulation_state(api, name)
    if api.get(path_of(paths.NAMESPACES, namespace)) is None:
        return Waiting(f"the simulation is {state}, no namespace {namespace}")
    there = api.get(path_of(paths.DEPLOYMENTS, workload.name, namespace)) is not None
    return Waiting(f"the simulation is {state}, Deployment {workload} {'exists' if there else 'does not exist yet'}")


def simulation_state(api: KubeApi, name: str) -> str:
    """The Simulation's state, empty before the first.

    Raises:
        ClusterError: It failed, ended, or was deleted by another client.
    """
    simulation = api.get(path_of(paths.SIMULATIONS, name))
    if simulation is None or "deletionTimestamp" in simulation["metadata"]:
        raise ClusterError(f"simulation {name}: another client has deleted it")
    state = str((simulation.get("status") or {}).get("state") or "")
    if state in _OVER:
        why = _driver_end(api, name) or _last_event(api, name)
        raise ClusterError(f"simulation {name}: {state} before its workload could be observed{why}")
    return state


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
        simulation_state(api, name)
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
        others = _occupants(api, nodes, namespaces)
        if others:
            raise ClusterError(_first(others))
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


def _driver_end(api: KubeApi, name: str) -> str:
    """How the driver's container ended, where it did."""
    job = paths.driver_job(name)
    for pod in api.list(within(paths.PODS, paths.CONTROLLER_NAMESPACE), labels=f"job-name={job}"):
        for container in (pod.get("status") or {}).get("containerStatuses") or ():
            ended = (container.get("state") or {}).get("terminated")
            if ended:
                message = " ".join(str(ended.get(k)) for k in ("reason", "message") if ended.get(k))
                logs = f"kubectl -n {paths.CONTROLLER_NAMESPACE} logs {pod['metadata']['name']}"
                return f": the driver ended with exit code {ended.get('exitCode')} {plain(message)} (see: {logs})"
    return ""


def _last_event(api: KubeApi, name: str) -> str:
    """The newest event about an object, as the end of a message."""
    events = api.list(paths.EVENTS, fields=f"involvedObject.name={name}")
    if not events:
        return ""
    newest = max(events, key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime") or ""))
    return f"; {plain(newest.get('reason'))}: {plain(newest.get('message'))}"
