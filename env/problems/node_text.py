"""Nodes, labels and taints as people write them on a command line or in a config.

3                            three nodes of the default size
3x16:32Gi                    three that can allocate 16 CPU and 32Gi
3xm6i.xlarge,2xg5.xlarge     of instance types; several pools
nodes.yaml                   Node manifests, see `node_manifests`
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from env.engine.manifests.labels import HOSTNAME
from env.engine.manifests.terms import Taint
from env.errors import ScenarioError
from env.problems.instance_types import typed_pool
from env.problems.node_manifests import EFFECTS, check_label, read_node_file
from env.problems.nodes import MAX_NODES, NodePool, NodePools
from env.quantity import MIB, parse_cpu, parse_memory

FORMS = "a number (3), pools (3x16:32Gi,2xm6i.xlarge), or a file of Node manifests"

_COUNT = re.compile(r"[0-9]+", re.ASCII)
_POOL = re.compile(r"(?P<count>[0-9]+)x(?P<size>[^,]+)", re.ASCII)
_FILES = (".yaml", ".yml", ".json")
_OWN_LABELS = {HOSTNAME: "every node has its own", "type": "virtual nodes have type=virtual"}


def is_count(text: str) -> bool:
    """Whether it is a number of nodes and no more."""
    return _COUNT.fullmatch(text) is not None


def names_file(text: str) -> bool:
    """Whether it stands for a file, by its looks or because there is one."""
    if "/" in text or text.lower().endswith(_FILES):
        return True
    return not is_count(text) and _POOL.fullmatch(text.partition(",")[0]) is None and Path(text).is_file()


def parse_nodes(text: str, default: NodePool | None = None) -> NodePools:
    """Nodes in one of the forms above.

    Args:
        default: The size of nodes of which only the number is said.

    Raises:
        ScenarioError, QuantityError: Not one of them; says which part is wrong.
    """
    if is_count(text):
        return NodePools((replace(default or NodePool(), count=_count(text)),))
    if names_file(text):
        return read_node_file(Path(text))
    if not text[:1].isdigit():
        raise ScenarioError(f"expected {FORMS}")
    return NodePools(tuple(_pool(part) for part in text.split(",")))


def parse_labels(texts: Iterable[str]) -> dict[str, str]:
    """Labels as KEY=VALUE; ScenarioError if one is not, or is the same on every node."""
    labels: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ScenarioError(f"label {text!r:.80}: expected KEY=VALUE, for example disktype=ssd")
        if key in _OWN_LABELS:
            raise ScenarioError(f"label {key}: cannot be given, {_OWN_LABELS[key]}")
        if key in labels:
            raise ScenarioError(f"label {key}: given twice")
        check_label(key, value)
        labels[key] = value
    return labels


def parse_taints(texts: Iterable[str]) -> tuple[Taint, ...]:
    """Taints as kubectl has them, KEY=VALUE:EFFECT or KEY:EFFECT; ScenarioError if one is not."""
    taints: dict[tuple[str, str], Taint] = {}
    for text in texts:
        label, colon, effect = text.rpartition(":")
        key, _, value = label.partition("=")
        if not colon or effect not in EFFECTS:
            known = ", ".join(EFFECTS)
            raise ScenarioError(f"taint {text!r:.80}: expected KEY=VALUE:EFFECT, the effect one of {known}")
        check_label(key, value, "taint")
        if (key, effect) in taints:
            raise ScenarioError(f"taint {key}:{effect}: given twice")
        taints[key, effect] = Taint(key, value, effect)
    return tuple(taints.values())


def _pool(text: str) -> NodePool:
    match = _POOL.fullmatch(text)
    if match is None:
        raise ScenarioError(f"pool {text!r:.80}: expected COUNTxCPU:MEMORY or COUNTxTYPE, as in 3x16:32Gi,2xm6i.xlarge")
    count, size = _count(match["count"]), match["size"]
    cpu, colon, memory = size.partition(":")
    if not colon and not size[:1].isdigit():
        return typed_pool(count, size)
    if not colon:
        raise ScenarioError(f"size {size!r:.80}: expected CPU:MEMORY, for example 16:32Gi, or an instance type")
    if memory.isdecimal() and parse_memory(memory) < MIB:
        raise ScenarioError(f"size {size!r:.80}: memory {memory} is in bytes; write {memory}Gi for GiB")
    return NodePool(count, parse_cpu(cpu), parse_memory(memory))


def _count(text: str) -> int:
    """A number of nodes; too many digits are too many nodes."""
    number = int(text[-20:]) if len(text.lstrip("0")) <= 20 else MAX_NODES + 1
    if not 1 <= number <= MAX_NODES:
        raise ScenarioError(f"{text:.40} nodes: must be 1 to {MAX_NODES:,}")
    return number
