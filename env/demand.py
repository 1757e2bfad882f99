"""What containers really use, so that requesting too little is a problem too; and the shortage that follows.

A pod template may carry the annotation `sim-arena.io/demand`, JSON of what each container uses while it works:

    sim-arena.io/demand: '{"web": {"cpu": "400m", "memory": "300Mi"}}'

A memory limit (without one, the request) under the use: the container is OOM-killed, again and again, and the pod is
in CrashLoopBackOff. A CPU limit (without one, the request) under the use: it runs, but never gets Ready. A container
with neither limit nor request is not limited. Virtual nodes have no processes that could use anything, so the
verdict is written next to the demand, as `sim-arena.io/verdict`: KWOK's Stages match it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from env.quantity import parse_cpu, parse_memory

DEMAND_ANNOTATION = "sim-arena.io/demand"
DEMAND_WINDOW_ANNOTATION = "sim-arena.io/demand-window"
"""Seconds for which the demand was measured, as `86400s`; without it, it is what the author says."""
VERDICT_ANNOTATION = "sim-arena.io/verdict"
_LONGEST = 64 * 1024
_WINDOW = re.compile(r"([0-9]{1,9})s", re.ASCII)


class Shortage(StrEnum):
    """What a pod lacks that requests less than it uses; the value is that of the annotation `sim-arena.io/verdict`."""

    OOM_KILLED = "oom-killed"
    CPU_STARVED = "cpu-starved"


def container_shortage(
    cpu_granted_m: int | None, memory_granted: int | None, cpu_use_m: int, memory_use: int
) -> Shortage | None:
    """What one container lacks; None: nothing.

    Args:
        cpu_granted_m: Its CPU limit, or without one its request, millicores; None: neither.
        memory_granted: The same for memory, bytes.
        cpu_use_m: CPU that it uses, millicores; 0: not known.
        memory_use: Memory that it uses, bytes; 0: not known.
    """
    if memory_granted is not None and memory_granted < memory_use:
        return Shortage.OOM_KILLED
    if cpu_granted_m is not None and cpu_granted_m < cpu_use_m:
        return Shortage.CPU_STARVED
    return None


def read_demand(annotations: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """(CPU in millicores, memory in bytes) that each container uses, 0 where not given; empty without the annotation.

    Raises:
        ValueError: Not JSON of that form.
        QuantityError: A quantity that Kubernetes would refuse.
    """
    text = annotations.get(DEMAND_ANNOTATION)
    if text is None:
        return {}
    try:
        uses = json.loads(text) if isinstance(text, str) and len(text) <= _LONGEST else None
    except ValueError:
        uses = None
    if not isinstance(uses, dict) or not all(_is_use(use) for use in uses.values()):
        example = '{"web": {"cpu": "400m", "memory": "300Mi"}}'
        raise ValueError(f"annotation {DEMAND_ANNOTATION} {text!r:.120}: must be JSON such as {example}")
    return {name: (parse_cpu(use.get("cpu", 0)), parse_memory(use.get("memory", 0))) for name, use in uses.items()}


def read_window(annotations: Mapping[str, Any]) -> float | None:
    """Seconds for which the demand was measured, 0 where that cannot be read; None: it is what the author says."""
    text = annotations.get(DEMAND_WINDOW_ANNOTATION)
    match = _WINDOW.fullmatch(text) if isinstance(text, str) else None
    return None if text is None else float(match[1]) if match else 0.0


def _is_use(use: object) -> bool:
    return isinstance(use, dict) and set(use) <= {"cpu", "memory"}
