"""Which container of a pod template an edit changes, and the edit.

An edit should change what the pod takes of its node, and not that of a helper beside it. For CPU and for memory it is

1. the container that the annotation `kubectl.kubernetes.io/default-container` names, as for `kubectl logs` and `exec`,
2. else the first one that gets less than it uses (`env.demand`),
3. else the one that decides what the pod requests: the largest request among the containers and sidecars that run
   together, or the init container at which the start-up needs more than they do,
4. else, where several request as much or none requests anything, the first container.

Follows kubernetes 1.36 `staging/src/k8s.io/kubectl/pkg/cmd/util/podcmd/podcmd.go` for the annotation, and what
`requests.py` names for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from env.demand import read_demand
from env.engine.manifests.fields import Manifest, as_map, as_maps, as_text
from env.engine.manifests.requests import Slot, granted_of, init_requests, request_of, with_request

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"

_FIELDS = ("containers", "initContainers")


class Choice(StrEnum):
    """Why it is that container; the value completes `container web: `."""

    ONLY = "it is the only one"
    ANNOTATED = f"annotation {DEFAULT_CONTAINER} names it"
    SHORT = "it gets less than it uses"
    DECIDING = "it decides what the pod requests"
    FIRST = "it is the first, and no other requests more"


@dataclass(frozen=True)
class Edited:
    """The containers whose requests are edited, and why.

    Attributes:
        cpu: The container whose CPU request it is.
        memory: The container whose memory request it is.
        missing: The container that the annotation names, if there is none of that name; else "".
    """

    cpu: Slot
    memory: Slot
    cpu_choice: Choice
    memory_choice: Choice
    missing: str = ""

    def of(self, resource: str) -> Slot | None:
        """The container whose request of a resource is edited; None for a resource that is not."""
        return {"cpu": self.cpu, "memory": self.memory}.get(resource)


def edited_containers(template: Manifest) -> Edited:
    """The containers that an edit of a pod template changes.

    Raises:
        ValueError, QuantityError: What the API server would refuse.
    """
    pod, annotations = as_map(template, "spec"), as_map(as_map(template, "metadata"), "annotations")
    slots = [
        Slot(field, number, as_text(container, "name"))
        for field in _FIELDS
        for number, container in enumerate(as_maps(pod, field))
    ]
    if len(slots) == 1:
        return Edited(slots[0], slots[0], Choice.ONLY, Choice.ONLY)
    named = as_text(annotations, DEFAULT_CONTAINER)
    annotated = next((slot for slot in slots if named and slot.name == named), None)
    if annotated is not None:
        return Edited(annotated, annotated, Choice.ANNOTATED, Choice.ANNOTATED)
    demand = read_demand(annotations)
    (cpu, cpu_choice), (memory, memory_choice) = (_chosen(pod, slots, name, demand) for name in ("cpu", "memory"))
    return Edited(cpu, memory, cpu_choice, memory_choice, named)


def with_edit(pod: Manifest, edited: Edited, cpu_m: int | None, memory_bytes: int | None) -> Manifest:
    """A pod spec whose edited containers request so much; None: as written. See `with_request` for limits."""
    for name, slot, value in (("cpu", edited.cpu, cpu_m), ("memory", edited.memory, memory_bytes)):
        if value is not None:
            containers = list(pod[slot.field])
            containers[slot.index] = with_request(containers[slot.index], name, value)
            pod = {**pod, slot.field: containers}
    return pod


def _chosen(pod: Manifest, slots: list[Slot], name: str, demand: dict[str, tuple[int, int]]) -> tuple[Slot, Choice]:
    for slot in slots:
        if slot.field == "containers" and _is_short(pod["containers"][slot.index], name, demand.get(slot.name, (0, 0))):
            return slot, Choice.SHORT
    if as_map(as_map(pod, "resources"), "requests").get(name) is not None:
        return slots[0], Choice.FIRST
    requests = {slot: request_of(pod[slot.field][slot.index], name) or 0 for slot in slots}
    together = _deciding(pod, slots, name, requests)
    largest = max(together, key=requests.__getitem__)  # the first of equal ones
    if largest == slots[0] or requests[largest] == 0:
        return slots[0], Choice.FIRST
    return largest, Choice.DECIDING


def _is_short(container: Manifest, name: str, uses: tuple[int, int]) -> bool:
    granted, use = granted_of(container, name), uses[0 if name == "cpu" else 1]
    return granted is not None and granted < use


def _deciding(pod: Manifest, slots: list[Slot], name: str, requests: dict[Slot, int]) -> list[Slot]:
    """The containers that run at the time at which the pod needs most of a resource, the one that starts then first."""
    init = as_maps(pod, "initContainers")
    regular = [slot for slot in slots if slot.field == "containers"]
    starting = [slot for slot in slots if slot.field == "initContainers"]
    stays = {slot for slot in starting if init[slot.index].get("restartPolicy") == "Always"}
    sidecars, peak = init_requests(init, name)
    if peak <= sum(requests[slot] for slot in regular) + sidecars:
        return [*regular, *(slot for slot in starting if slot in stays)]
    for number, slot in enumerate(starting):
        before = [each for each in starting[:number] if each in stays]
        if requests[slot] + sum(requests[each] for each in before) == peak:
            return [slot, *before]
    return regular
