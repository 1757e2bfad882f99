"""A job's nodes: as its manifest says them, and as a scenario has them."""

from __future__ import annotations

from dataclasses import asdict

from env.engine.manifests.terms import Taint
from env.errors import UsageError
from env.problems.nodes import NodePool, NodePools
from protocol.wire import documents
from protocol.wire.job_documents import Nodes, NodeTaint, Pool

MAX_BYTES = 2 << 20


def write_nodes(nodes: NodePools | None) -> Nodes | tuple[Pool, ...] | None:
    """Nodes for a manifest; in the form that every release from 0.2.0 on reads, where that can hold them.

    Raises:
        UsageError: a number out of range, or nodes with too much to say.
    """
    if nodes is None:
        return None
    first = nodes.pools[0]
    if len(nodes.pools) == 1 and first.is_plain:
        return documents.build(
            Nodes, count=first.count, cpu_m=first.cpu_m, memory_bytes=first.memory_bytes, pods=first.pods
        )
    pools = tuple(_write_pool(pool) for pool in nodes.pools)
    size = sum(len(pool.model_dump_json()) for pool in pools)
    if size > MAX_BYTES:
        most = f"{size >> 10:,} KiB for each job, more than {MAX_BYTES >> 10:,}"
        raise UsageError(f"--nodes: {most}; take fewer nodes, or fewer labels")
    return pools


def read_nodes(nodes: Nodes | tuple[Pool, ...] | None) -> NodePools | None:
    """The nodes that a manifest says; ScenarioError if there are too many, or two of one name."""
    if nodes is None:
        return None
    if isinstance(nodes, Nodes):
        return NodePools((NodePool(**nodes.model_dump()),))
    return NodePools(tuple(_read_pool(pool) for pool in nodes))


def _write_pool(pool: NodePool) -> Pool:
    return documents.build(
        Pool,
        count=pool.count,
        cpu_m=pool.cpu_m,
        memory_bytes=pool.memory_bytes,
        pods=pool.pods,
        resources=dict(pool.resources),
        labels=dict(pool.labels),
        taints=tuple(NodeTaint(**asdict(taint)) for taint in pool.taints),
        unschedulable=pool.unschedulable,
        names=pool.names,
    )


def _read_pool(pool: Pool) -> NodePool:
    return NodePool(
        pool.count,
        pool.cpu_m,
        pool.memory_bytes,
        pool.pods,
        resources=tuple(pool.resources.items()),
        labels=tuple(pool.labels.items()),
        taints=tuple(Taint(**taint.model_dump()) for taint in pool.taints),
        unschedulable=pool.unschedulable,
        names=pool.names,
    )
