"""Objects of a cluster to be examined, well or broken in one way each, on the API server of the tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from fake_api import FakeApi

Manifest = dict[str, Any]
LONG_AGO = "2026-01-01T00:00:00Z"
NODE_METRICS = "/apis/metrics.k8s.io/v1beta1/nodes"
POD_METRICS = "/apis/metrics.k8s.io/v1beta1/pods"


def ago(minutes: float) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Ward:
    """Puts objects onto an API server.

    Args:
        api: The API server.
        nodes: Healthy ones, `node-1` and so on, of four cores and 8Gi.
    """

    def __init__(self, api: FakeApi, nodes: int = 2) -> None:
        self.api = api
        for number in range(1, nodes + 1):
            self.node(f"node-{number}")

    def node(self, name: str, *, ready: bool = True, cordoned: bool = False) -> None:
        condition = {"type": "Ready", "status": "True" if ready else "Unknown", "reason": "NodeStatusUnknown",
                     "message": "Kubelet stopped posting node status.", "lastTransitionTime": LONG_AGO}  # fmt: skip
        spec = {"unschedulable": True} if cordoned else {}
        status = {"conditions": [condition], "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}}
        self._put("v1", "Node", name, spec=spec, status=status)

    def deployment(
        self, name: str, *pods: Manifest, namespace: str = "default", replicas: int | None = None, **status: Any
    ) -> Manifest:
        """A Deployment, with a ReplicaSet's pods of these statuses, by `pod_status` and its kin."""
        wanted = len(pods) if replicas is None else replicas
        available = sum(_is_ready(pod) for pod in pods)
        self.api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        made = self._put("apps/v1", "Deployment", name, namespace, spec={"replicas": wanted},
                         status={"availableReplicas": available, **status})  # fmt: skip
        owner = {"kind": "ReplicaSet", "name": f"{name}-5d4f8c7b9", "uid": f"uid-of-{name}", "controller": True}
        for number, pod in enumerate(pods):
            self.pod(f"{name}-5d4f8c7b9-{number:05}", pod, namespace, owners=[owner], labels={"app": name})
        return made

    def pod(
        self,
        name: str,
        given: Manifest,
        namespace: str = "default",
        owners: list[Manifest] | None = None,
        labels: dict[str, str] | None = None,
    ) -> None:
        given = dict(given)
        spec = {"containers": [given.pop("container")], **given.pop("spec")}
        labels = {**(labels or {}), "pod-template-hash": "5d4f8c7b9"}
        self._put("v1", "Pod", name, namespace, labels=labels, ownerReferences=owners or [], spec=spec, status=given)

    def claim(self, name: str, phase: str = "Pending", namespace: str = "default") -> None:
        self._put(
            "v1", "PersistentVolumeClaim", name, namespace, spec={"storageClassName": "fast"}, status={"phase": phase}
        )

    def event(self, about: str, reason: str, message: str, *, kind: str = "Warning", minutes: float = 1) -> None:
        """About `Kind/name` in the namespace default."""
        what, _, name = about.partition("/")
        self._put("v1", "Event", f"{name}.{reason.lower()}", "default", type=kind, reason=reason, message=message,
                  involvedObject={"kind": what, "namespace": "default", "name": name},
                  lastTimestamp=ago(minutes))  # fmt: skip

    def measure(self, nodes: dict[str, tuple[str, str]], pods: dict[str, tuple[str, str]] | None = None) -> None:
        """What the metrics API says of nodes and pods: CPU and memory."""
        items = [{"metadata": {"name": name}, "usage": _usage(use)} for name, use in nodes.items()]
        self.api.answers[NODE_METRICS] = {"kind": "NodeMetricsList", "items": items}
        of_pods = [
            {"metadata": {"namespace": "default", "name": name}, "containers": [{"name": "c", "usage": _usage(use)}]}
            for name, use in (pods or {}).items()
        ]
        self.api.answers[POD_METRICS] = {"kind": "PodMetricsList", "items": of_pods}

    def _put(self, api_version: str, kind: str, name: str, namespace: str = "", **rest: Any) -> Manifest:
        metadata = {key: rest.pop(key) for key in ("labels", "ownerReferences") if key in rest}
        metadata |= {"name": name, "creationTimestamp": LONG_AGO} | ({"namespace": namespace} if namespace else {})
        return self.api.put({"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest})


def _usage(use: tuple[str, str]) -> dict[str, str]:
    return {"cpu": use[0], "memory": use[1]}


def _is_ready(pod: Manifest) -> bool:
    return any(each == {"type": "Ready", "status": "True"} for each in pod.get("conditions", ()))


def pod_status(phase: str, node: str | None = "node-1", **status: Any) -> Manifest:
    """A pod's status; with it, what of its spec matters."""
    resources = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}}
    spec: Manifest = {"nodeName": node} if node else {}
    return {"container": {"name": "c", "resources": resources}, "spec": spec, "phase": phase, **status}


def running(node: str = "node-1") -> Manifest:
    statuses = [{"name": "c", "ready": True, "restartCount": 0, "state": {"running": {}}}]
    return pod_status("Running", node, conditions=[{"type": "Ready", "status": "True"}], containerStatuses=statuses)


def waiting(word: str, message: str = "", node: str = "node-1", phase: str = "Running", **last: Any) -> Manifest:
    """A pod whose container waits; `last` is how it ended before."""
    status = {
        "name": "c",
        "image": "web:2",
        "restartCount": 4,
        "state": {"waiting": {"reason": word, "message": message}},
    }
    return pod_status(
        phase, node, containerStatuses=[{**status, **({"lastState": {"terminated": last}} if last else {})}]
    )


def crashing(node: str = "node-1") -> Manifest:
    return waiting("CrashLoopBackOff", "back-off 40s", node, reason="Error", exitCode=1)


def killed_for_memory() -> Manifest:
    return waiting("CrashLoopBackOff", "back-off 40s", reason="OOMKilled", exitCode=137)


def without_image() -> Manifest:
    return waiting("ImagePullBackOff", 'Back-off pulling image "web:2"', phase="Pending")


def unschedulable(message: str = "0/2 nodes are available: 2 Insufficient cpu.", claim: str = "") -> Manifest:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    made = pod_status("Pending", None, conditions=[condition])
    if claim:
        made["spec"] = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]}
    return made
