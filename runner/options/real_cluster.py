"""A real cluster that a command reads: that of the current kubeconfig, or another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from runner.options import completion

if TYPE_CHECKING:
    from env.kube.client import KubeApi

_REQUEST_TIMEOUT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class RealCluster:
    """The cluster, and what is read of it."""

    panel: ClassVar[str] = "Cluster"

    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A kubeconfig file. Default: KUBECONFIG, ~/.kube/config.",
            autocompletion=completion.files,
        ),
    ] = None
    kube_context: Annotated[str | None, typer.Option(metavar="NAME", help="Its context. Default: the current one.")] = (
        None
    )
    namespace: Annotated[
        tuple[str, ...],
        typer.Option(metavar="NAME", help="Read this one only; may be given again. kube-system is changed only so."),
    ] = ()

    @property
    def where(self) -> tuple[str, ...]:
        """Arguments of kubectl that choose this cluster; none for the current one."""
        file = ("--kubeconfig", str(self.kubeconfig)) if self.kubeconfig else ()
        return (*file, *(("--context", self.kube_context) if self.kube_context else ()))

    @contextmanager
    def opened(self) -> Iterator[tuple[KubeApi, str]]:
        """Its API server, and the name of the context.

        Raises:
            ConfigError: No kubeconfig, no such context, or a damaged one.
        """
        from env.kube.connect import connect, context_name

        file = str(self.kubeconfig) if self.kubeconfig else None
        api = replace(connect(self.kube_context, kubeconfig=file), request_timeout_s=_REQUEST_TIMEOUT_S)
        try:
            yield api, context_name(self.kube_context, kubeconfig=file)
        finally:
            api.close()
