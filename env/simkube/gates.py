"""What must be true before the next thing may be done, looked at once; see `env.kube.client.wait`.

    nodes_ready -> cluster_free -> (create) -> driver_running -> replay_ended -> settled -> (observe, delete)

Each function reads the cluster and returns what it found, or `Waiting` with what it saw instead. What can only get
worse (a simulation that failed) is raised as ClusterError at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from env.errors import ClusterError
from env.kube.client import KubeApi, Waiting, plain
from env.kube.paths import path_of, selector_text, within
from env.simkube import paths
from env.simkube.pods import (
    PodState,
    VirtualNode,
    check_verdicts,
    live,
    owned_by,
    pod_state,
    read_node,
    refusal,
    why_undecided,
)
from env.simkube.traces import END_MARKER
from env.words import count
from env.workload import WorkloadRef

Manifest = dict[str, Any]

_OVER = ("Finished", "Failed")


@dataclass(frozen=True)
class WorkloadState:
    """A workload: its live Deployment, and its live pods, oldest first."""

    deployment: Manifest
    pods: list[Manifest]

    @property
    def counts(self) -> tuple[object, ...]:
        """Equal as long as nothing has happened to any pod."""
        states = sorted((pod["metadata"]["uid"], pod_state(pod).name, refusal(pod)) for pod in self.pods)
        return (self.deployment["metadata"].get("generation"), *states)

    @property
    def rolled_out(self) -> bool:
        """Whether every pod that is asked for is of the newest revision and Ready; then nothing is left to happen."""
        wanted = self.deployment["spec"].get("replicas", 1)
        updated = (self.deployment.get("status") or {}).get("updatedReplicas", 0)
        return updated == wanted == len(self.pods) and all(pod_state(pod) is PodState.READY for pod in self.pods)


def nodes_ready(api: KubeApi) -> list[VirtualNode] | Waiting:
    """The virtual nodes, once there are some and all of them are Ready."""
    nodes = [read_node(node) for node in api.list(paths.NODES, labels=paths.VIRTUAL_NODES)]
    if not nodes:
        return Waiting(f"no node labelled {paths.VIRTUAL_NODES}")
    unready = sorted(node.name for node in nodes if not node.ready)
    if unready:
        return Waiting(
            f"{len(unready)} of {len(nodes)} virtual nodes are not Ready, {unready[0]} first; is KWOK running?"
        )
    return nodes


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


def settling(workload: WorkloadRef, name: str, settle_s: float) -> Callable[[KubeApi], WorkloadState | Waiting]:
    """A look at the workload that returns it once every pod is decided and nothing has changed for `settle_s`."""
    steady: tuple[tuple[object, ...], float] | None = None

    def look(api: KubeApi) -> WorkloadState | Waiting:
        nonlocal steady
        simulation_state(api, name)
        seen = workload_seen(api, workload)
        reason = why_unsettled(seen)
        if reason is not None:
            steady = None
            return Waiting(reason)
        if seen.rolled_out:
            return seen
        now = api.timer.now()
        if steady is None or steady[0] != seen.counts:
            steady = seen.counts, now
        if now - steady[1] >= settle_s:
            return seen
        return Waiting(f"{count(len(seen.pods), 'pod')}, decided but not yet unchanged for {settle_s:.0f} s")

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
    return WorkloadState(deployment, live(pods))


def why_unsettled(seen: WorkloadState) -> str | None:
    """Why a workload cannot be observed yet; None: it can.

    Raises:
        ClusterError: A pod is Ready against its verdict.
    """
    metadata, status = seen.deployment["metadata"], seen.deployment.get("status") or {}
    wanted = seen.deployment["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < metadata.get("generation", 1):
        return f"the Deployment controller has seen generation {status.get('observedGeneration', 0)} of "\
               f"{metadata.get('generation', 1)}"  # fmt: skip
    counted = status.get("replicas", 0)
    paused = bool(seen.deployment["spec"].get("paused"))  # then none are made for a new template
    if counted != len(seen.pods) or (counted < wanted and not paused):
        return (
            f"{count(len(seen.pods), 'pod')}, the Deployment counts {counted} and asks for {wanted}{_failure(status)}"
        )
    check_verdicts(seen.pods)
    undecided = [pod for pod in seen.pods if pod_state(pod) is PodState.UNDECIDED]
    if undecided:
        return f"{len(undecided)} of {count(wanted, 'pod')} undecided: {why_undecided(undecided[0])}"
    return None


def _failure(status: Manifest) -> str:
    failed = (c for c in status.get("conditions") or () if c.get("type") == "ReplicaFailure")
    return "".join(f"; {plain(c.get('message'))}" for c in failed)


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
