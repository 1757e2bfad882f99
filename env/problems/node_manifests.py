"""Nodes from a file of Node manifests, as `kubectl get nodes -o yaml` prints them.

What the scheduler looks at is read: allocatable, labels, taints, and whether the node is cordoned. What is allocatable
defaults to the capacity (kubernetes 1.36 `pkg/apis/core/v1/defaults.go`, `SetDefaults_NodeStatus`). The file is not
trusted: sizes and numbers are bounded, and an error names the node and the field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from env.engine.manifests.fields import Manifest, as_flag, as_map, as_maps, as_text
from env.engine.manifests.labels import HOSTNAME, QUALIFIED_NAME
from env.engine.manifests.resource_names import is_counted
from env.engine.manifests.terms import Taint
from env.errors import QuantityError, ScenarioError
from env.problems.nodes import MAX_NODES, NodePool, NodePools
from env.quantity import parse_cpu, parse_memory
from env.yaml_text import UnreadableText, read_documents

MAX_FILE_BYTES = 64 * 2**20
MAX_ENTRIES = 1_000
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")

NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", re.ASCII)


def read_node_file(path: Path) -> NodePools:
    """The nodes of a file: YAML or JSON, one document or several, each a Node or a List of them.

    Raises:
        ScenarioError: Unreadable, too large, or not nodes; names node and field.
    """
    return read_nodes(_manifests(path))


def read_nodes(manifests: Iterable[Manifest]) -> NodePools:
    """The nodes of Node manifests.

    Raises:
        ScenarioError: None, or not nodes; names node and field.
    """
    pools = [node_pool(manifest, number) for number, manifest in enumerate(manifests, start=1)]
    if not pools:
        raise ScenarioError("holds no nodes; kubectl get nodes -o yaml prints them")
    return NodePools(tuple(joined_nodes(pools)))


def check_label(key: str, value: str, what: str = "label") -> None:
    """ScenarioError unless Kubernetes takes it as a label."""
    if QUALIFIED_NAME.fullmatch(key) is None:
        raise ScenarioError(f"{what} {key!r:.80}: not a name such as disktype or example.com/disktype")
    if _VALUE.fullmatch(value) is None:
        raise ScenarioError(f"{what} {key}={value!r:.80}: a value is up to 63 letters, digits, '-', '_' and '.'")


def _manifests(path: Path) -> Iterator[Manifest]:
    for document in _documents(path):
        kind = document.get("kind") if isinstance(document, dict) else None
        if isinstance(document, dict) and isinstance(kind, str) and kind.endswith("List"):
            try:
                yield from as_maps(document, "items", 10 * MAX_NODES)
            except ValueError as error:
                raise ScenarioError(str(error)) from error
        elif isinstance(document, dict):
            yield document
        else:
            raise ScenarioError(f"holds a {type(document).__name__}, not Node manifests")


def _documents(path: Path) -> list[Any]:
    try:
        with path.open("rb") as file:
            body = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ScenarioError(f"cannot be read ({error.strerror})") from error
    if len(body) > MAX_FILE_BYTES:
        raise ScenarioError(f"larger than {MAX_FILE_BYTES >> 20} MiB; take fewer nodes")
    try:
        return [document for _, document in read_documents(body)]
    except UnreadableText as error:
        raise ScenarioError(f"neither YAML nor JSON ({error})") from error


def node_pool(manifest: Manifest, number: int = 1) -> NodePool:
    """A pool of one.

    Args:
        manifest: Of a Node.
        number: Which one it is, for messages about one without a name.

    Raises:
        ScenarioError: Not a node; names node and field.
    """
    what = f"node {number}"
    try:
        if manifest.get("kind") != "Node":
            raise ScenarioError(f"is a {manifest.get('kind')!r:.80}, not a Node")
        metadata = as_map(manifest, "metadata")
        name = as_text(metadata, "name")
        if NODE_NAME.fullmatch(name) is None:
            raise ScenarioError(f"metadata.name {name!r:.80}: not a node's name")
        what = f"node {name}"
        return _node(name, metadata, as_map(manifest, "spec"), as_map(manifest, "status"))
    except (ScenarioError, QuantityError, ValueError) as error:
        raise ScenarioError(f"{what}: {error}") from error


def _node(name: str, metadata: Manifest, spec: Manifest, status: Manifest) -> NodePool:
    room = as_map(status, "allocatable") or as_map(status, "capacity")
    labels = dict(as_map(metadata, "labels"))
    taints = as_maps(spec, "taints")
    for what, entries in (("status.allocatable", room), ("metadata.labels", labels), ("spec.taints", taints)):
        if len(entries) > MAX_ENTRIES:
            raise ScenarioError(f"{what}: more than {MAX_ENTRIES} entries")
    for key, value in labels.items():
        if not isinstance(value, str):
            raise ScenarioError(f"metadata.labels.{key}: {value!r:.80} is not text; put it in quotes")
        check_label(str(key), value, "metadata.labels:")
    if labels.get(HOSTNAME) == name:
        del labels[HOSTNAME]
    missing = [each for each in ("cpu", "memory", "pods") if each not in room]
    if missing:
        raise ScenarioError(f"status.allocatable: lacks {', '.join(missing)}")
    known = {key: value for key, value in room.items() if key in ("cpu", "memory", "pods") or is_counted(key)}
    sizes = {key: _amount(key, value) for key, value in known.items()}
    return NodePool(
        1,
        sizes.pop("cpu"),
        sizes.pop("memory"),
        sizes.pop("pods"),
        resources=tuple(sorted((key, amount) for key, amount in sizes.items() if amount)),
        labels=tuple(sorted(labels.items())),
        taints=tuple(_taint(taint) for taint in taints),
        unschedulable=as_flag(spec, "unschedulable"),
        names=(name,),
    )


def _amount(name: str, value: Any) -> int:
    try:
        return parse_cpu(value) if name == "cpu" else parse_memory(value)
    except QuantityError as error:
        raise ScenarioError(f"status.allocatable.{name:.80}: {error}") from error


def _taint(taint: Manifest) -> Taint:
    key, value, effect = as_text(taint, "key"), as_text(taint, "value"), as_text(taint, "effect")
    check_label(key, value, "spec.taints: taint")
    if effect not in EFFECTS:
        raise ScenarioError(f"spec.taints: {key}: effect {effect!r:.80}: must be one of {', '.join(EFFECTS)}")
    return Taint(key, value, effect)


def joined_nodes(nodes: list[NodePool]) -> Iterator[NodePool]:
    """Pools of one as pools of many: equal nodes that follow one another as one pool each, so that the order stays."""
    if len(nodes) > MAX_NODES:
        raise ScenarioError(f"{len(nodes):,} nodes: must be 1 to {MAX_NODES:,}")
    for like, group in groupby(nodes, key=lambda node: replace(node, names=())):
        names = tuple(name for node in group for name in node.names)
        yield replace(like, count=len(names), names=names)
