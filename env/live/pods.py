"""How a pod is, in a doctor's words, and what is wrong with its containers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from env.doctor.faults import Fault
from env.untrusted import count, mapping, mappings, message, name

RECENT_OOM = timedelta(hours=1)
"""A container that was killed for its memory so long ago, and runs, counts as trouble still."""

_IMAGE = frozenset({
    "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError",
    "RegistryUnavailable", "SignatureValidationFailed",
})  # fmt: skip
_NOT_MADE = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_CLAIM = re.compile(r"persistentvolumeclaim|unbound immediate|volume node affinity|bind volumes|VolumeBinding", re.I)


class PodState(Enum):
    """As the features count pods."""

    RUNNING = auto()
    PENDING = auto()
    FAILED = auto()
    UNKNOWN = auto()
    LEFT_OUT = auto()
    """It has completed or is being deleted, is a Job's past try, or belongs to a node that is NotReady."""


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a pod.

    Attributes:
        fault: Of which kind; None: none that the environment has.
        said: The evidence.
        container: Whose; empty: the pod's.
        is_over: The container runs again.
    """

    fault: Fault | None
    said: str
    container: str = ""
    is_over: bool = False


def pod_key(pod: Any) -> tuple[str, str]:
    """Namespace and name."""
    metadata = mapping(pod.get("metadata"))
    return name(metadata.get("namespace")), name(metadata.get("name"))


def node_of(pod: Any) -> str:
    """The node it is bound to; empty for none."""
    return name(mapping(pod.get("spec")).get("nodeName"))


def controller_of(pod: Any) -> dict[str, Any]:
    """The reference to what would make another one."""
    owners = mappings(mapping(pod.get("metadata")).get("ownerReferences"))
    return next((each for each in owners if each.get("controller") is True), {})


def deployment_of(pod: Any) -> str:
    """The Deployment behind it, by the name of its ReplicaSet; empty for none."""
    owner = controller_of(pod)
    labels = mapping(mapping(pod.get("metadata")).get("labels"))
    set_name, hash_ = name(owner.get("name")), name(labels.get("pod-template-hash"))
    if owner.get("kind") != "ReplicaSet" or not hash_ or not set_name.endswith(f"-{hash_}"):
        return ""
    return set_name[: -len(hash_) - 1]


def belongs_to_node(pod: Any) -> bool:
    """Whether it is a DaemonSet's or a static pod: no other node gets it."""
    return controller_of(pod).get("kind") in ("DaemonSet", "Node")


def pod_state(pod: Any, not_ready: set[str], at: datetime) -> PodState:
    """How a pod is; `not_ready` are the names of nodes that are NotReady."""
    phase = mapping(pod.get("status")).get("phase")
    if mapping(pod.get("metadata")).get("deletionTimestamp") or phase == "Succeeded":
        return PodState.LEFT_OUT
    if phase == "Failed":
        return PodState.LEFT_OUT if controller_of(pod).get("kind") == "Job" else PodState.FAILED
    if node_of(pod) in not_ready:
        return PodState.LEFT_OUT if belongs_to_node(pod) else PodState.UNKNOWN
    faults = {each.fault for each in troubles(pod, at) if not each.is_over}
    if phase == "Unknown":
        return PodState.UNKNOWN
    if faults & {Fault.CRASH_LOOP, Fault.OUT_OF_MEMORY}:
        return PodState.FAILED
    return PodState.PENDING if phase == "Pending" or Fault.BAD_IMAGE in faults else PodState.RUNNING


def troubles(pod: Any, at: datetime) -> Iterator[Trouble]:
    """What its status says is wrong."""
    status = mapping(pod.get("status"))
    if status.get("phase") == "Failed":
        reason = name(status.get("reason")) or "Failed"
        fault = Fault.OUT_OF_MEMORY if _killed_for_memory(status) else Fault.CRASH_LOOP
        yield Trouble(fault, ": ".join(filter(None, (reason, message(status.get("message")) or _last_end(status)))))
        return
    for condition in mappings(status.get("conditions")):
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            said = message(condition.get("message")) or "Unschedulable"
            yield Trouble(Fault.CLAIM_UNBOUND if _CLAIM.search(said) else Fault.NO_ROOM, said)
    for each in _containers(status):
        yield from _of_container(each, at)


def _of_container(container: dict[str, Any], at: datetime) -> Iterator[Trouble]:
    called = name(container.get("name"))
    state, last = mapping(container.get("state")), mapping(mapping(container.get("lastState")).get("terminated"))
    waiting, ended = mapping(state.get("waiting")), mapping(state.get("terminated"))
    reason, restarts = name(waiting.get("reason")), count(container.get("restartCount"))
    again = f"restarted {restarts} times" if restarts != 1 else "restarted once"
    if reason in _IMAGE:
        said = ": ".join(filter(None, (reason, message(waiting.get("message")))))
        yield Trouble(Fault.BAD_IMAGE, f"{said} (image {name(container.get('image'))})", called)
    elif reason in _NOT_MADE:
        yield Trouble(None, ": ".join(filter(None, (reason, message(waiting.get("message"))))), called)
    elif reason == "CrashLoopBackOff" or ended.get("exitCode") not in (None, 0):
        end = ended or last
        fault = Fault.OUT_OF_MEMORY if end.get("reason") == "OOMKilled" else Fault.CRASH_LOOP
        yield Trouble(fault, f"{reason or 'ended'}: {_end(end)}, {again}", called)
    elif last.get("reason") == "OOMKilled" and _is_recent(last.get("finishedAt"), at):
        yield Trouble(Fault.OUT_OF_MEMORY, f"was killed for its memory, {again}; runs now", called, is_over=True)


def _containers(status: dict[str, Any]) -> list[dict[str, Any]]:
    return mappings(status.get("initContainerStatuses")) + mappings(status.get("containerStatuses"))


def _killed_for_memory(status: dict[str, Any]) -> bool:
    ends = (mapping(mapping(each.get("state")).get("terminated")) for each in _containers(status))
    return any(each.get("reason") == "OOMKilled" for each in ends)


def _last_end(status: dict[str, Any]) -> str:
    ends = [mapping(mapping(each.get("state")).get("terminated")) for each in _containers(status)]
    return next((_end(each) for each in ends if each.get("exitCode") not in (None, 0)), "")


def _end(ended: dict[str, Any]) -> str:
    said = f"{name(ended.get('reason')) or 'Error'}, exit code {name(ended.get('exitCode')) or '?'}"
    return ": ".join(filter(None, (said, message(ended.get("message")))))


def _is_recent(text: Any, at: datetime) -> bool:
    when = read_time(text)
    return when is not None and at - when < RECENT_OOM


def read_time(text: Any) -> datetime | None:
    """A time as API servers write it; None where it is none."""
    try:
        found = datetime.fromisoformat(str(text)) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
