"""`-f`: manifests of files, folders and standard input as a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from env.engine.manifests.fields import Manifest
from env.engine.manifests.objects import pod_templates
from env.errors import ManifestError, ScenarioError
from env.printable import one_line
from env.problems.node_manifests import read_nodes
from env.problems.nodes import NodePools
from env.snapshot.amounts import odd_amounts
from env.snapshot.autoscaled import within_autoscalers
from env.snapshot.checks import check_name, check_object, without_image
from env.snapshot.clean import kept_and_unknown
from env.snapshot.files import read_texts
from env.snapshot.kinds import WORKLOADS, why_not
from env.snapshot.owned import made_by, why_gone
from env.snapshot.placed import Placed, placed_objects, template_error
from env.snapshot.pods import Key
from env.snapshot.snapshot import Skipped, Snapshot
from env.snapshot.texts import check_texts
from env.trace.scopes import is_cluster_scoped
from env.untrusted import mapping

DEFAULT_NAMESPACE = "default"

# What is there before pods are made, and before other pods are.
_FIRST = ("Namespace", "PriorityClass", "RuntimeClass", "ResourceQuota", "LimitRange", "ServiceAccount")
_MOST_SHOWN = 3


@dataclass(frozen=True)
class _Named:
    """An object with the name and the namespace that an API server would give it."""

    key: Key
    placed: Placed
    manifest: Manifest


def read_manifests(paths: Sequence[str]) -> Snapshot:
    """The objects and nodes of files, folders and standard input ("-"), without what a trace must not carry.

    An object without a namespace is in `default`, as with kubectl. Of objects of one name the last one counts.

    Raises:
        ManifestError: A path that cannot be read, something that is no manifest or that an API server would refuse,
            with its file and document; or nothing that makes pods.
    """
    texts, skipped = read_texts(paths)
    every = [
        _named(placed, number) for number, placed in enumerate(_taking_part(placed_objects(texts, skipped), skipped))
    ]
    last = _last_of_each(every, skipped)
    there = [each for each in last if not _is_skipped(each, why_gone(each.manifest), skipped)]
    makers = made_by([(each.key, each.manifest) for each in there])
    own = [each for each in there if not _is_skipped(each, _made(makers.get(each.key)), skipped)]
    nodes = _nodes([each for each in own if each.key.kind == "Node"], skipped)
    names = {name for pool in nodes.pools for name in pool.names} if nodes else set()
    objects = [_cleaned(each, names, skipped) for each in own if each.key.kind != "Node"]
    source = ", ".join(one_line(path, 200) for path in paths[:_MOST_SHOWN]) + (" …" if len(paths) > _MOST_SHOWN else "")
    if not any(pod_templates(each) for each in objects):
        raise ManifestError(f"-f {source}: holds nothing that makes pods{_instead(skipped)}")
    try:
        objects = within_autoscalers(objects)
    except ValueError as error:
        raise ManifestError(f"-f {source}: {one_line(str(error))}") from error
    return Snapshot(source, tuple(sorted(objects, key=_rank)), nodes, tuple(skipped))


def _taking_part(placed: Iterable[Placed], skipped: list[Skipped]) -> Iterator[Placed]:
    for each in placed:
        try:
            why = why_not(each.kind, each.manifest["apiVersion"])
        except ManifestError as error:
            raise ManifestError(f"{each.place}: {error}") from error
        if why is None:
            yield each
        else:
            skipped.append(Skipped(one_line(each.kind, 253), _shown_name(each), *why))


def _named(placed: Placed, number: int) -> _Named:
    """The object with its namespace; where it has a `generateName`, with a name of its own."""
    metadata = placed.manifest.get("metadata")
    if not isinstance(metadata, dict):
        raise ManifestError(f"{placed.place}: {placed.kind} without metadata")
    own = dict(metadata)
    if own.get("name") in (None, "") and isinstance(own.get("generateName"), str):
        own["name"] = f"{own['generateName']}{number}"
    own["namespace"] = "" if is_cluster_scoped(placed.manifest) else own.get("namespace") or DEFAULT_NAMESPACE
    for key in ("name", "namespace") if own["namespace"] != "" else ("name",):
        if "{{" in str(own.get(key)):
            raise template_error(placed.place)
        try:
            check_name(own, key)
        except ManifestError as error:
            raise ManifestError(f"{placed.place}: {placed.kind}: {error}") from error
    key_of_it = Key(placed.kind, own["namespace"], own["name"])
    return _Named(key_of_it, placed, {**placed.manifest, "metadata": own})


def _last_of_each(named: Iterable[_Named], skipped: list[Skipped]) -> list[_Named]:
    found: dict[Key, _Named] = {}
    for each in named:
        before = found.get(each.key)
        if before is not None:
            why = f"there are two; that of {each.placed.place} counts, that of {before.placed.place} does not"
            skipped.append(Skipped(each.key.kind, _name(each.key), why))
        found[each.key] = each
    return list(found.values())


def _is_skipped(named: _Named, why: str, skipped: list[Skipped]) -> bool:
    if why:
        skipped.append(Skipped(named.key.kind, _name(named.key), why, matters=False))
    return bool(why)


def _made(maker: Key | None) -> str:
    return "" if maker is None else f"is made by {maker}"


def _nodes(named: list[_Named], skipped: list[Skipped]) -> NodePools | None:
    """The nodes of Node objects; a manifest that only registers a Node does not say how large it is."""
    found = []
    for each in named:
        status = mapping(each.manifest.get("status"))
        if status.get("allocatable") or status.get("capacity"):
            found.append(each)
        else:
            skipped.append(Skipped("Node", each.key.name, "does not say what it can allocate (status.allocatable)"))
    try:
        return read_nodes([each.manifest for each in found]) if found else None
    except ScenarioError as error:
        places = ", ".join(dict.fromkeys(each.placed.place.partition(", document")[0] for each in found[:_MOST_SHOWN]))
        raise ManifestError(f"{places}: {error}") from error


def _cleaned(named: _Named, nodes: set[str], skipped: list[Skipped]) -> Manifest:
    """The object as a trace holds it; fields that Kubernetes does not know are said."""
    try:
        kept, unknown = kept_and_unknown(_unbound(named.manifest, nodes))
        if _holds_template(kept):
            raise template_error(named.placed.place)
        check_object(kept)
        check_texts(named.manifest)
    except (ManifestError, ValueError) as error:
        text = str(error).removeprefix(f"{named.placed.place}: ")
        what = "" if text.startswith(named.key.kind) else f"{named.key.kind} {_name(named.key)}: "
        hint = "; fill in its variables first" if "${" in text else ""
        raise ManifestError(one_line(f"{named.placed.place}: {what}{text}{hint}")) from error
    if imageless := without_image(kept):
        why = f"container {imageless[0]} has no image, so that an API server refuses it; the replay takes it"
        skipped.append(Skipped(named.key.kind, _name(named.key), why))
    if named.key.kind == "CronJob" and not mapping(kept.get("spec")).get("suspend"):
        why = "makes its pods at its own times; a replay of one moment has none, so they are not judged"
        skipped.append(Skipped(named.key.kind, _name(named.key), why))
    for why in islice(odd_amounts(kept), _MOST_SHOWN):
        skipped.append(Skipped(named.key.kind, _name(named.key), one_line(why, 300)))
    for field in unknown[:_MOST_SHOWN]:
        why = f"{one_line(field, 200)}: Kubernetes knows no such field; it counts for nothing"
        skipped.append(Skipped(named.key.kind, _name(named.key), why))
    return kept


def _unbound(manifest: Manifest, nodes: set[str]) -> Manifest:
    """A Pod that was read from a cluster, without the node that it had there, unless that is among the nodes."""
    spec = manifest.get("spec")
    if manifest["kind"] != "Pod" or not isinstance(spec, dict) or spec.get("nodeName") in nodes:
        return manifest
    if "nodeName" not in spec or not mapping(manifest.get("status")).get("phase"):
        return manifest
    return {**manifest, "spec": {key: value for key, value in spec.items() if key != "nodeName"}}


def _holds_template(value: Any) -> bool:
    match value:
        case dict():
            return any(map(_holds_template, value.values()))
        case list():
            return any(map(_holds_template, value))
    return isinstance(value, str) and "{{" in value


def _rank(manifest: Manifest) -> int:
    """What is first in a trace; objects of one rank stay in the order of the files."""
    if manifest["kind"] in _FIRST:
        return _FIRST.index(manifest["kind"])
    return len(_FIRST) + (0 if manifest["kind"] not in WORKLOADS else 1 if manifest["kind"] == "DaemonSet" else 2)


def _name(key: Key) -> str:
    return f"{key.namespace}/{key.name}" if key.namespace else key.name


def _shown_name(placed: Placed) -> str:
    """The name of an object that is skipped, which may be anything."""
    parts = (placed.metadata.get(each) for each in ("namespace", "name"))
    found = "/".join(str(part) for part in parts if isinstance(part, str | int) and part)
    return one_line(found or str(placed.metadata.get("generateName") or "without a name"), 253)


def _instead(skipped: list[Skipped]) -> str:
    """What there is, where there is nothing to replay."""
    shown = [str(each) for each in sorted(skipped, key=lambda each: not each.matters)[:_MOST_SHOWN]]
    more = len(skipped) - len(shown)
    return "".join(f"; {each}" for each in shown) + (f"; and {more} more" if more else "")
