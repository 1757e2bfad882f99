"""The texts that `-f` names: files, folders, standard input; and what in them has to be rendered first.

A folder is read as kubectl reads it with `-R`: files that end in .yaml, .yml or .json, by name. Hidden files and
folders are not read, nor is what a symbolic link to a folder leads to. Helm charts and kustomizations are not manifests
but make some; nothing is run here, so the command that renders them is said instead.
"""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from env.errors import ManifestError
from env.printable import one_line
from env.snapshot.snapshot import Skipped
from env.trace.document import TRACE_SUFFIXES

MAX_BYTES = 64 * 2**20
MAX_FILES = 10_000
MAX_FOLDERS_DEEP = 32
STDIN = "-"
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
CHART = "Chart.yaml"

_SUFFIXES = (".yaml", ".yml", ".json")
# Files that are no manifests by their names, and what to do with them.
_OTHERS = (
    ((".tgz", ".tar.gz"), "packed; of a Helm chart render it first: helm template {}, and read that with -f -"),
    (TRACE_SUFFIXES, "a trace, which goes to --trace {}"),
    ((".jsonnet", ".libsonnet", ".cue", ".tpl"), "makes manifests; read what its program prints, with -f -"),
)


@dataclass(frozen=True)
class Text:
    """What one file holds.

    Attributes:
        place: Its path, for messages.
        body: Its bytes.
        is_asked: The user named it; else it was found in a folder, where other files may be, too.
    """

    place: str
    body: bytes
    is_asked: bool


def read_texts(paths: Sequence[str]) -> tuple[list[Text], list[Skipped]]:
    """What is in the files, in their order; and the charts and kustomizations in folders, which are left out.

    Raises:
        ManifestError: A path that cannot be read or has to be rendered first, or too much to read.
    """
    texts: list[Text] = []
    skipped: list[Skipped] = []
    left = MAX_BYTES
    if "" in paths:
        raise ManifestError("-f '': the path is empty; is a variable not set?")
    for path in paths:
        for place, is_asked in _places(path, skipped):
            body = _read(place, left)
            left -= len(body)
            texts.append(Text("stdin" if place == STDIN else one_line(place), body, is_asked))
            if len(texts) > MAX_FILES:
                raise ManifestError(f"-f {_shown(path)}: more than {MAX_FILES:,} files; name fewer")
    return texts, skipped


def how_to_render(path: Path) -> str:
    """The command that renders the chart or kustomization that a file or folder is part of; "" if it is of none."""
    for folder in (path, *list(path.parents)[:4]):
        if (folder / CHART).is_file():
            return one_line(f"helm template {shlex.quote(str(folder))}")
        if any((folder / name).is_file() for name in KUSTOMIZATIONS):
            return one_line(f"kubectl kustomize {shlex.quote(str(folder))}")
    return ""


def _places(path: str, skipped: list[Skipped]) -> Iterator[tuple[str, bool]]:
    """The files of a path, and whether they are what the user named."""
    if path == STDIN:
        yield STDIN, True
        return
    if path.startswith(("https://", "http://")):
        raise ManifestError(f"-f {_shown(path)}: nothing is read over the network; run: curl -sSL URL, with -f -")
    given = Path(path)
    if not given.is_dir():
        if given.name in (CHART, *KUSTOMIZATIONS) and given.is_file():
            raise ManifestError(_has_to_be_rendered(str(given), given.parent))
        for suffixes, instead in _OTHERS:
            if given.name.lower().endswith(suffixes):
                raise ManifestError(f"-f {_shown(path)}: {instead.format(shlex.quote(one_line(path, 300)))}")
        yield path, True
        return
    if _kind(given):
        raise ManifestError(_has_to_be_rendered(str(given), given))
    found = False
    for file in _in_folder(given, 0, skipped):
        found = True
        yield str(file), False
    if not found and not skipped:
        raise ManifestError(f"-f {_shown(path)}: holds no file that ends in {', '.join(_SUFFIXES)}")


def _in_folder(folder: Path, depth: int, skipped: list[Skipped]) -> Iterator[Path]:
    if depth > MAX_FOLDERS_DEEP:
        raise ManifestError(f"-f {_shown(str(folder))}: folders within more than {MAX_FOLDERS_DEEP} others")
    try:
        children = sorted(folder.iterdir())
    except OSError as error:
        raise ManifestError(f"-f {_shown(str(folder))}: cannot be read ({error.strerror})") from error
    for child in children:
        if child.name.startswith("."):
            continue
        if child.is_dir():
            if child.is_symlink():
                continue
            if kind := _kind(child):
                skipped.append(Skipped(kind, one_line(str(child)), f"render it first: {how_to_render(child)}"))
            else:
                yield from _in_folder(child, depth + 1, skipped)
        elif child.suffix.lower() in _SUFFIXES and _is_regular(child):
            yield child


def _kind(folder: Path) -> str:
    if (folder / CHART).is_file():
        return "Helm chart"
    return "kustomization" if any((folder / name).is_file() for name in KUSTOMIZATIONS) else ""


def _has_to_be_rendered(path: str, folder: Path) -> str:
    what = "a Helm chart" if _kind(folder) == "Helm chart" else "a kustomization"
    return (
        f"-f {_shown(path)}: {what}, not manifests; render it first: {how_to_render(folder)}, and read that with -f -"
    )


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False  # a link that leads nowhere


def _read(place: str, left: int) -> bytes:
    """The bytes of a file; what the user named may also be a pipe."""
    try:
        if place == STDIN:
            body = sys.stdin.buffer.read(left + 1)
        else:
            with Path(place).open("rb") as file:
                body = file.read(left + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ManifestError(f"-f {_shown(place)}: cannot be read ({reason})") from error
    if len(body) > left:
        raise ManifestError(f"-f {_shown(place)}: more than {MAX_BYTES >> 20} MiB in all; name fewer files")
    return body


def _shown(path: str) -> str:
    return one_line(os.fspath(path), 300)
