"""What must be true before the next thing may be done, looked at once; see `env.kube.client.wait`.

    cluster_free -> nodes_usable -> (create) -> driver_running -> replay_ended -> settling -> (observe, delete)

Each function reads the cluster and returns what it found, or `Waiting` with what it saw instead. What can only get
worse (a simulation that failed) is raised as ClusterError at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from env.errors import ClusterError
from env.kube.client import KubeApi, KubeError, Waiting, plain
from env.kube.paths import path_of, within
from env.simkube import paths
from env.simkube.driver import driver_pods, how_it_ended
from env.simkube.nodes import Defect, VirtualNode, defects, occupants, read_node
from env.simkube.pods import why_undecided
from env.simkube.traces import END_MARKER
from env.workload import WorkloadRef

Manifest = dict[str, Any]

_OVER = ("Finished", "Failed")


def nodes_usable(
    api: KubeApi, namespaces: Collection[str], wanted: Collection[str] = ()
) -> list[VirtualNode] | Waiting:
    """The virtual nodes, once there are some, all of them can take pods, and none has any but those of the replay.

    Args:
        api: The cluster.
        namespaces: Those of the replay.
        wanted: Keys of taints that the scenario's own nodes have.

    Raises:
        ClusterError: A node cannot, and will not by itself.
    """
    nodes = nodes_fit(api, wanted)
    if isinstance(nodes, Waiting):
        return nodes
    found = occupied(api, nodes, namespaces)
    return _waiting_for(found) or nodes


def nodes_fit(api: KubeApi, wanted: Collection[str] = ()) -> list[VirtualNode] | Waiting:
    """The virtual nodes, whatever runs on them, once there are some and all of them can take pods.

    Raises:
        ClusterError: A node cannot, and will not by itself.
    """
    found = api.list(paths.NODES, labels=paths.VIRTUAL_NODES)
    if not found:
        return Waiting(f"no node labelled {paths.VIRTUAL_NODES}")
    seen = [defect for node in found for defect in itertools.islice(defects(node, wanted), 1)]
    return _waiting_for(seen) or [read_node(node) for node in found]


def occupied(api: KubeApi, nodes: Sequence[VirtualNode], namespaces: Collection[str]) -> list[Defect]:
    """Pods on virtual nodes that are not of the replay's namespaces."""
    return occupants({node.name for node in nodes}, api.list(paths.PODS), namespaces)


def _waiting_for(found: Sequence[Defect]) -> Waiting | None:
    """None if nothing was found; ClusterError if something was that stays."""
    lasting = [defect for defect in found if not defect.passing]
    if lasting:
        raise ClusterError(first_of(lasting))
    return Waiting(first_of(found)) if found else None


def first_of(found: Sequence[Defect]) -> str:
    """The first defect, and how many more there are."""
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{found[0].said}{more}; {found[0].mend}"


def check_priorities(api: KubeApi, classes: Mapping[str, Manifest]) -> None:
    """Refuse a cluster whose PriorityClasses are not those of the trace; where it lets us look.

    Raises:
        ClusterError: One is missing, or has another value or policy.
    """
    for name, wanted in classes.items():
        try:
            found = api.get(path_of(paths.PRIORITY_CLASSES, name))
        except KubeError as error:
            if error.status != 403:
                raise
            continue  # then pods are refused if it is missing
        policy = wanted.get("preemptionPolicy") or "PreemptLowerPriority"
        asked = (wanted.get("value"), policy)
        if found is None or (found.get("value"), found.get("preemptionPolicy") or "PreemptLowerPriority") != asked:
            state = "not in the cluster" if found is None else "another one in the cluster"
            mend = f"kubectl create priorityclass {name} --value={wanted.get('value')} --preemption-policy={policy}"
            raise ClusterError(f"PriorityClass {name} of the trace is {state}: {mend}")


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


