"""What a pod of a service uses at so many replicas, and the least request that is enough for it.

A load is shared by all pods of a service, and each of them uses something by itself: base + load / replicas. So few
large pods leave fragments of nodes free, and many small ones pay the base again and again. Requests move in the steps
of actions, 500m and 256Mi, from an offset that each service has.
"""

from __future__ import annotations

from typing import Any

from env.actions import CPU_STEP_M, MEMORY_STEP_BYTES
from env.quantity import MIB

MEMORY_STEP_MIB = MEMORY_STEP_BYTES // MIB


def cpu_use_m(problem: Any, service: int, replicas: int) -> int:
    """CPU that a pod uses, millicores."""
    return int(problem.base_cpu_m[service] + (problem.load_cpu_m[service] + replicas - 1) // replicas)


def memory_use_mib(problem: Any, service: int, replicas: int) -> int:
    """Memory that a pod uses, MiB."""
    return int(problem.base_memory_mib[service] + (problem.load_memory_mib[service] + replicas - 1) // replicas)


def enough(use: int, offset: int, step: int) -> int:
    """The least of offset, offset + step, … that is at least `use`."""
    return offset + step * ((max(use - offset, 0) + step - 1) // step)


def cpu_request_m(problem: Any, service: int, replicas: int) -> int:
    """The least CPU request that is enough, millicores."""
    return enough(cpu_use_m(problem, service, replicas), problem.cpu_offset_m[service], CPU_STEP_M)


def memory_request_mib(problem: Any, service: int, replicas: int) -> int:
    """The least memory request that is enough, MiB."""
    return enough(memory_use_mib(problem, service, replicas), problem.memory_offset_mib[service], MEMORY_STEP_MIB)
