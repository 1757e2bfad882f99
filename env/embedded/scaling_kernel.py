"""Deployments that only scale, replayed event by event in one compiled call.

Every step here is one of the engine's, for pods to which nothing but room, fixed rules and their siblings matters. Each
function names its original; a property test holds the results against it. Longer than 300 lines, because numba compiles
the functions of one file into one another.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from env.engine.scheduling import kernel
from env.engine.scheduling.kernel import Cycle, NodeArrays, SpreadArrays, place
from env.jit import Ints, compiled, inlined

_MOST_LOOKS = 30_000_000  # at a node; about half a second
_SHARES = 64  # see `env.engine.kubelets`
_LONGEST_BACKOFF_S = 10
_PENDING, _RUNNING = 0, 1


class Plan(NamedTuple):
    """What is applied, in order.

    Attributes:
        times: Of the events, seconds; shape (events,).
        ends: Where the operations of each event end; shape (events,).
        workloads: Of each operation the row of its workload; shape (operations,).
        replicas: What it asks for; shape (operations,).
    """

    times: Ints
    ends: Ints
    workloads: Ints
    replicas: Ints


class Workloads(NamedTuple):
    """The workloads, a row each, and the rules of the cluster that they share.

    Attributes:
        request, score_request, placement: See `RunArrays`.
        runs: Whether a pod gets Ready once it runs; shape (workloads,).
        own_counts: Pods per node, shape (workloads, nodes); updated.
        statics, domains, eligible, limits: See `RunArrays`.
    """

    request: Ints
    score_request: Ints
    placement: Ints
    runs: Ints
    own_counts: Ints
    statics: Ints
    domains: Ints
    eligible: Ints
    limits: Ints


class Pods(NamedTuple):
    """All pods that there ever are, in order of creation; each of shape (pods,).

    Attributes:
        owner: Row of the workload.
        row: Of the node; -1 without one.
        phase: Pending or running.
        leaving: Being deleted.
        gone: Deleted.
        waiting: Fits nowhere for now.
        queued: Order in which the scheduler takes it.
        attempts: How often it found no node.
        failed_s: When it last did.
    """

    owner: Ints
    row: Ints
    phase: Ints
    leaving: Ints
    gone: Ints
    waiting: Ints
    queued: Ints
    attempts: Ints
    failed_s: Ints


class Lists(NamedTuple):
    """Queues of pods, and numbers that change.

    Attributes:
        active: Pods to schedule; shape (pods,).
        late: Pods whose back-off is not over; shape (pods,).
        told: What kubelets have to answer; shape (2 * pods,).
        numbers: See the constants below.
    """

    active: Ints
    late: Ints
    told: Ints
    numbers: Ints


_ACTIVE, _LATE, _TOLD, _ANSWERED, _QUEUED, _FREED, _START, _NOW, _LOOKS, _PODS = range(10)


@inlined
def _schedule(workloads: Workloads, pods: Pods, lists: Lists, nodes: NodeArrays) -> bool:
    """`Scheduler.run`; whether there was anything to schedule."""
    numbers = lists.numbers
    active, late = lists.active[: numbers[_ACTIVE]], lists.late[: numbers[_LATE]]
    if active.shape[0] + late.shape[0] == 0:
        return False
    queue = np.empty(active.shape[0] + late.shape[0], dtype=np.int64)
    queue[: active.shape[0]] = active[np.argsort(pods.queued[active])]
    if late.shape[0] > 0:
        seconds = np.empty(late.shape[0], dtype=np.int64)
        for i in range(late.shape[0]):
            seconds[i] = _backed_off_s(pods, late[i])
        order = np.argsort(pods.queued[late])
        queue[active.shape[0] :] = late[order][np.argsort(seconds[order], kind="mergesort")]
    numbers[_ACTIVE] = numbers[_LATE] = 0
    kept = queue[pods.gone[queue] == 0]
    first = 0
    while first < kept.shape[0]:
        last = first + 1
        while last < kept.shape[0] and pods.owner[kept[last]] == pods.owner[kept[first]]:
            last += 1
        _place(kept[first:last], workloads, pods, lists, nodes)
        first = last
    return True


@inlined
def _place(run: Ints, workloads: Workloads, pods: Pods, lists: Lists, nodes: NodeArrays) -> None:
    """`Scheduler._place_plain` for one run of pods."""
    numbers, number = lists.numbers, pods.owner[run[0]]
    placement, own_counts = workloads.placement[number], workloads.own_counts[number]
    nothing = np.zeros(0, dtype=np.int64)
    no_rows = np.zeros((0, own_counts.shape[0]), dtype=np.int64)
    counts = np.zeros_like(workloads.domains)
    counts[:] = own_counts
    cycle = Cycle(
        workloads.request[number],
        workloads.score_request[number],
        workloads.statics[placement],
        nothing,
        nothing,
        own_counts,
        SpreadArrays(no_rows, no_rows, no_rows, np.zeros((0, 3), dtype=np.int64)),
        SpreadArrays(workloads.domains, counts, workloads.eligible[placement], workloads.limits),
        False,
    )
    rows, numbers[_START] = place(run.shape[0], numbers[_START], nothing, cycle, nodes)
    numbers[_LOOKS] += (rows.shape[0] + 1) * (own_counts.shape[0] + 10)
    for i in range(rows.shape[0]):
        pods.row[run[i]] = rows[i]
        _tell(run[i], lists)
    for i in range(rows.shape[0], run.shape[0]):
        pod = run[i]
        pods.attempts[pod] += 1
        pods.failed_s[pod] = numbers[_NOW]
        pods.waiting[pod] = 1
        _queue(pod, pods, numbers)


@inlined
def _queue(pod: int, pods: Pods, numbers: Ints) -> None:
    numbers[_QUEUED] += 1
    pods.queued[pod] = numbers[_QUEUED]


@inlined
def _tell(pod: int, lists: Lists) -> None:
    """`Kubelets.tell`."""
    lists.told[lists.numbers[_TOLD]] = pod
    lists.numbers[_TOLD] += 1


@inlined
def _backed_off_s(pods: Pods, pod: int) -> int:
    """When the pod's back-off is over; whole seconds, as events are."""
    wait_s = 2 ** min(pods.attempts[pod] - 1, 4)
    due_s: int = pods.failed_s[pod] + min(wait_s, _LONGEST_BACKOFF_S)
    return due_s


