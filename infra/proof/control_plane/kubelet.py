"""A stand-in for the kubelet of the node worker-1: each pod there is a process of this machine.

It knows what SimKube and KWOK need: one container a pod, no probes, no limits. Restart policy Always starts a program
again after a second; Never ends the pod with its program.
"""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from env.kube.client import KubeApi
from env.kube.paths import path_of
from infra.proof.control_plane.network import ADDRESS
from infra.proof.control_plane.pod_process import Host, NotStarted

Manifest = dict[str, Any]

NODE = "worker-1"
PORT = 10250
_NODES = "/api/v1/nodes"
_PODS = "/api/v1/pods"
_HEARTBEAT_S = 10.0
_RESTART_S = 1.0
_LAST_WORDS = 2000  # of a container's log in its status, as the policy FallbackToLogsOnError has it


@dataclass
class _Run:
    """A pod that was started: its process, how often it was started again, and when it was seen to have ended."""

    process: subprocess.Popen[bytes]
    restarts: int = 0
    ended: float | None = None


@dataclass
class Kubelet:
    """The node, and its pods by uid."""

    host: Host
    runs: dict[str, _Run] = field(default_factory=dict)
    heartbeat_at: float = 0.0

    @property
    def _api(self) -> KubeApi:
        return self.host.api

    def look(self) -> None:
        """Do what is to do now: say that the node is Ready, start, restart and end pods."""
        if time.monotonic() >= self.heartbeat_at:
            self._say_ready()
            self.heartbeat_at = time.monotonic() + _HEARTBEAT_S
        pods = self._api.list(_PODS, fields=f"spec.nodeName={NODE}")
        for pod in pods:
            self._act(pod)
        known = {pod["metadata"]["uid"] for pod in pods}
        for uid in [uid for uid in self.runs if uid not in known]:
            self.runs.pop(uid).process.kill()  # deleted by force

    def close(self) -> None:
        """End all pods' processes."""
        for run in self.runs.values():
            run.process.kill()

    def _act(self, pod: Manifest) -> None:
        uid, phase = pod["metadata"]["uid"], pod["status"].get("phase", "Pending")
        run = self.runs.get(uid)
        if pod["metadata"].get("deletionTimestamp"):
            self._end(pod, run)
        elif run is None and phase == "Pending":
            self._start(pod)
        elif run is not None and phase == "Running" and run.process.poll() is not None:
            self._ended(pod, run)

    def _start(self, pod: Manifest) -> None:
        try:
            run = self.runs[pod["metadata"]["uid"]] = _Run(self.host.start(pod))
        except NotStarted as error:
            waiting = {"waiting": {"reason": "ContainerCreating", "message": str(error)}}
            self._set_status(pod, "Pending", waiting, 0)
        else:
            self._set_running(pod, run)

    def _ended(self, pod: Manifest, run: _Run) -> None:
        if pod["spec"].get("restartPolicy") != "Always":
            phase = "Failed" if run.process.returncode else "Succeeded"
            self._set_status(pod, phase, self._terminated(pod, run), run.restarts)
        elif run.ended is None:
            run.ended = time.monotonic()
        elif time.monotonic() - run.ended >= _RESTART_S:
            last, run.process = self._terminated(pod, run), self.host.start(pod)
            run.restarts, run.ended = run.restarts + 1, None
            self._set_running(pod, run, last)

    def _end(self, pod: Manifest, run: _Run | None) -> None:
        """As asked, then by force when the grace period is over; the pod goes when its program has."""
        if run is not None and run.process.poll() is None:
            if run.ended is None:
                run.ended = time.monotonic()
                run.process.terminate()
            if time.monotonic() - run.ended < pod["metadata"].get("deletionGracePeriodSeconds", 30):
                return
            run.process.kill()
        self._api.delete(path_of(_PODS, pod["metadata"]["name"], pod["metadata"]["namespace"]), grace_s=0)

    def _say_ready(self) -> None:
        room = {"cpu": "8", "memory": "16Gi", "pods": "50", "ephemeral-storage": "100Gi"}
        now = _now()
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "a stand-in",
                 "lastHeartbeatTime": now, "lastTransitionTime": now}  # fmt: skip
        status = {
            "capacity": room,
            "allocatable": room,
            "conditions": [ready],
            "addresses": [{"type": "InternalIP", "address": ADDRESS}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": PORT}},
        }
        self._api.patch(f"{path_of(_NODES, NODE)}/status", {"status": status})

    def _terminated(self, pod: Manifest, run: _Run) -> Manifest:
        code, now = run.process.returncode, _now()
        log = self.host.log(pod["metadata"]["name"]).read_bytes()[-_LAST_WORDS:]
        return {"terminated": {"exitCode": code if code >= 0 else 128 - code, "startedAt": now, "finishedAt": now,
                               "reason": "Error" if code else "Completed",
                               "message": log.decode(errors="replace") if code else ""}}  # fmt: skip

    def _set_running(self, pod: Manifest, run: _Run, last: Manifest | None = None) -> None:
        self._set_status(pod, "Running", {"running": {"startedAt": _now()}}, run.restarts, last)

    def _set_status(
        self, pod: Manifest, phase: str, state: Manifest, restarts: int, last: Manifest | None = None
    ) -> None:
        container, ready, now = pod["spec"]["containers"][0], "running" in state, _now()
        conditions = [
            {"type": name, "status": str(ready), "lastTransitionTime": now}
            for name in ("Ready", "ContainersReady", "Initialized")
        ]
        of_container = {
            **{key: container[key] for key in ("name", "image")},
            **{"imageID": "", "ready": ready, "started": ready, "restartCount": restarts},
            **{"state": state, "lastState": last or {}},
        }
        status = {"phase": phase, "podIP": ADDRESS, "podIPs": [{"ip": ADDRESS}], "hostIP": ADDRESS, "startTime": now,
                  "conditions": conditions, "containerStatuses": [of_container]}  # fmt: skip
        path = path_of(_PODS, pod["metadata"]["name"], pod["metadata"]["namespace"])
        self._api.patch(f"{path}/status", {"status": status})


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
