"""A real cluster that a doctor examines: that of the current kubeconfig, or another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import typer

from runner.options.live import LiveChoice


@dataclass(frozen=True, kw_only=True)
class RealCluster:
    """The cluster, and what is read of it."""

    panel: ClassVar[str] = "Cluster"

    live: LiveChoice = field(default_factory=LiveChoice)
    namespace: Annotated[
        tuple[str, ...],
        typer.Option(metavar="NAME", help="Read this one only; may be given again. kube-system is changed only so."),
    ] = ()
