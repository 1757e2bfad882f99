"""What was seen of a real cluster, in a file; and the simulated cluster that is nearest to it.

A recording holds counts and shares, and no names, images, labels, addresses or logs. Files are not trusted: every
number is bounded, and unknown fields are errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from env.doctor.cluster import CLUSTER, failing, record, settle, without_image
from env.doctor.faults import Fault
from env.doctor.features import IDLE_MEMORY, MEMORY_OF_CPU
from env.doctor.nodes import MOST_SLOTS, NodeState, fullest, nodes_in, pods_in
from env.doctor.rules import EVICTED_AFTER, MOST_TIMES
from env.errors import ConfigError, reason

VERSION = 1
MOST_BYTES = 1 << 20
MOST_ROWS = 2_000
MOST = 1_000_000
"""Of anything that is counted."""
USUAL_REQUESTS = 0.75
"""Share of the nodes' room that is taken for requested where requests are not known."""
USUAL_USE_PERCENT = 50
MOST_HEADROOM = 1.5
"""Room of a node over the pods of the fullest one that is simulated, where a node takes more than MOST_SLOTS pods."""
_MOST_OF_CPU = 100.0

Amount = Annotated[int, Field(ge=0, le=MOST)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
State = Literal["ready", "cordoned", "not-ready", "not-ready-cordoned"]
STATES: dict[State, NodeState] = {
    "ready": NodeState.OPEN,
    "cordoned": NodeState.CORDONED,
    "not-ready": NodeState.DOWN,
    "not-ready-cordoned": NodeState.DOWN_CORDONED,
}
FaultName = Literal[
    "crash-loop", "out-of-memory", "bad-image", "claim-unbound", "no-room", "too-few-replicas", "too-many-replicas",
    "quota-used-up", "dns", "network-policy",
]  # fmt: skip
"""Faults besides those of nodes, which `nodes` shows."""


class Nodes(BaseModel):
    """Nodes that are alike: in this state, with so many pods each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: State
    pods: Amount
    number: Annotated[int, Field(ge=1, le=MOST)]


class Recording(BaseModel):
    """A cluster at one moment.

    Attributes:
        version: Of this format.
        at: When, in UTC, as 2026-11-29T01:30:00Z.
        nodes: Its nodes, at least one.
        deployments: How many there are.
        faults: Pods that each concerns; replicas that are missing or idle; 1 for a network policy.
        requested: The share that is requested of the Ready nodes' CPU or memory, the larger one; None: not known.
        cpu_used, memory_used: Shares of what the Ready nodes have; None: there is no metrics API, or it says nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    at: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
    nodes: Annotated[tuple[Nodes, ...], Field(min_length=1, max_length=MOST_ROWS)]
    deployments: Amount
    faults: dict[FaultName, Annotated[int, Field(ge=1, le=MOST)]] = {}
    requested: Share | None = None
    cpu_used: Share | None = None
    memory_used: Share | None = None

    @property
    def is_healthy(self) -> bool:
        """Whether nothing was wrong that a simulation knows."""
        return not self.faults and all(each.state == "ready" for each in self.nodes)

    @property
    def is_measured(self) -> bool:
        """Whether it is known what nodes use."""
        return self.cpu_used is not None and self.memory_used is not None


def parse_recording(data: bytes, what: str) -> Recording:
    """A recording of the bytes of a file, which errors call `what`.

    Raises:
        ConfigError: It is none; the field that does not fit is named.
    """
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{what}: larger than {MOST_BYTES >> 20} MiB; it is no recording")
    try:
        return Recording.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigError(f"{what}: {field:.80}: {reason(first)}; it is no recording of version {VERSION}") from error


def simulated(seen: Recording) -> NDArray[Any]:
    """The simulated cluster that is nearest to a recording, of CLUSTER, shape (1,).

    Nodes and their states are as they were. A simulated node takes MOST_SLOTS pods at most, and Deployments are equal:
    where the real ones are not, a simulated pod stands for several, and replicas are the mean.
    """
    clusters = np.zeros(1, CLUSTER)
    cluster = record(clusters, 0)
    pods_each, cluster.slots = _scale(seen)

    def scaled(pods: int) -> int:
        return max(1, round(pods / pods_each)) if pods else 0

    for row in seen.nodes:
        cluster.nodes[STATES[row.state], min(cluster.slots, scaled(row.pods))] += row.number
    faults = {Fault[name.upper().replace("-", "_")]: scaled(amount) for name, amount in seen.faults.items()}
    if no_room := faults.pop(Fault.NO_ROOM, 0):
        _fill(cluster)
    _set_deployments(cluster, seen.deployments, faults, no_room)
    down = pods_in(cluster, NodeState.DOWN) + pods_in(cluster, NodeState.DOWN_CORDONED)
    cluster.evicted_in = EVICTED_AFTER if down else 0
    settle(cluster)
    for fault in (Fault.CRASH_LOOP, Fault.OUT_OF_MEMORY, Fault.BAD_IMAGE, Fault.DNS):
        cluster.amount[fault] = min(faults.get(fault, 0), cluster.placed)
    cluster.amount[Fault.NETWORK_POLICY] = Fault.NETWORK_POLICY in faults
    _set_use(cluster, seen)
    cluster.started = 0
    return clusters


def starts_of(recordings: Sequence[Recording]) -> NDArray[Any]:
    """The clusters that episodes start from, of CLUSTER, shape (n,)."""
    return np.concatenate([np.zeros(0, CLUSTER), *map(simulated, recordings)])


def _scale(seen: Recording) -> tuple[float, int]:
    """Real pods that a simulated one stands for, and simulated ones that a node takes."""
    ready = [row for row in seen.nodes if STATES[row.state] in (NodeState.OPEN, NodeState.CORDONED)] or seen.nodes
    nodes, pods = sum(row.number for row in ready), sum(row.number * row.pods for row in ready)
    room = pods / nodes / max(seen.requested or USUAL_REQUESTS, 0.01)
    fullest_node = max(1, *(row.pods for row in seen.nodes), 1)
    room = max(fullest_node, min(room, max(MOST_SLOTS, MOST_HEADROOM * fullest_node)))
    pods_each = max(1.0, room / MOST_SLOTS)
    return pods_each, max(1, min(MOST_SLOTS, round(room / pods_each)))


def _fill(cluster: Any) -> None:
    """Make open nodes full: a pod found no room on them."""
    cluster.slots = max(1, *(fullest(cluster, state) for state in NodeState))
    open_nodes = nodes_in(cluster, NodeState.OPEN)
    cluster.nodes[NodeState.OPEN] = 0
    cluster.nodes[NodeState.OPEN, cluster.slots] = open_nodes


def _set_deployments(cluster: Any, deployments: int, faults: dict[Fault, int], no_room: int) -> None:
    """Equal Deployments that want these pods, those without a node, and those that cannot be created."""
    claims, quota = faults.get(Fault.CLAIM_UNBOUND, 0), faults.get(Fault.QUOTA_USED_UP, 0)
    pods = sum(pods_in(cluster, state) for state in NodeState)
    missing = min(faults.get(Fault.TOO_FEW_REPLICAS, 0), pods)
    idle = min(faults.get(Fault.TOO_MANY_REPLICAS, 0), max(0, pods - 1))
    others = pods + no_room + claims + quota - idle
    count, replicas = _divided(others + missing, deployments, missing > 0, no_room > 0)
    while missing >= replicas:  # one Deployment lacks them, and has one at least
        missing = min(missing, replicas) - 1
        count, replicas = _divided(others + missing, deployments, missing > 0, no_room > 0)
    cluster.deployments, cluster.replicas = count, replicas
    cluster.amount[Fault.TOO_FEW_REPLICAS] = missing
    cluster.amount[Fault.TOO_MANY_REPLICAS] = min(idle, (MOST_TIMES - 1) * replicas)
    cluster.amount[Fault.CLAIM_UNBOUND], cluster.amount[Fault.QUOTA_USED_UP] = claims, quota


def _divided(pods: int, deployments: int, some_missing: bool, some_pending: bool) -> tuple[int, int]:
    """Deployments and replicas of each, for about so many pods: all of them if some are pending, else no more."""
    if pods <= 0:
        return 0, 1
    least = 1 + some_missing
    deployments = max(1, min(deployments, pods))
    most_off = max(1, deployments // 4)
    near = range(max(1, deployments - most_off), deployments + most_off + 1)
    exact = [count for count in near if pods % count == 0 and pods // count >= least]
    if exact:
        count = min(exact, key=lambda each: abs(each - deployments))
        return count, pods // count
    replicas = max(least, -(-pods // deployments) if some_pending else pods // deployments)
    return max(1, -(-pods // replicas) if some_pending else pods // replicas), replicas


def _set_use(cluster: Any, seen: Recording) -> None:
    """What pods use, so that the Ready nodes' use is that which was seen."""
    cluster.measured = seen.is_measured
    cluster.use_percent, cluster.memory_of_cpu = USUAL_USE_PERCENT, MEMORY_OF_CPU
    amount = cluster.amount
    running = cluster.placed - failing(cluster) - without_image(cluster)
    idle = min(running, amount[Fault.TOO_MANY_REPLICAS])
    busy = running - idle + (amount[Fault.TOO_FEW_REPLICAS] if running > idle else 0)
    ready = nodes_in(cluster, NodeState.OPEN) + nodes_in(cluster, NodeState.CORDONED)
    room = 100.0 * ready * cluster.slots
    if seen.cpu_used is None or seen.memory_used is None or busy <= 0:
        return
    cluster.use_percent = max(1, round(seen.cpu_used * room / busy))
    memory = seen.memory_used * room / ((busy + IDLE_MEMORY * idle) * cluster.use_percent)
    cluster.memory_of_cpu = min(memory, _MOST_OF_CPU)
