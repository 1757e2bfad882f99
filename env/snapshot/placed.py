"""Texts to Kubernetes objects, each with its place: documents, Lists, and what is no object at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.engine.manifests.fields import Manifest
from env.errors import ManifestError
from env.snapshot.files import Text, how_to_render
from env.snapshot.snapshot import Skipped
from env.yaml_text import UnreadableText, read_documents

MAX_OBJECTS = 100_000
_LISTS_DEEP = 4
_NEAR = 3  # lines


@dataclass(frozen=True)
class Placed:
    """An object as it was written, and where: "deploy/web.yaml, document 2"."""

    place: str
    manifest: Manifest

    @property
    def kind(self) -> str:
        """As in the manifest."""
        return str(self.manifest["kind"])

    @property
    def metadata(self) -> Manifest:
        """Its metadata; empty where there are none."""
        found = self.manifest.get("metadata")
        return found if isinstance(found, dict) else {}


def placed_objects(texts: list[Text], skipped: list[Skipped]) -> list[Placed]:
    """The objects in all texts, Lists taken apart; files without any are added to `skipped`.

    Raises:
        ManifestError: Not a manifest; says where, and why.
    """
    found: list[Placed] = []
    for text in texts:
        for placed in _in_text(text, skipped):
            found.append(placed)
            if len(found) > MAX_OBJECTS:
                raise ManifestError(f"{placed.place}: more than {MAX_OBJECTS:,} objects in all")
    return found


def template_error(place: str) -> ManifestError:
    """What to say of a file that is a template."""
    file = place.partition(", document ")[0]
    command = "" if file == "stdin" else how_to_render(Path(file))
    if not command.startswith("helm"):
        command = "helm template CHART"
    return ManifestError(f"{place}: a template with {{{{ in it; render it first: {command}, and read that with -f -")


def _in_text(text: Text, skipped: list[Skipped]) -> Iterator[Placed]:
    try:
        documents = read_documents(text.body)
    except UnreadableText as error:
        place = f"{text.place}, {error}"
        if _is_template(text.body, error.line):
            raise template_error(f"{text.place}, {str(error).partition(': ')[0]}") from None
        if not text.is_asked and not (b"apiVersion" in text.body and b"kind" in text.body):
            skipped.append(Skipped("file", text.place, "is neither YAML nor JSON, and no manifest", matters=False))
            return
        raise ManifestError(place) from None
    if not text.is_asked and not any(
        isinstance(each, dict) and {"apiVersion", "kind"} & set(each) for _, each in documents
    ):
        if documents:
            skipped.append(Skipped("file", text.place, "holds no Kubernetes object", matters=False))
        return
    for number, document in documents:
        yield from _objects(document, f"{text.place}, document {number}", "", _LISTS_DEEP)


def _is_template(body: bytes, line: int | None) -> bool:
    """Whether `{{` is what a YAML reader stumbled at; in a text elsewhere it may stand for anything."""
    lines = body.splitlines()
    near = lines if line is None else lines[max(0, line - _NEAR) : line + 1]
    return any(b"{{" in each for each in near)


def _objects(document: Any, place: str, within: str, depth: int) -> Iterator[Placed]:
    """An object, or those of a List. `within`: the API version and kind that items of a typed list may leave out."""
    if within and isinstance(document, dict):
        version, _, kind = within.rpartition(" ")
        document = {"apiVersion": version, "kind": kind, **document}
    _check_object(document, place)
    kind = document["kind"]
    if not kind.endswith("List") or "items" not in document:
        yield Placed(place, document)
        return
    items = document["items"] if document["items"] is not None else []
    if not isinstance(items, list):
        raise ManifestError(f"{place}: {kind:.80}: items: must be a list")
    if depth == 0:
        raise ManifestError(f"{place}: Lists within more than {_LISTS_DEEP} others")
    own = "" if kind == "List" else f"{document['apiVersion']} {kind.removesuffix('List')}"
    for number, item in enumerate(items):
        yield from _objects(item, f"{place}, items[{number}]", own, depth - 1)


def _check_object(document: Any, place: str) -> None:
    """ManifestError unless it is a map with an API version and a kind."""
    if not isinstance(document, dict):
        what = "a list" if isinstance(document, list) else "a text" if isinstance(document, str) else "a single value"
        raise ManifestError(f"{place}: {what}, not a Kubernetes object")
    missing = [key for key in ("apiVersion", "kind") if document.get(key) in (None, "")]
    if missing:
        raise ManifestError(f"{place}: not a Kubernetes object: it has no {' and no '.join(missing)}{_looks(document)}")
    for key in ("apiVersion", "kind"):
        if not isinstance(document[key], str) or len(document[key]) > 253:
            raise ManifestError(f"{place}: {key} {document[key]!r:.80}: must be text")
        if "{{" in document[key]:
            raise template_error(place)


def _looks(document: Manifest) -> str:
    """What it may be instead."""
    if "services" in document:
        return "; a Compose file is made into manifests by: kompose convert"
    if "LAST DEPLOYED" in document:
        return "; `helm template` prints manifests and nothing else"
    if {"version", "events"} <= set(document):
        return "; a trace in JSON? SimKube's traces are MessagePack, and go to --trace"
    return ""
