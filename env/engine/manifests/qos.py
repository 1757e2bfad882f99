"""The QoS class of a pod, which decides who is evicted and killed first when a node runs out of memory.

Follows kubernetes 1.36 `pkg/apis/core/v1/helper/qos/qos.go` (`ComputePodQOS`).
"""

from __future__ import annotations

from enum import StrEnum

from env.engine.manifests.fields import Manifest, as_map, as_maps
from env.engine.manifests.requests import quantity_of, request_of


class QosClass(StrEnum):
    """`status.qosClass`."""

    GUARANTEED = "Guaranteed"
    BURSTABLE = "Burstable"
    BEST_EFFORT = "BestEffort"


def qos_class(pod: Manifest) -> QosClass:
    """The class of pods of this spec: by the pod's own resources if it has any, else by those of all its containers.

    Raises:
        ValueError, QuantityError: What the API server would refuse.
    """
    whole = as_map(pod, "resources")
    parts = [pod] if whole else [*as_maps(pod, "containers"), *as_maps(pod, "initContainers")]
    amounts = [
        (request_of(part, name) or 0, quantity_of(as_map(part, "resources"), "limits", name) or 0)
        for part in parts
        for name in ("cpu", "memory")
    ]
    if not any(request or limit for request, limit in amounts):
        return QosClass.BEST_EFFORT
    # The sums are compared; as no request exceeds its limit, they are equal only where each is.
    is_guaranteed = all(limit and request == limit for request, limit in amounts)
    return QosClass.GUARANTEED if is_guaranteed else QosClass.BURSTABLE
