"""What plays sk-ctrl, the driver, controllers, scheduler and kubelets around an API server, as a client of it.

A `World` looks at the API server and acts, once a `turn`, as SimKube on a cluster with KWOK would: it sees that
Simulations get drivers, that traces are replayed, that Deployments get pods and that pods get a fate. What it decides
(how many pods find room) is what the embedded cluster decides on the same trace and nodes. It works on `FakeApi` and
on a real API server alike; where a real one has a controller-manager and a scheduler, it leaves their work to them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from server import MADE, SERVICE_ACCOUNTS, Surroundings, end_namespace, ensure, request, until
from sk_ctrl import SkCtrl, owner

from env.demand import Shortage
from env.embedded.cluster import EmbeddedCluster
from env.engine.manifests.labels import HOSTNAME
from env.kube.client import KubeApi, KubeError
from env.kube.paths import path_of, within
from env.observation import Observation
from env.problems.nodes import NodePool, NodePools
from env.problems.scenario import scenario_from_trace
from env.quantity import format_cpu, format_memory
from env.simkube import paths
from env.simkube.pods import PodState, owned_by, pod_state, shortage_of
from env.simkube.traces import END_MARKER
from env.trace.document import Trace, read_trace
from env.workload import WorkloadRef

Manifest = dict[str, Any]

_BEAT_S = 5.0  # the node controller gives up on a kubelet after 40 s


@dataclass
class Run:
    """A simulation that is being replayed."""

    name: str
    stage: int = 0
    refusals: int = 0
    trace: Trace | None = None
    outcomes: dict[WorkloadRef, Observation] = field(default_factory=dict)


class World:
    """Everything around the API server.

    Args:
        api: The API server.
        read: What a driver finds under a trace's URL.
        pool: The virtual nodes.
        around: What acts on the server besides.
        print_: Takes a driver's pod and its log.

    Attributes:
        until: The last of the stages `driver`, `running`, `applied`, `pods`, `fates` that is played.
        driver_status: The driver pod's status instead of Running.
        driver_log: What the driver prints, on a `FakeApi`.
        kwok_knows_verdicts: Whether KWOK has the project's Stages.
        room_after: So many turns the scheduler finds no room for any pod.
        turns: Turns so far.
        at: Seconds on its clock.
        ctrl: SimKube's controller.
    """

    def __init__(
        self,
        api: KubeApi,
        read: Callable[[str], bytes],
        pool: NodePool,
        around: Surroundings | None = None,
        print_: Callable[[str, str], None] = lambda pod, log: None,
    ) -> None:
        self.api = api
        self.print = print_
        self.read = read
        self.pool = pool
        self.around = around or Surroundings()
        self.until = "fates"
        self.driver_status: Manifest = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        self.driver_log = ""
        self.kwok_knows_verdicts = True
        self.room_after = 0
        self.turns = 0
        self.at = 0.0
        self.ctrl = SkCtrl(api, lambda: self.at)
        self._runs: dict[str, Run] = {}
        self._made: list[str] = []
        self._beaten_s = float("-inf")

    def set_up(self) -> None:
        """SimKube's controller and the virtual nodes."""
        self._make(paths.NAMESPACES, {"metadata": {"name": paths.CONTROLLER_NAMESPACE}})
        self._make_service_account(paths.CONTROLLER_NAMESPACE)
        self._make(within(paths.DEPLOYMENTS, paths.CONTROLLER_NAMESPACE), controller())
        for number in range(1, self.pool.count + 1):
            self._make(paths.NODES, node(f"virtual-{number}"))
        self._beat()
        if self.around.controllers:  # one of them takes away the taint of nodes that are not Ready
            until("nodes without a taint", lambda: all(o["spec"]["taints"] == [TAINT] for o in self._nodes()))

    def tear_down(self) -> None:
        """Take away all that was set up, on a server that others use too."""
        for name in list(self._runs):
            self.api.delete(path_of(paths.SIMULATIONS, name))
        until("the end of all simulations", lambda: not self.rest(1))
        for path in reversed(self._made):
            self.api.delete(path)
        until("the end of all nodes", lambda: not self._nodes())

    def turn(self) -> None:
        """Every controller acts once."""
        self.turns += 1
        if self.around.real and time.monotonic() - self._beaten_s > _BEAT_S:
            self._beat()
        simulations = {o["metadata"]["name"]: o for o in self.api.list(paths.SIMULATIONS)}
        for name in [name for name in self._runs if name not in simulations]:
            self._clean_up(self._runs.pop(name))
        self._end_namespaces(simulations)
        for name, simulation in simulations.items():
            if "deletionTimestamp" not in simulation["metadata"]:
                with contextlib.suppress(KubeError):  # what was read may be gone by now; there will be another turn
                    self._reconcile(simulation, self._runs.setdefault(name, Run(name)))

    def rest(self, turns: int = 100) -> list[str]:
        """Turns until nothing of a simulation is left, if that ever happens; the names of what is left."""
        for _ in range(turns):
            self.turn()
            virtual = self.api.list(paths.NAMESPACES, labels=f"{paths.VIRTUAL_LABEL}=true")
            left = [o["metadata"]["name"] for o in [*self.api.list(paths.SIMULATIONS), *virtual]]
            if not left:
                break
            if self.around.controllers:
                time.sleep(0.5)
        return left

    def _reconcile(self, simulation: Manifest, run: Run) -> None:
        stages = {
            "driver": self._make_driver,
            "running": self._start_driver,
            "applied": self._replay,
            "pods": self._control,
            "fates": self._run_pods,
        }
        names = list(stages)
        stage = min(run.stage, len(names) - 1)
        if stage <= names.index(self.until):
            stages[names[stage]](simulation, run)

    def _make_driver(self, simulation: Manifest, run: Run) -> None:
        """sk-ctrl, and the controller of its Job."""
        if not self.ctrl.turn(simulation):
            return
        job = paths.driver_job(run.name)
        ensure(
            self.api,
            within(paths.PODS, paths.CONTROLLER_NAMESPACE),
            {
                "metadata": {
                    "name": f"{job}-x7k2p",
                    "labels": {"job-name": job},
                    "ownerReferences": [owner(simulation)],
                },
                # No scheduler goes by that name: on a real server this pod is played, too.
                "spec": {
                    "containers": [{"name": "driver", "image": simulation["spec"]["driver"]["image"]}],
                    "schedulerName": "world",
                },
            },
        )
        run.stage += 1

    def _start_driver(self, simulation: Manifest, run: Run) -> None:
        pod = path_of(paths.PODS, f"{paths.driver_job(run.name)}-x7k2p", paths.CONTROLLER_NAMESPACE)
        self.api.patch(f"{pod}/status", {"status": self.driver_status})
        self.print(f"{paths.driver_job(run.name)}-x7k2p", self.driver_log)
        if self.driver_status["phase"] == "Running":
            seconds = int(simulation["spec"]["duration"].removesuffix("s"))
            lease = path_of(paths.LEASES, paths.LEASE, paths.CONTROLLER_NAMESPACE)
            self.api.patch(lease, {"spec": {"leaseDurationSeconds": seconds}})
            run.stage += 1
        elif self.driver_status["phase"] == "Failed" and self.ctrl.runs:
            self.ctrl.say(simulation, "Failed")

    def _replay(self, simulation: Manifest, run: Run) -> None:
        """The driver: all events at once, with what it changes in every object."""
        run.trace = read_trace(self.read(simulation["spec"]["driver"]["tracePath"]), run.name)
        last: dict[tuple[str, str, str], Manifest] = {}
        for event in run.trace.events:
            for manifest in event["applied_objs"]:
                last[key_of(manifest)] = manifest
            for manifest in event["deleted_objs"]:
                last.pop(key_of(manifest), None)
        for namespace in sorted({namespace for _, namespace, _ in last}):
            labels = {paths.VIRTUAL_LABEL: "true"}
            metadata = {"name": paths.virtual_namespace(namespace), "labels": labels}
            ensure(self.api, paths.NAMESPACES, {"metadata": {**metadata, "ownerReferences": [owner(simulation)]}})
            self._make_service_account(metadata["name"])
        for kind, namespace, _ in last:
            if kind == "Deployment":
                ensure(
                    self.api,
                    within(paths.DEPLOYMENTS, paths.virtual_namespace(namespace)),
                    virtual(last[kind, namespace, _], simulation),
                )
                run.outcomes[WorkloadRef(namespace, _)] = self._decided(run.trace, WorkloadRef(namespace, _))
            elif kind == "ConfigMap":
                metadata = {"name": END_MARKER}
                collection = within(paths.CONFIG_MAPS, paths.virtual_namespace(namespace))
                ensure(self.api, collection, {"metadata": metadata})
        run.stage += 1

    def _decided(self, trace: Trace, ref: WorkloadRef) -> Observation:
        """What a control plane makes of the workload: the embedded cluster is one."""
        scenario = scenario_from_trace(trace, name=trace.name, deploy=ref.name, namespace=ref.namespace,
                                       nodes=NodePools((self.pool,)), target=1)  # fmt: skip
        return EmbeddedCluster().observe(scenario, None)

    def _control(self, simulation: Manifest, run: Run) -> None:
        """The controllers of Deployments and ReplicaSets."""
        for ref, outcome in () if self.around.controllers else run.outcomes.items():
            namespace = paths.virtual_namespace(ref.namespace)
            deployment = self._deployment(ref)
            template = deployment["spec"]["template"]
            name = f"{ref.name}-5d4f8c7b9"
            ensure(
                self.api,
                within(paths.REPLICA_SETS, namespace),
                {
                    "metadata": {
                        "name": name,
                        "labels": template["metadata"]["labels"],
                        "annotations": {"deployment.kubernetes.io/revision": "1"},
                        "ownerReferences": [owner(deployment)],
                    },
                    "spec": {
                        "replicas": outcome.total,
                        "selector": deployment["spec"]["selector"],
                        "template": template,
                    },
                },
            )
            replica_set = self.api.get(path_of(paths.REPLICA_SETS, name, namespace)) or {}
            for number in range(outcome.total):
                metadata = {
                    "name": f"{name}-{number:05}",
                    "labels": template["metadata"]["labels"],
                    "annotations": template["metadata"].get("annotations") or {},
                    "ownerReferences": [owner(replica_set)],
                }
                ensure(self.api, within(paths.PODS, namespace), {"metadata": metadata, "spec": template["spec"]})
            self._count(ref)
        run.stage += 1

    def _run_pods(self, simulation: Manifest, run: Run) -> None:
        """Scheduler and KWOK, for every pod that is not decided yet."""
        run.refusals += 1
        for ref, outcome in run.outcomes.items():
            pods = self._pods(ref)
            bound = sum(1 for pod in pods if pod["spec"].get("nodeName"))
            for pod in pods:
                path = path_of(paths.PODS, pod["metadata"]["name"], pod["metadata"]["namespace"])
                if "deletionTimestamp" in pod["metadata"]:
                    request(self.api, "DELETE", path, grace_period_seconds=0)
                elif not pod["spec"].get("nodeName") and not self.around.scheduler:
                    if run.refusals > self.room_after and bound < outcome.total - outcome.pending:
                        bound += 1
                        target = {"apiVersion": "v1", "kind": "Node", "name": "virtual-1"}
                        binding = {"metadata": {"name": pod["metadata"]["name"]}, "target": target}
                        request(self.api, "POST", f"{path}/binding", body=binding)
                        self._run(pod, path)
                    else:
                        self.api.patch(f"{path}/status", {"status": refused(outcome)})
                elif pod["spec"].get("nodeName") and (pod.get("status") or {}).get("phase") != "Running":
                    self._run(pod, path)

            if not self.around.controllers:
                self._count(ref)

    def _count(self, ref: WorkloadRef) -> None:
        """What the controllers of a Deployment and of its ReplicaSet say of its pods."""
        pods = self._pods(ref)
        ready = sum(pod_state(pod) is PodState.READY for pod in pods)
        counted = {"replicas": len(pods), "readyReplicas": ready, "availableReplicas": ready}
        namespace = paths.virtual_namespace(ref.namespace)
        for collection, name, more in (
            (paths.REPLICA_SETS, f"{ref.name}-5d4f8c7b9", {}),
            (paths.DEPLOYMENTS, ref.name, {"updatedReplicas": len(pods)}),
        ):
            path = path_of(collection, name, namespace)
            seen = {"observedGeneration": (self.api.get(path) or {"metadata": {}})["metadata"].get("generation", 0)}
            self.api.patch(f"{path}/status", {"status": {**seen, **counted, **more}})

    def _run(self, pod: Manifest, path: str) -> None:
        verdict = shortage_of(pod) if self.kwok_knows_verdicts else None
        self.api.patch(f"{path}/status", {"status": running(pod, verdict)})

    def _deployment(self, ref: WorkloadRef) -> Manifest:
        found = self.api.get(path_of(paths.DEPLOYMENTS, ref.name, paths.virtual_namespace(ref.namespace)))
        if found is None:
            raise KubeError(f"Deployment {ref}: gone", status=404)
        return found

    def _pods(self, ref: WorkloadRef) -> list[Manifest]:
        namespace = paths.virtual_namespace(ref.namespace)
        uid = self._deployment(ref)["metadata"]["uid"]
        sets = owned_by(self.api.list(within(paths.REPLICA_SETS, namespace)), [uid])
        return owned_by(self.api.list(within(paths.PODS, namespace)), [o["metadata"]["uid"] for o in sets])

    def _make(self, collection: str, manifest: Manifest) -> None:
        """Create, unless it is there already."""
        if ensure(self.api, collection, manifest):
            self._made.append(path_of(collection, manifest["metadata"]["name"]))

    def _make_service_account(self, namespace: str) -> None:
        """A controller's work, without which an API server takes no pods; the real one may take its time."""
        ensure(self.api, within(SERVICE_ACCOUNTS, namespace), {"metadata": {"name": "default"}})

    def _nodes(self) -> list[Manifest]:
        return self.api.list(paths.NODES, labels=paths.VIRTUAL_NODES)

    def _beat(self) -> None:
        """Kubelets: the nodes are Ready and say what they have."""
        self._beaten_s = time.monotonic()
        for number in range(1, self.pool.count + 1):
            path = path_of(paths.NODES, f"virtual-{number}")
            self.api.patch(f"{path}/status", {"status": node_status(self.pool)})
            if not self.around.controllers:
                self.api.patch(path, {"spec": {"taints": [TAINT]}})  # a new node has that of one that is not Ready

    def _clean_up(self, run: Run) -> None:
        """The garbage collector, which is too slow for tests, or missing; a `FakeApi` is one itself."""
        if not self.around.real:
            return
        self.api.delete(path_of(paths.LEASES, paths.LEASE, paths.CONTROLLER_NAMESPACE))
        driver = f"{paths.driver_job(run.name)}-x7k2p"
        request(self.api, "DELETE", path_of(paths.PODS, driver, paths.CONTROLLER_NAMESPACE), grace_period_seconds=0)

    def _end_namespaces(self, simulations: dict[str, Manifest]) -> None:
        """The same for virtual namespaces whose simulation is gone, and what ends the pods in them."""
        if not self.around.real:
            return
        uids = {simulation["metadata"]["uid"] for simulation in simulations.values()}
        for namespace in self.api.list(paths.NAMESPACES, labels=f"{paths.VIRTUAL_LABEL}=true"):
            metadata = namespace["metadata"]
            if not any(reference["uid"] in uids for reference in metadata.get("ownerReferences") or ()):
                end_namespace(self.api, metadata["name"], finalize=self.around.bare)