def cluster_free(
    api: KubeApi, before: str | None, namespaces: Collection[str], wanted: Collection[str] = ()
) -> Waiting | None:
    """Whether no simulation holds the cluster and nothing of an earlier one is left.

    Args:
        api: The cluster.
        before: The simulation of ours that was deleted last.
        namespaces: Those that the next replay will use.
        wanted: Keys of taints that the scenario's own nodes have.

    Raises:
        ClusterError: It is not, and a virtual node cannot take pods anyway.
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
            nodes = nodes_fit(api, wanted)  # without KWOK the pods on its nodes never end
            why = f"; {nodes.seen}" if isinstance(nodes, Waiting) else ""
            return Waiting(f"namespace {metadata['name']} of an earlier simulation is {phase}{why}")
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
    """Whether the driver's pod runs. That the Simulation says `Running` means only that the Job exists.

    As long as there is none, sk-ctrl is woken: see `_wake`.
    """
    simulation = simulation_seen(api, name)
    state = state_of(simulation)
    pods = driver_pods(api, name)
    if any((pod.get("status") or {}).get("phase") in ("Running", "Succeeded") for pod in pods):
        return None
    if not pods and state != "Running":
        _wake(api, simulation)
    if state == "Blocked":
        return Waiting(f"the simulation is Blocked by {lease_holder(api) or 'another one'}")
    about = f"the simulation is {state or 'not yet seen by sk-ctrl'}"
    if pods:
        return Waiting(f"{about}; {why_undecided(pods[0])}{_last_event(api, pods[0]['metadata']['name'])}")
    return Waiting(f"{about}, no driver pod{_last_event(api, paths.driver_job(name)) or _last_event(api, name)}")


def _wake(api: KubeApi, simulation: Manifest) -> None:
    """Let sk-ctrl look at a simulation now: a duration of a second more, or less again, is a new generation.

    What it has seen of a simulation, it has seen for good. It sleeps twice for 5 s while it waits for the certificate,
    30 s after a conflict, and the whole duration of another simulation that held the lease. After its own restart it
    does not look at a generation that it had seen.
    """
    seconds = int(simulation["spec"]["duration"].removesuffix("s"))
    changed = seconds + 1 if seconds % 2 == 0 else seconds - 1
    path = path_of(paths.SIMULATIONS, simulation["metadata"]["name"])
    api.patch(path, {"spec": {"duration": f"{changed}s"}})


def replay_ended(api: KubeApi, name: str, workload: WorkloadRef) -> Waiting | None:
    """Whether the driver has applied the whole trace, which ends with a marker."""
    namespace = paths.virtual_namespace(workload.namespace)
    if api.get(path_of(paths.CONFIG_MAPS, END_MARKER, namespace)) is not None:
        return None
    state = state_of(simulation_seen(api, name))
    if api.get(path_of(paths.NAMESPACES, namespace)) is None:
        return Waiting(f"the simulation is {state}, no namespace {namespace}")
    there = api.get(path_of(paths.WORKLOADS[workload.kind], workload.name, namespace)) is not None
    return Waiting(f"the simulation is {state}, {workload.title} {'exists' if there else 'does not exist yet'}")


def simulation_seen(api: KubeApi, name: str) -> Manifest:
    """The Simulation, which goes on.

    Raises:
        ClusterError: It failed, ended, or was deleted by another client.
    """
    simulation = api.get(path_of(paths.SIMULATIONS, name))
    if simulation is None or "deletionTimestamp" in simulation["metadata"]:
        raise ClusterError(f"simulation {name}: another client has deleted it")
    state = state_of(simulation)
    if state in _OVER:
        why = how_it_ended(api, name) or _last_event(api, name)
        raise ClusterError(f"simulation {name}: {state} before its workload could be observed{why}")
    return simulation


def state_of(simulation: Manifest) -> str:
    """What sk-ctrl says of it; empty before it has."""
    return str((simulation.get("status") or {}).get("state") or "")


def _last_event(api: KubeApi, name: str) -> str:
    """The newest event about an object, as the end of a message."""
    events = api.list(paths.EVENTS, fields=f"involvedObject.name={name}")
    if not events:
        return ""
    newest = max(events, key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime") or ""))
    return f"; {plain(newest.get('reason'))}: {plain(newest.get('message'))}"