@inlined
def _retry(workloads: Workloads, pods: Pods, lists: Lists, nodes: NodeArrays) -> bool:
    """`ApiServer.retry`."""
    numbers = lists.numbers
    freed, numbers[_FREED] = numbers[_FREED], 0
    if freed == 0:
        return False
    for pod in range(numbers[_PODS]):
        if pods.waiting[pod]:
            pods.waiting[pod] = 0
            if _backed_off_s(pods, pod) <= numbers[_NOW]:
                lists.active[numbers[_ACTIVE]] = pod
                numbers[_ACTIVE] += 1
            else:
                lists.late[numbers[_LATE]] = pod
                numbers[_LATE] += 1
    numbers[_LOOKS] += numbers[_PODS] // 10
    return _schedule(workloads, pods, lists, nodes)


@inlined
def _answer(workloads: Workloads, pods: Pods, lists: Lists, nodes: NodeArrays) -> bool:
    """`Kubelets.answer`."""
    numbers = lists.numbers
    begin, end = numbers[_ANSWERED], numbers[_TOLD]
    numbers[_ANSWERED] = end
    freeing = freed = 0
    for i in range(begin, end):
        freeing += pods.leaving[lists.told[i]]
    share = (freeing + _SHARES - 1) // _SHARES
    for i in range(begin, end):
        pod = lists.told[i]
        if pods.gone[pod]:
            continue
        if not pods.leaving[pod]:
            pods.phase[pod] = _RUNNING
            continue
        pods.gone[pod] = 1
        number, row = pods.owner[pod], pods.row[pod]
        request = workloads.request[number]
        nodes.used[row, : request.shape[0]] -= request
        nodes.scored[row] -= workloads.score_request[number]
        nodes.pods[row, 1] -= 1
        numbers[_FREED] = 1
        freed += 1
        if freed % share == 0:
            _retry(workloads, pods, lists, nodes)
    return bool(end > begin)


@inlined
def _grow(number: int, more: int, pods: Pods, lists: Lists) -> None:
    """`ReplicaSet.sync`: new pods, in the scheduler's queue."""
    numbers = lists.numbers
    for _ in range(more):
        pod = numbers[_PODS]
        numbers[_PODS] += 1
        pods.owner[pod], pods.row[pod] = number, -1
        _queue(pod, pods, numbers)
        lists.active[numbers[_ACTIVE]] = pod
        numbers[_ACTIVE] += 1


@inlined
def _shrink(number: int, fewer: int, workloads: Workloads, pods: Pods, lists: Lists) -> None:
    """`first_to_leave` and `ApiServer.terminate`: see there for the order."""
    own_counts, ready = workloads.own_counts[number], workloads.runs[number]
    many = lists.numbers[_PODS]
    mine = np.nonzero((pods.owner[:many] == number) & (pods.leaving[:many] == 0) & (pods.gone[:many] == 0))[0][::-1]
    lists.numbers[_LOOKS] += many // 10
    ranks = np.empty(mine.shape[0], dtype=np.int64)
    for i in range(mine.shape[0]):
        row, runs = pods.row[mine[i]], pods.phase[mine[i]] == _RUNNING
        # Siblings are counted per node: `own_counts` holds those that are not leaving.
        siblings = own_counts[row] if row >= 0 and runs and ready else 0
        ranks[i] = (((row >= 0) * 2 + runs) * 2 + (runs and ready)) * 2**40 - siblings
    for pod in mine[np.argsort(ranks, kind="mergesort")[:fewer]]:
        if pods.row[pod] < 0:
            pods.gone[pod] = 1
            pods.waiting[pod] = 0
        else:
            pods.leaving[pod] = 1
            own_counts[pods.row[pod]] -= 1
            _tell(pod, lists)