class WorldTime:
    """Clock and sleep of a test: to sleep is to let the world take a turn.

    Where others take part, they get half of the time that is said to pass.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.at = 0.0

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.world.at += seconds
        self.world.turn()
        self.at += seconds
        if self.world.around.controllers or self.world.around.scheduler:
            time.sleep(seconds / 2)


TAINT = {"key": "kwok-provider", "value": "true", "effect": "NoSchedule"}


def node(name: str) -> Manifest:
    """A node as SimKube's pods want it."""
    labels = {"type": "virtual", HOSTNAME: name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", **MADE}
    metadata = {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": [TAINT]}}


def node_status(pool: NodePool) -> Manifest:
    size = {"cpu": format_cpu(pool.cpu_m), "memory": format_memory(pool.memory_bytes), "pods": str(pool.pods)}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "played"}
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = {**ready, "lastHeartbeatTime": now, "lastTransitionTime": now}
    return {"allocatable": size, "capacity": size, "conditions": [condition]}


def controller() -> Manifest:
    """sk-ctrl; without replicas, so that none runs."""
    labels = {"app.kubernetes.io/name": "sk-ctrl"}
    container = {"name": "sk-ctrl", "image": "quay.io/appliedcomputing/sk-ctrl:v2.7.0"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": "sk-ctrl-depl", "labels": labels}, "spec": spec}


def key_of(manifest: Manifest) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata["namespace"], metadata["name"]


def virtual(deployment: Manifest, simulation: Manifest) -> Manifest:
    """A Deployment as the driver applies it."""
    template = deployment["spec"]["template"]
    selector = {**(template["spec"].get("nodeSelector") or {}), "type": "virtual"}
    toleration = {"key": "kwok-provider", "operator": "Exists", "effect": "NoSchedule"}
    tolerations = [*(template["spec"].get("tolerations") or ()), toleration]
    pod = {**template["spec"], "nodeSelector": selector, "tolerations": tolerations}
    pod["terminationGracePeriodSeconds"] = 0  # no kubelet ends them
    labels = {**(deployment["metadata"].get("labels") or {}), paths.VIRTUAL_LABEL: "true"}
    metadata = {"name": deployment["metadata"]["name"], "labels": labels, "ownerReferences": [owner(simulation)]}
    return {"metadata": metadata, "spec": {**deployment["spec"], "template": {**template, "spec": pod}}}


def refused(outcome: Observation) -> Manifest:
    """What the scheduler writes onto a pod that no node takes."""
    reasons = {
        "Insufficient cpu": outcome.insufficient_cpu,
        "Insufficient memory": outcome.insufficient_memory,
        "Too many pods": outcome.too_many_pods,
    }
    listed = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items() if count))
    nodes = f"0/{outcome.nodes + 1} nodes are available"
    taint = "1 node(s) had untolerated taint(s)"
    victims = f"{outcome.nodes} No preemption victims found for incoming pod"
    message = f"{nodes}: {taint}, {listed}. preemption: {nodes}: {victims}."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"phase": "Pending", "conditions": [condition]}


def running(pod: Manifest, verdict: Shortage | None) -> Manifest:
    """What KWOK writes onto a pod that has a node."""
    ready = str(verdict is None)
    state: Manifest = {"state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
    if verdict is Shortage.OOM_KILLED:
        ended = {"exitCode": 137, "reason": "OOMKilled"}
        state = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": ended}}
    containers = [
        {
            "name": c["name"],
            "image": c.get("image", ""),
            "imageID": "",
            "ready": verdict is None,
            "restartCount": 0,
            **state,
        }
        for c in pod["spec"]["containers"]
    ]
    conditions = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": ready}]
    return {"phase": "Running", "conditions": conditions, "containerStatuses": containers}
