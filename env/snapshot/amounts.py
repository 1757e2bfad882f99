"""Requests and limits that Kubernetes takes, and that are hardly what is meant.

`memory: 100m` is a tenth of a byte and `cpu: 500Mi` 524 million cores. An API server refuses neither. Such amounts are
replayed as they are, and said.
"""

from __future__ import annotations

from collections.abc import Iterator

from env.engine.manifests.fields import Manifest, as_map, as_maps
from env.engine.manifests.objects import pod_templates
from env.engine.manifests.resource_list import read_resources
from env.quantity import MIB

_LEAST_BYTES = MIB  # no container runs in less
_MOST_CORES = 1_000  # no machine of the clouds has as many


def odd_amounts(manifest: Manifest) -> Iterator[str]:
    """A sentence about each amount of CPU and memory in a checked object that is hardly meant."""
    for template in pod_templates(manifest):
        pod = as_map(template, "spec")
        for container in (*as_maps(pod, "initContainers"), *as_maps(pod, "containers")):
            for part in ("requests", "limits"):
                for resource, amount in read_resources(as_map(container, "resources"), part).items():
                    if why := _odd(resource, amount.milli):
                        yield f"container {container['name']}: {part}.{resource} {amount.text} {why}"


def _odd(resource: str, milli: int) -> str:
    if resource == "memory" and 0 < milli < 1000 * _LEAST_BYTES:
        size = "less than a byte" if milli < 1000 else f"{-(-milli // 1000):,} bytes"
        return f"is {size}; Mi stands for 2^20 bytes"
    if resource == "cpu" and milli >= 1000 * _MOST_CORES:
        return f"is {milli // 1000:,} cores; m stands for a thousandth of one"
    return ""
