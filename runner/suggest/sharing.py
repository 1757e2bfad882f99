"""How workloads share what is short: of one resource none of them requests more than a level, the highest that fits.

The level is found by bisection, so that a large cluster is replayed some ten times and not for every step.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from env.actions import LEAST, STEP
from env.embedded.survey import WorkloadState
from env.workload import Resources
from runner.suggest.rows import Key

Asked = Mapping[Key, Resources]

_ROUNDS = 4  # CPU, memory, and both again
_CPU, _MEMORY = 0, 1


def shared(
    asked: Asked, floors: Mapping[Key, Resources], left: Callable[[Asked], Sequence[WorkloadState]]
) -> Asked | None:
    """What workloads request when they share; None where they do not fit even so.

    Args:
        asked: What each would request if it were alone.
        floors: Below which its requests may not go.
        left: Workloads that are not whole while these ask for so much.
    """
    for _ in range(_ROUNDS):
        failing = left(asked)
        if not failing:
            return asked
        resource = _short(failing)
        found = None if resource is None else _levelled(asked, floors, left, resource)
        if found is None:
            return None
        asked = found
    return None


def _levelled(
    asked: Asked, floors: Mapping[Key, Resources], left: Callable[[Asked], Sequence[WorkloadState]], resource: int
) -> Asked | None:
    """The same under the highest level at which nobody is short of a resource; None where there is none."""
    highest = max(each[resource] for each in asked.values())

    def under(steps: int) -> Asked:
        level = highest - steps * STEP[resource]
        return {key: _under(each, floors[key], resource, level) for key, each in asked.items()}

    def fits(steps: int) -> bool:
        return not any(_is_short(state, resource) for state in left(under(steps)))

    enough = -(-highest // STEP[resource])
    if not fits(enough):
        return None
    least = 0
    while least < enough:
        middle = (least + enough) // 2
        if fits(middle):
            enough = middle
        else:
            least = middle + 1
    return under(enough)


def _under(asked: Resources, floor: Resources, resource: int, level: int) -> Resources:
    """Requests of which one is at most a level, by whole steps, unless a floor is above it."""
    value, step = asked[resource], STEP[resource]
    wanted = -(-max(0, value - level) // step)
    allowed = max(0, value - max(floor[resource], LEAST[resource])) // step
    lower = value - min(wanted, allowed) * step
    return asked._replace(cpu_m=lower) if resource == _CPU else asked._replace(memory_bytes=lower)


def _short(failing: Collection[WorkloadState]) -> int | None:
    return next((each for each in (_CPU, _MEMORY) if any(_is_short(state, each) for state in failing)), None)


def _is_short(state: WorkloadState, resource: int) -> bool:
    return state.short_of_cpu if resource == _CPU else state.short_of_memory
