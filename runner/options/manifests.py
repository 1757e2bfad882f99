"""Manifests in place of a trace."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from runner.options import completion

if TYPE_CHECKING:
    from env.snapshot.snapshot import Snapshot
    from env.trace.document import Trace

logger = logging.getLogger(__name__)

STDIN = "-"
_MOST_SAID = 5


@dataclass(frozen=True, kw_only=True)
class ManifestsChoice:
    """Kubernetes manifests, as kubectl takes them."""

    panel: ClassVar[str] = "Workload"

    filename: Annotated[
        tuple[str, ...],
        typer.Option(
            "--filename",
            "-f",
            metavar="PATH",
            help="Manifests: a file, a folder, or - for standard input. May be given again.",
            autocompletion=completion.files,
        ),
    ] = ()

    @cached_property
    def snapshot(self) -> Snapshot | None:
        """What they hold; None where none are given. Standard input is read once.

        Raises:
            ManifestError: They cannot be read.
        """
        from env.snapshot import read_manifests

        return read_manifests(self.filename) if self.filename else None

    def trace(self) -> Trace | None:
        """A trace of them, None where none are given; logs what is not part of it and may matter.

        Raises:
            ManifestError: They cannot be read.
        """
        from env.snapshot import trace_of

        if self.snapshot is None:
            return None
        left = [str(each) for each in self.snapshot.skipped if each.matters]
        if left:
            more = f"; and {len(left) - _MOST_SAID} more" if len(left) > _MOST_SAID else ""
            logger.warning(
                "manifests %s: not in the replay: %s%s", self.snapshot.source, "; ".join(left[:_MOST_SAID]), more
            )
        return trace_of(self.snapshot)
