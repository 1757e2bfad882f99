"""The one word that says how a pod is, as in the STATUS column of `kubectl get pods`.

Follows kubernetes 1.36 `pkg/printers/internalversion/printers.go` (`printPod`).
"""

from __future__ import annotations

from typing import Any

from env.api_objects import Manifest
from runner.mcp.untrusted import mapping, mappings


def pod_word(pod: Manifest) -> str:
    """Such as Running, Pending, CrashLoopBackOff, Init:0/1, Completed or Terminating."""
    spec, status = mapping(pod.get("spec")), mapping(pod.get("status"))
    word = str(status.get("reason") or status.get("phase") or "Unknown")
    for condition in mappings(status.get("conditions")):
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            word = "SchedulingGated"
    starting = _starting(spec, status)
    word = starting or _of_containers(mappings(status.get("containerStatuses")), status) or word
    return "Terminating" if mapping(pod.get("metadata")).get("deletionTimestamp") else word


def _starting(spec: Manifest, status: Manifest) -> str:
    """What keeps init containers from being done; "" where nothing does."""
    inits = mappings(spec.get("initContainers"))
    stays = {each.get("name") for each in inits if each.get("restartPolicy") == "Always"}
    for number, each in enumerate(mappings(status.get("initContainerStatuses"))):
        state = mapping(each.get("state"))
        ended, waiting = mapping(state.get("terminated")), mapping(state.get("waiting"))
        if ("terminated" in state and ended.get("exitCode") == 0) or (
            each.get("name") in stays and each.get("started")
        ):
            continue
        if "terminated" in state:
            return f"Init:{_end(ended)}"
        reason = waiting.get("reason")
        return f"Init:{reason}" if reason and reason != "PodInitializing" else f"Init:{number}/{len(inits)}"
    return ""


def _of_containers(statuses: list[Manifest], status: Manifest) -> str:
    """The word of the first container that does not run."""
    word, runs = "", False
    for each in reversed(statuses):
        state = mapping(each.get("state"))
        waiting = mapping(state.get("waiting")).get("reason")
        if waiting:
            word = str(waiting)
        elif "terminated" in state:
            word = _end(mapping(state["terminated"]))
        elif each.get("ready") is True and "running" in state:
            runs = True
    if word == "Completed" and runs:
        ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in mappings(status.get("conditions")))
        return "Running" if ready else "NotReady"
    return word


def _end(ended: dict[str, Any]) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode')}"
