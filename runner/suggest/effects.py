"""What a patch does besides what it is for, in words: limits that it raises, and the pods' QoS class."""

from __future__ import annotations

from env.engine.manifests.edited_container import Choice, Edited
from env.engine.manifests.fields import Manifest, as_map, as_maps, as_text
from env.engine.manifests.qos import QosClass, qos_class

_FIELDS = ("containers", "initContainers")


def side_effects(old: Manifest, new: Manifest) -> tuple[str, ...]:
    """What changes between two manifests of a workload besides requests and replicas, a sentence each."""
    before, after = (as_map(as_map(as_map(each, "spec"), "template"), "spec") for each in (old, new))
    said = []
    for field in _FIELDS:
        for was, here in zip(as_maps(before, field), as_maps(after, field), strict=True):
            limits, raised = (as_map(as_map(each, "resources"), "limits") for each in (was, here))
            said += [
                f"raises the {name} limit of container {as_text(was, 'name')} from {limits[name]} to {raised[name]}, "
                "as it gets less than it uses"
                for name in raised
                if raised[name] != limits.get(name)
            ]
    old_class, new_class = qos_class(before), qos_class(after)
    if old_class is not new_class:
        kept = "; limits stay, as lower ones may kill or throttle it" if old_class is QosClass.GUARANTEED else ""
        said.append(f"changes the QoS class of its pods from {old_class} to {new_class}{kept}")
    return tuple(said)


def choices(edited: Edited) -> tuple[str, ...]:
    """Which container a patch changes and why, a sentence each; empty where there is only one."""
    if edited.cpu_choice is Choice.ONLY:
        return ()
    missing = [f"annotation names container {edited.missing}, which there is not"] if edited.missing else []
    if edited.cpu == edited.memory:
        choice = edited.memory_choice if edited.cpu_choice is Choice.FIRST else edited.cpu_choice
        return (*missing, f"{edited.cpu}: {choice}")
    return (
        *missing,
        f"CPU of {edited.cpu}: {edited.cpu_choice}",
        f"memory of {edited.memory}: {edited.memory_choice}",
    )
