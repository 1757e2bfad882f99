"""What there is to say of a pod; the one word of it is that of the STATUS column of `kubectl get pods`.

The word follows kubernetes 1.36 `pkg/printers/internalversion/printers.go` (`printPod`).
"""

from __future__ import annotations

from typing import Any, Literal

from env.api_objects import Manifest
from env.untrusted import count, mapping, mappings, message, name
from runner.mcp.answers import ContainerState, ContainerStatus, PodStatus

MOST_CONTAINERS = 20
_States = Literal["running", "waiting", "terminated"]
_STATES: tuple[_States, ...] = ("running", "waiting", "terminated")


def pod_status(pod: Manifest) -> PodStatus:
    """A pod, as an API server holds it."""
    metadata, spec, status = (mapping(pod.get(key)) for key in ("metadata", "spec", "status"))
    statuses = [*_unfinished(pod), *mappings(status.get("containerStatuses"))]
    ready, total = _readiness(pod)
    owner = next((o for o in mappings(metadata.get("ownerReferences")) if o.get("controller")), None)
    return PodStatus(
        name=name(metadata.get("name")),
        phase=name(status.get("phase")) or "Unknown",
        status=name(pod_word(pod)),
        ready=f"{ready}/{total}",
        restarts=count(sum(count(each.get("restartCount")) for each in statuses)),
        node=name(spec.get("nodeName")) or None,
        owner=f"{name(owner.get('kind'))}/{name(owner.get('name'))}" if owner else None,
        created=name(metadata.get("creationTimestamp")) or None,
        message=_why(status, all_ready=ready == total) or None,
        containers=[_container(each) for each in statuses[:MOST_CONTAINERS]],
    )


def is_well(pod: Manifest) -> bool:
    """Whether it is Ready, or has done its work."""
    status = mapping(pod.get("status"))
    return status.get("phase") == "Succeeded" or _condition(status, "Ready").get("status") == "True"


def _condition(status: Manifest, kind: str) -> Manifest:
    return next((each for each in mappings(status.get("conditions")) if each.get("type") == kind), {})


def _sidecars(pod: Manifest) -> list[Any]:
    """The names of init containers that stay."""
    inits = mappings(mapping(pod.get("spec")).get("initContainers"))
    return [each.get("name") for each in inits if each.get("restartPolicy") == "Always"]


def _unfinished(pod: Manifest) -> list[Manifest]:
    """The statuses of init containers that stay, or are not done yet."""
    stays = _sidecars(pod)
    return [
        each
        for each in mappings(mapping(pod.get("status")).get("initContainerStatuses"))
        if each.get("name") in stays or mapping(mapping(each.get("state")).get("terminated")).get("exitCode") != 0
    ]


def _readiness(pod: Manifest) -> tuple[int, int]:
    """Containers and sidecars that are Ready, and all."""
    status, stays = mapping(pod.get("status")), _sidecars(pod)
    statuses = mappings(status.get("containerStatuses"))
    kept = [each for each in mappings(status.get("initContainerStatuses")) if each.get("name") in stays]
    ready = sum(each.get("ready") is True for each in (*statuses, *kept))
    return ready, len(stays) + (len(mappings(mapping(pod.get("spec")).get("containers"))) or len(statuses))


def _why(status: Manifest, *, all_ready: bool) -> str:
    """Why a pod has no node, why it failed, or why it is not Ready although its containers are."""
    scheduled, ready = _condition(status, "PodScheduled"), _condition(status, "Ready")
    for condition in (scheduled, ready if all_ready else {}):
        if condition.get("status") == "False":
            return message(condition.get("message")) or message(condition.get("reason"))
    return ": ".join(text for key in ("reason", "message") if (text := message(status.get(key))))


def _container(status: Manifest) -> ContainerStatus:
    before = mapping(status.get("lastState"))
    return ContainerStatus(
        name=name(status.get("name")),
        ready=status.get("ready") is True,
        restarts=count(status.get("restartCount")),
        now=_state(mapping(status.get("state"))),
        before=_state(before) if before else None,
    )


def _state(state: Manifest) -> ContainerState:
    for kind in _STATES:
        if kind in state:
            held = mapping(state[kind])
            code = held.get("exitCode")
            return ContainerState(
                state=kind,
                reason=name(held.get("reason")) or None,
                message=message(held.get("message")) or None,
                exit_code=code if isinstance(code, int) and abs(code) < 2**31 else None,
            )
    return ContainerState(state="unknown")


def pod_word(pod: Manifest) -> str:
    """Such as Running, Pending, CrashLoopBackOff, Init:0/1, Completed or Terminating."""
    spec, status = mapping(pod.get("spec")), mapping(pod.get("status"))
    word = str(status.get("reason") or status.get("phase") or "Unknown")
    for condition in mappings(status.get("conditions")):
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            word = "SchedulingGated"
    starting = _starting(pod, spec, status)
    word = starting or _of_containers(mappings(status.get("containerStatuses")), status) or word
    return "Terminating" if mapping(pod.get("metadata")).get("deletionTimestamp") else word


def _starting(pod: Manifest, spec: Manifest, status: Manifest) -> str:
    """What keeps init containers from being done; "" where nothing does."""
    inits = mappings(spec.get("initContainers"))
    stays = _sidecars(pod)
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
