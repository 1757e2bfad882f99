"""Objects of a cluster as controllers, scheduler and kubelets leave them, on the API server of the tests."""

from __future__ import annotations

from typing import Any

from fake_api import FakeApi

Manifest = dict[str, Any]

HASH = "5d4f8c7b9"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
API_VERSIONS = {
    "Deployment": "apps/v1", "ReplicaSet": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1",
    "Job": "batch/v1", "CronJob": "batch/v1", "PriorityClass": "scheduling.k8s.io/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2", "PodDisruptionBudget": "policy/v1",
}  # fmt: skip


class Town:
    """Puts objects onto an API server; all are in the namespace `shop` unless another is given.

    Args:
        api: The API server.
        nodes: Ready ones of 4 CPU, 8Gi and 110 pods, `node-1` and so on.
    """

    def __init__(self, api: FakeApi, nodes: int = 2) -> None:
        self.api = api
        self._born = 0
        self.put("Namespace", "shop", namespace="")
        for number in range(1, nodes + 1):
            self.node(f"node-{number}")

    def node(self, name: str, labels: Manifest | None = None, **spec: Any) -> None:
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **(labels or {})}
        status = {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"},
                  "conditions": [{"type": "Ready", "status": "True"}]}  # fmt: skip
        self.put("Node", name, namespace="", labels=labels, spec=spec, status=status)

    def deployment(self, name: str, *pods: Manifest, replicas: int | None = None, namespace: str = "shop") -> None:
        """A Deployment, its ReplicaSet and the ReplicaSet's pods; `pods` are statuses by `running` and its kin."""
        wanted = len(pods) if replicas is None else replicas
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container()]}}
        spec = {"replicas": wanted, "selector": {"matchLabels": {"app": name}}, "template": template}
        ready = sum(is_ready(each) for each in pods)
        status = {"replicas": wanted, "readyReplicas": ready, "updatedReplicas": wanted}
        self.put("Deployment", name, namespace, spec=spec, status=status, annotations={LAST_APPLIED: "{}"})
        self.put("ReplicaSet", f"{name}-old", namespace, owner=f"Deployment/{name}", spec={**spec, "replicas": 0})
        self.put("ReplicaSet", f"{name}-{HASH}", namespace, owner=f"Deployment/{name}", spec=spec)
        for number, given in enumerate(pods):
            self.pod(f"{name}-{HASH}-{number:05}", given, namespace, owner=f"ReplicaSet/{name}-{HASH}",
                     labels={"app": name, "pod-template-hash": HASH})  # fmt: skip

    def pod(self, name: str, given: Manifest, namespace: str = "shop", **metadata: Any) -> None:
        """A pod of a status by `running` and its kin."""
        spec = {"containers": [container()], **given["spec"]}
        self.put("Pod", name, namespace, spec=spec, status=given["status"], **metadata)

    def put(self, kind: str, name: str, namespace: str = "shop", **rest: Any) -> None:
        """An object of any kind; `owner` is "Kind/name" of what controls it."""
        self._born += 1
        metadata = {key: rest.pop(key) for key in ("labels", "annotations") if key in rest}
        metadata |= {"name": name, "creationTimestamp": f"2026-01-01T{self._born // 60:02}:{self._born % 60:02}:00Z"}
        metadata |= {"namespace": namespace} if namespace else {}
        if owner := rest.pop("owner", None):
            kind_, _, owner_name = owner.partition("/")
            version = API_VERSIONS.get(kind_, "example.com/v1")
            reference = {"apiVersion": version, "kind": kind_, "name": owner_name, "uid": owner, "controller": True}
            metadata["ownerReferences"] = [reference]
        self.api.put({"apiVersion": API_VERSIONS.get(kind, "v1"), "kind": kind, "metadata": metadata, **rest})


def container(cpu: str = "500m", memory: str = "512Mi") -> Manifest:
    env = [{"name": "PASSWORD", "value": "hunter2"}]
    resources = {"requests": {"cpu": cpu, "memory": memory}}
    return {"name": "app", "image": "shop/app:1", "env": env, "command": ["serve"], "resources": resources}


def running(node: str = "node-1") -> Manifest:
    conditions = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}]
    statuses = [{"name": "app", "ready": True, "restartCount": 0, "state": {"running": {}}}]
    status = {"phase": "Running", "conditions": conditions, "containerStatuses": statuses}
    return {"spec": {"nodeName": node}, "status": status}


def oom_killed(node: str = "node-1") -> Manifest:
    killed = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    statuses = [{"name": "app", "ready": False, "restartCount": 7, "state": waiting, "lastState": killed}]
    return {"spec": {"nodeName": node}, "status": {"phase": "Running", "containerStatuses": statuses}}


def pending(said: str = "0/2 nodes are available: 2 Insufficient cpu.") -> Manifest:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}
    return {"spec": {}, "status": {"phase": "Pending", "conditions": [condition]}}


def ended(node: str = "node-1", phase: str = "Succeeded") -> Manifest:
    return {"spec": {"nodeName": node}, "status": {"phase": phase}}


def is_ready(given: Manifest) -> bool:
    return {"type": "Ready", "status": "True"} in given["status"].get("conditions", ())
