"""What a simulated container has written to its log, so that a shortage can be read there as of a real one.

Follows no Kubernetes source: nothing runs on virtual nodes, so the lines are ours. A trace may add lines of its own, by
the pod annotation `sim-arena.io/log`: JSON of each container's text, such as '{"web": "listening on :8080"}'.
"""

from __future__ import annotations

import json
from contextlib import suppress

from env.demand import Shortage, container_shortage
from env.engine.manifests.fields import Manifest, as_map, as_maps, as_text
from env.engine.manifests.requests import read_granted
from env.quantity import format_cpu, format_memory

LOG_ANNOTATION = "sim-arena.io/log"
_LONGEST = 64 * 1024


def container_log(pod: Manifest, container: str) -> str | None:
    """The log of a container of a pod that has been started.

    Args:
        pod: As an API server shows it; its spec says what containers may use, its annotations what they do use.
        container: Its name.

    Returns:
        Lines; None where the pod has no container of that name.

    Raises:
        ValueError, QuantityError: What the API server would refuse.
    """
    metadata, spec = as_map(pod, "metadata"), as_map(pod, "spec")
    containers = as_maps(spec, "containers")
    names = [as_text(each, "name") for each in (*containers, *as_maps(spec, "initContainers"))]
    if container not in names:
        return None
    amounts = next((row[1:] for row in read_granted(metadata, containers) if row[0] == container), (None, None, 0, 0))
    lines = ["starting", *_own_lines(as_map(metadata, "annotations"), container), *_last_lines(*amounts)]
    return "".join(f"{line}\n" for line in lines)


def _last_lines(cpu_m: int | None, memory_bytes: int | None, cpu_use_m: int, memory_use: int) -> list[str]:
    """What a container writes in the end that may use so much, and needs so much: what it needs it cannot know."""
    match container_shortage(cpu_m, memory_bytes, cpu_use_m, memory_use):
        case Shortage.OOM_KILLED:
            return [f"out of memory: {format_memory(memory_bytes or 0)} allowed", "Killed"]
        case Shortage.CPU_STARVED:
            return [f"CPU is throttled: {format_cpu(cpu_m or 0)} allowed", "not ready: answers take too long"]
    return ["ready"]


def _own_lines(annotations: Manifest, container: str) -> list[str]:
    """The lines that the annotation gives; none where it is no JSON of that form."""
    text = annotations.get(LOG_ANNOTATION)
    if isinstance(text, str) and len(text) <= _LONGEST:
        with suppress(ValueError, RecursionError):
            logs = json.loads(text)
            own = logs.get(container) if isinstance(logs, dict) else None
            return own.splitlines() if isinstance(own, str) else []
    return []