@inlined
def _settle(workloads: Workloads, pods: Pods, lists: Lists, nodes: NodeArrays) -> None:
    """`ControlPlane.settle`."""
    while lists.numbers[_LOOKS] < _MOST_LOOKS:
        _schedule(workloads, pods, lists, nodes)
        if not (_retry(workloads, pods, lists, nodes) or _answer(workloads, pods, lists, nodes)):
            return


@inlined
def _refusals(number: int, workloads: Workloads, nodes: NodeArrays, found: Ints) -> None:
    """Count nodes that refuse a pod of a workload: for CPU, for memory, for the number of pods, and otherwise."""
    request, barriers = workloads.request[number], workloads.statics[workloads.placement[number], 0]
    for row in range(nodes.used.shape[0]):
        if barriers[row] != 0:
            found[3] += 1
            continue
        free = nodes.allocatable[row] - nodes.used[row]
        found[0] += request[0] > 0 and request[0] > free[0]
        found[1] += request[1] > 0 and request[1] > free[1]
        found[2] += nodes.pods[row, 1] >= nodes.pods[row, 0]
        for resource in range(2, request.shape[0]):
            found[3] += request[resource] > 0 and request[resource] > free[resource]


@inlined
def _seen(
    target: int, whole: Ints, workloads: Workloads, pods: Pods, lists: Lists, nodes: NodeArrays
) -> tuple[Ints, Ints]:
    """What `replay` returns."""
    seen, lacking = np.zeros(14, dtype=np.int64), np.zeros(whole.shape[0], dtype=np.int64)
    seen[0] = lists.numbers[_LOOKS] < _MOST_LOOKS
    refused, other = -1, -1
    for pod in range(lists.numbers[_PODS]):
        if pods.leaving[pod] or pods.gone[pod]:
            continue
        number, runs = pods.owner[pod], pods.phase[pod] == _RUNNING
        pending = not runs and pods.row[pod] < 0
        lacking[number] += not (runs and workloads.runs[number])
        if number == target:
            refused = number if pending else refused
            seen[1] += runs and workloads.runs[target]
            seen[2] += pending
            seen[3] += 1
            seen[4] += runs
        elif pending:
            seen[5] += 1
            if other < 0 or (whole[number] and not whole[other]):
                other = number
    if refused >= 0:
        _refusals(refused, workloads, nodes, seen[6:10])
    if other >= 0:
        _refusals(other, workloads, nodes, seen[10:14])
    return seen, lacking


def _compiled_replay() -> Callable[[Plan, Workloads, Ints, Ints, int, int, Ints], tuple[Ints, Ints]]:
    sources = hashlib.sha256(inspect.getsource(kernel).encode()).hexdigest()

    def replay(
        plan: Plan, workloads: Workloads, allocatable: Ints, most_pods: Ints, many: int, target: int, whole: Ints
    ) -> tuple[Ints, Ints]:
        """Replay a plan.

        Args:
            plan: What is applied.
            workloads: To what.
            allocatable: Of the nodes, shape (nodes, resources).
            most_pods: Pods that each node takes, shape (nodes,).
            many: Pods that are made in all.
            target: The workload to look at.
            whole: Whether a workload should lack no pods, shape (workloads,).

        Returns:
            int64 (14,): whether it came to the end (it is given up where it is too much work); pods that are ready,
            that are pending, and in all; pods that run; pods of other workloads that are pending; as `_refusals`, why
            nodes refuse the first pending pod, and the first of the others', of a workload that is to be whole if one
            is. And int64 (workloads,): pods of each that are not Ready.
        """
        sources  # noqa: B018  (numba's cache of compiled code knows a function by its own file and its closure)
        nodes = NodeArrays(
            allocatable,
            np.zeros_like(allocatable),
            np.zeros((allocatable.shape[0], 2), dtype=np.int64),
            np.zeros((allocatable.shape[0], 2), dtype=np.int64),
        )
        nodes.pods[:, 0] = most_pods
        state = np.zeros((9, many), dtype=np.int64)
        pods = Pods(state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7], state[8])
        space = np.empty((4, many), dtype=np.int64)
        lists = Lists(space[0], space[1], space[2:].reshape(2 * many), np.zeros(10, dtype=np.int64))
        current = np.zeros(workloads.request.shape[0], dtype=np.int64)
        done = 0
        for event in range(plan.times.shape[0]):
            lists.numbers[_NOW] = plan.times[event]
            for operation in range(done, plan.ends[event]):
                number, replicas = plan.workloads[operation], plan.replicas[operation]
                if replicas >= current[number]:
                    _grow(number, replicas - current[number], pods, lists)
                else:
                    _schedule(workloads, pods, lists, nodes)
                    _shrink(number, current[number] - replicas, workloads, pods, lists)
                current[number] = replicas
            done = plan.ends[event]
            _settle(workloads, pods, lists, nodes)
        return _seen(target, whole, workloads, pods, lists, nodes)

    return compiled(replay)


replay = _compiled_replay()
