"""Priorities of pods.

Follows kubernetes 1.36 `plugin/pkg/admission/priority/admission.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from env.engine.manifests.fields import Manifest, as_text

# The classes every cluster has; others are objects, PriorityClass.
SYSTEM_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


@dataclass(frozen=True)
class PriorityClass:
    """What a PriorityClass gives its pods; `may_preempt`: its preemptionPolicy is not Never."""

    value: int
    may_preempt: bool = True


def priority_of(pod: Manifest, priorities: Mapping[str, PriorityClass]) -> PriorityClass:
    """What a pod spec's class gives; one that is not there counts 0."""
    name = as_text(pod, "priorityClassName")
    if name in SYSTEM_PRIORITIES:
        return PriorityClass(SYSTEM_PRIORITIES[name])
    value = pod.get("priority")
    if not name and isinstance(value, int):
        return PriorityClass(value)
    return priorities.get(name, PriorityClass(0))
