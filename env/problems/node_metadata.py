"""Nodes as a trace's `metadata.scenario.nodes` holds them: one pool, or a list of pools.

    {"count": 3, "cpu": "16", "memory": "32Gi", "pods": 110, "labels": {"disk": "ssd"}, "taints": [{"key": …}],
     "resources": {"ephemeral-storage": "100Gi"}, "unschedulable": true, "names": ["a", "b", "c"]}

Labels are a map, taints as in Node manifests, further resources by name; these and the last two may be missing. A
trace is not trusted, so all of it is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from env.engine.manifests.terms import Taint
from env.errors import QuantityError, ScenarioError
from env.problems.node_manifests import EFFECTS, NODE_NAME
from env.problems.nodes import LARGEST, MAX_NODES, NodePool, NodePools, check_range
from env.quantity import format_cpu, format_memory, parse_cpu, parse_memory


def pools_as_metadata(nodes: NodePools) -> list[dict[str, Any]]:
    """What `pools_of_metadata` reads back as the same nodes."""
    return [_written(pool) for pool in nodes.pools]


def pools_of_metadata(nodes: object) -> NodePools:
    """The nodes of a trace.

    Raises:
        ScenarioError: Not of that form.
    """
    try:
        return NodePools(tuple(map(_pool, nodes[:MAX_NODES])) if isinstance(nodes, list) else (_pool(nodes),))
    except (AttributeError, KeyError, TypeError, ValueError, QuantityError) as error:
        what = "must be pools of count, cpu, memory and pods, with labels, taints and resources or without"
        raise ScenarioError(f"metadata.scenario.nodes: {what}: {type(error).__name__} {error}") from error


def _written(pool: NodePool) -> dict[str, Any]:
    taints = [{"key": each.key, "value": each.value, "effect": each.effect} for each in pool.taints]
    return {
        "count": pool.count,
        "cpu": format_cpu(pool.cpu_m),
        "memory": format_memory(pool.memory_bytes),
        "pods": pool.pods,
        **({"labels": dict(pool.labels)} if pool.labels else {}),
        **({"taints": taints} if taints else {}),
        "resources": {name: str(amount) for name, amount in pool.resources},
        **({"unschedulable": True} if pool.unschedulable else {}),
        **({"names": list(pool.names)} if pool.names else {}),
    }


def _pool(pool: Any) -> NodePool:
    labels, taints, resources = pool.get("labels", {}), pool.get("taints", []), pool.get("resources")
    if not all(isinstance(text, str) for pair in labels.items() for text in pair):
        raise TypeError("labels must be texts")
    made = NodePool(
        pool["count"],
        parse_cpu(pool["cpu"]),
        parse_memory(pool["memory"]),
        pool["pods"],
        labels=tuple(sorted(labels.items())),
        taints=tuple(Taint(str(each["key"]), str(each.get("value", "")), _effect(each["effect"])) for each in taints),
        unschedulable=pool.get("unschedulable") is True,
        names=_names(pool),
    )
    return made if resources is None else replace(made, resources=_amounts(resources))


def _names(pool: Mapping[str, Any]) -> tuple[str, ...]:
    names = pool.get("names") or []
    if not isinstance(names, list) or not all(isinstance(name, str) and NODE_NAME.fullmatch(name) for name in names):
        raise TypeError("names must be those of nodes")
    if names and len(names) != pool["count"]:
        raise ValueError(f"{len(names)} names of {pool['count']} nodes")
    return tuple(names)


def _amounts(resources: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    amounts = tuple((str(name), parse_memory(amount)) for name, amount in resources.items())
    for name, amount in amounts:
        check_range(name[:80], amount, LARGEST, least=0)
    return amounts


def _effect(effect: object) -> str:
    if effect not in EFFECTS:
        raise ValueError(f"a taint's effect must be one of {', '.join(EFFECTS)}")
    return str(effect)
