"""The nodes of a scenario: pools of equal nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import chain

from env.engine.manifests.resource_names import EPHEMERAL_STORAGE
from env.engine.manifests.terms import Taint
from env.errors import ScenarioError
from env.quantity import GIB, format_cpu, format_memory
from env.words import count

MAX_NODES = 5_000  # the most that Kubernetes supports
MAX_PODS_PER_NODE = 10_000
LARGEST = 2**63 - 1
EPHEMERAL_STORAGE_BYTES = 100 * GIB
"""What a node has where nothing is said: every kubelet reports the disk that it runs on."""
INSTANCE_TYPE = "node.kubernetes.io/instance-type"

_PLAIN = ("count", "cpu_m", "memory_bytes", "pods")


def check_range(what: str, value: object, largest: int, *, least: int = 1) -> None:
    """ScenarioError unless it is a whole number from `least` to `largest`."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= largest:
        raise ScenarioError(f"{what} {value!r:.80}: must be a whole number from {least} to {largest}")


@dataclass(frozen=True, repr=False)
class NodePool:
    """Nodes that differ in nothing but their names.

    Attributes:
        count: Number of nodes.
        cpu_m: Allocatable CPU of each, millicores.
        memory_bytes: Allocatable memory of each.
        pods: Pods that each can hold.
        resources: Further allocatable resources of each by name: ephemeral storage, huge pages, extended resources.
        labels: Labels besides those that every kubelet sets, or instead of them.
        taints: Taints of each.
        unschedulable: They are cordoned.
        names: The name of each; none: they are numbered.

    Raises:
        ScenarioError: A value out of range.
    """

    count: int = 3
    cpu_m: int = 16_000
    memory_bytes: int = 32 * GIB
    pods: int = 110
    resources: tuple[tuple[str, int], ...] = ((EPHEMERAL_STORAGE, EPHEMERAL_STORAGE_BYTES),)
    labels: tuple[tuple[str, str], ...] = ()
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_range("node count", self.count, MAX_NODES)
        check_range("node cpu (millicores)", self.cpu_m, LARGEST)
        check_range("node memory (bytes)", self.memory_bytes, LARGEST)
        check_range("pods per node", self.pods, MAX_PODS_PER_NODE)

    def __repr__(self) -> str:
        """Sizes, and what else differs from the default."""
        shown = {each.name: getattr(self, each.name) for each in fields(self)}
        others = {each.name: each.default for each in fields(self) if each.name not in _PLAIN}
        values = (f"{name}={value!r}" for name, value in shown.items() if name not in others or value != others[name])
        return f"NodePool({', '.join(values)})"

    @property
    def is_plain(self) -> bool:
        """Whether there is no more to say of it than how many nodes it has, and how large they are."""
        return self == NodePool(self.count, self.cpu_m, self.memory_bytes, self.pods)

    @property
    def size(self) -> str:
        """What a node of it can allocate, in words."""
        return f"{format_cpu(self.cpu_m)} CPU, {format_memory(self.memory_bytes)}, {count(self.pods, 'pod')}"


@dataclass(frozen=True)
class NodePools:
    """All nodes of a scenario. Equal values are equal clusters; the hash is computed once, as it is asked for often.

    Attributes:
        pools: In the order in which their nodes joined the cluster.

    Raises:
        ScenarioError: No nodes, too many, or two of one name.
    """

    pools: tuple[NodePool, ...] = (NodePool(),)

    def __post_init__(self) -> None:
        check_range("node count", self.count, MAX_NODES)
        names = Counter(chain.from_iterable(pool.names for pool in self.pools))
        twice = next((name for name, times in names.items() if times > 1), None)
        if twice is not None:
            raise ScenarioError(f"two nodes are called {twice}")

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(self.pools)

    @cached_property
    def count(self) -> int:
        """Number of nodes."""
        return sum(pool.count for pool in self.pools)

    @cached_property
    def largest(self) -> tuple[int, int]:
        """The most CPU (millicores) and the most memory (bytes) that one node can allocate; it may be two nodes."""
        return max(pool.cpu_m for pool in self.pools), max(pool.memory_bytes for pool in self.pools)

    @cached_property
    def total(self) -> tuple[int, int]:
        """CPU (millicores) and memory (bytes) that all nodes can allocate."""
        cpu_m = sum(pool.count * pool.cpu_m for pool in self.pools)
        return cpu_m, sum(pool.count * pool.memory_bytes for pool in self.pools)

    @property
    def only(self) -> NodePool | None:
        """The one pool, if all nodes are equal and take any pod; else None."""
        first = self.pools[0]
        return None if len(self.pools) > 1 or first.taints or first.unschedulable else first

    def marked(self, labels: Mapping[str, str], taints: Sequence[Taint]) -> NodePools:
        """The same nodes with more labels and taints."""
        if not labels and not taints:
            return self
        return NodePools(tuple(_marked(pool, labels, taints) for pool in self.pools))

    def __str__(self) -> str:
        """How many there are of each kind and size."""
        kinds: Counter[str] = Counter()
        for pool in self.pools:
            kind = dict(pool.labels).get(INSTANCE_TYPE)
            kinds[f"{kind} ({pool.size})" if kind else pool.size] += pool.count
        return "; ".join(f"{number} x {kind}" for kind, number in kinds.items())


IN_ZONES = NodePools(
    tuple(
        NodePool(1, labels=(("topology.kubernetes.io/region", "one"), ("topology.kubernetes.io/zone", f"one-{zone}")))
        for zone in "abc"
    )
)
"""A node of the default size in each of three zones."""


def equal_nodes(
    count: int = 3, cpu_m: int = NodePool.cpu_m, memory_bytes: int = NodePool.memory_bytes, pods: int = NodePool.pods
) -> NodePools:
    """Nodes of one size without anything special; see `NodePool`."""
    return NodePools((NodePool(count, cpu_m, memory_bytes, pods),))


def _marked(pool: NodePool, labels: Mapping[str, str], taints: Sequence[Taint]) -> NodePool:
    new = {(taint.key, taint.effect) for taint in taints}
    kept = tuple(taint for taint in pool.taints if (taint.key, taint.effect) not in new)
    return replace(pool, labels=tuple(sorted({**dict(pool.labels), **labels}.items())), taints=(*kept, *taints))
