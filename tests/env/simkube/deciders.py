"""What plays controllers and scheduler around an API server, for scenarios of truth files; they decide as the engine.

A `Deciders` looks at a recording's namespace, once a `turn`. The workloads that are new or changed are a step; what
the engine makes of all steps so far is what the pods become. It is a client, and works on `FakeApi` and on a real API
server alike; where a real one has controllers or a scheduler, it leaves their work to them.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from server import Surroundings, end_namespace, request

from env.fidelity.engine_outcomes import simulated_outcomes
from env.fidelity.recordable import COLLECTIONS
from env.fidelity.truth import RecordedNode, RecordedScenario
from env.kube.client import KubeApi, KubeError
from env.kube.paths import path_of, selector_text, within
from env.simkube import paths
from env.simkube.pods import live

Manifest = dict[str, Any]


class Deciders:
    """Clock, sleep and control plane of a test.

    Args:
        api: The API server.
        scenario: What is recorded; its nodes are known to the engine.
        token: The recording's.
        around: What acts on the server besides.
        others: Nodes of the server that the engine must know, too.

    Attributes:
        idle: Whether they decide nothing at all.
        each_turn: Called after every turn, so that a test can look or interfere.
    """

    def __init__(
        self,
        api: KubeApi,
        scenario: RecordedScenario,
        token: str,
        around: Surroundings | None = None,
        others: Sequence[RecordedNode] = (),
    ) -> None:
        self.api = api
        self.nodes = scenario.model_copy(update={"nodes": [*scenario.nodes, *others]}).to_json()["nodes"]
        self.namespace = f"truth-{token}"
        self.around = around or Surroundings()
        self.alone = not (self.around.controllers or self.around.scheduler)
        self.idle = False
        self.each_turn: Callable[[], None] = lambda: None
        self.at = 0.0
        self._seen: dict[tuple[str, str], int] = {}
        self._steps: list[list[Manifest]] = []
        self._names = itertools.count()

    def now(self) -> float:
        return self.at if self.alone else time.monotonic()

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        if not self.alone:
            time.sleep(min(seconds, 0.2))
        with contextlib.suppress(KubeError):  # a fault of the test's; the next turn does the rest
            self.turn()
        self.each_turn()

    def turn(self) -> None:
        """Every controller acts once."""
        namespace = self.api.get(path_of(paths.NAMESPACES, self.namespace))
        if namespace is None:
            return
        if "deletionTimestamp" in namespace["metadata"]:
            if self.around.bare:
                end_namespace(self.api, self.namespace, finalize=True)
            return
        if not self.idle and not (self.around.controllers and self.around.scheduler):
            self._decide()

    def _decide(self) -> None:
        found = {kind: self.api.list(within(COLLECTIONS[kind], self.namespace)) for kind in ("Deployment", "Job")}
        changed = [(kind, each) for kind, every in found.items() for each in every if self._is_new(kind, each)]
        if changed:
            self._steps.append([_as_applied(kind, each) for kind, each in changed])
        if self._steps:
            (*_, decided) = simulated_outcomes(self.nodes, self._steps)
            for kind, every in found.items():
                for workload in every:
                    counted = decided["workloads"].get(workload["metadata"]["name"]) or {}
                    if self.around.controllers:
                        self._schedule(workload, counted)
                    else:
                        self._control(kind, workload, counted)
            if not self.around.scheduler:
                self._say(decided["failed_scheduling"])

    def _is_new(self, kind: str, workload: Manifest) -> bool:
        key, generation = (kind, workload["metadata"]["name"]), workload["metadata"]["generation"]
        before, self._seen[key] = self._seen.get(key), generation
        return before != generation

    def _control(self, kind: str, workload: Manifest, decided: Manifest) -> None:
        """Let the workload have as many pods on each node as was decided; None is where the pending ones are."""
        name, template = workload["metadata"]["name"], workload["spec"]["template"]
        wanted: Counter[str | None] = Counter(decided.get("nodes") or {})
        wanted[None] = decided.get("pending", 0)
        if self.around.scheduler:
            wanted = Counter({None: decided.get("total", 0)})
        owner = self._replica_set(workload, wanted.total()) if kind == "Deployment" else _reference(kind, workload)
        for pod in self.api.list(within(paths.PODS, self.namespace)):
            if owner not in pod["metadata"].get("ownerReferences", ()):
                continue
            place = None if self.around.scheduler else pod["spec"].get("nodeName")
            if wanted[place] > 0:
                wanted[place] -= 1
            else:
                path = path_of(paths.PODS, pod["metadata"]["name"], self.namespace)
                request(self.api, "DELETE", path, grace_period_seconds=0)
        for place in wanted.elements():
            self._create_pod(f"{name}-{next(self._names)}", owner, template, place)
        status: Manifest = {"observedGeneration": workload["metadata"]["generation"]}
        if kind == "Job":
            status = {"startTime": (workload.get("status") or {}).get("startTime") or _now()}  # set once, ever
        self.api.patch(f"{path_of(COLLECTIONS[kind], name, self.namespace)}/status", {"status": status})

    def _schedule(self, workload: Manifest, decided: Manifest) -> None:
        """Bind the pods that controllers have made."""
        spec = workload["spec"]
        labels = selector_text(spec.get("selector") or {"matchLabels": spec["template"]["metadata"]["labels"]})
        pods = live(self.api.list(within(paths.PODS, self.namespace), labels=labels))
        room = Counter(decided.get("nodes") or {})
        room.subtract(pod["spec"]["nodeName"] for pod in pods if pod["spec"].get("nodeName"))
        free = room.elements()
        for pod in pods:
            path = path_of(paths.PODS, pod["metadata"]["name"], self.namespace)
            if pod["spec"].get("nodeName"):
                continue
            node = next(free, None)
            if node is None:
                self._refuse(path)
            else:
                target = {"apiVersion": "v1", "kind": "Node", "name": node}
                binding = {"metadata": {"name": pod["metadata"]["name"]}, "target": target}
                request(self.api, "POST", f"{path}/binding", body=binding)

    def _replica_set(self, deployment: Manifest, replicas: int) -> Manifest:
        metadata, spec = deployment["metadata"], deployment["spec"]
        path = path_of(paths.REPLICA_SETS, f"{metadata['name']}-1", self.namespace)
        manifest = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {"name": f"{metadata['name']}-1", "ownerReferences": [_reference("Deployment", deployment)]},
            "spec": {"replicas": replicas, "selector": spec["selector"], "template": spec["template"]},
        }
        with contextlib.suppress(KubeError):  # there already
            self.api.create(within(paths.REPLICA_SETS, self.namespace), manifest)
        found = self.api.patch(path, {"spec": {"replicas": replicas}})
        seen = {"replicas": replicas, "observedGeneration": found["metadata"]["generation"]}
        self.api.patch(f"{path}/status", {"status": seen})
        return _reference("ReplicaSet", found)

    def _create_pod(self, name: str, owner: Manifest, template: Manifest, node: str | None) -> None:
        metadata = {"name": name, "labels": template["metadata"]["labels"], "ownerReferences": [owner]}
        spec = {**template["spec"], **({"nodeName": node} if node else {})}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        self.api.create(within(paths.PODS, self.namespace), pod)
        if node is None and not self.around.scheduler:
            self._refuse(path_of(paths.PODS, name, self.namespace))

    def _refuse(self, pod: str) -> None:
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": _now()}
        self.api.patch(f"{pod}/status", {"status": {"phase": "Pending", "conditions": [condition]}})

    def _say(self, messages: list[str]) -> None:
        said = {event.get("message") for event in self.api.list(within(paths.EVENTS, self.namespace))}
        for message in set(messages) - said:
            about = {"kind": "Pod", "namespace": self.namespace, "name": "a-pod"}
            event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": f"event-{next(self._names)}"}}
            event |= {"involvedObject": about, "reason": "FailedScheduling", "message": message, "type": "Warning"}
            self.api.create(within(paths.EVENTS, self.namespace), event)


def _as_applied(kind: str, workload: Manifest) -> Manifest:
    """The manifest without what an API server adds."""
    api_version = "apps/v1" if kind == "Deployment" else "batch/v1"
    metadata = {"name": workload["metadata"]["name"]}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": workload["spec"]}


def _reference(kind: str, workload: Manifest) -> Manifest:
    api_version = "batch/v1" if kind == "Job" else "apps/v1"
    named = {"apiVersion": api_version, "kind": kind, "name": workload["metadata"]["name"]}
    return {**named, "uid": workload["metadata"]["uid"], "controller": True}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
