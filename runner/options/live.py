"""The API server that a command reads: that of the current kubeconfig, or another."""

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
class LiveChoice:
    """Which cluster.

    with live.opened() as (api, context):
        snapshot = read_cluster(api, f"context {context}", namespaces)
    """

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


def read_only_line(context: str, host: str, namespaces: tuple[str, ...]) -> str:
    """What a command that reads a cluster says first."""
    where = f"namespace {', '.join(namespaces)}" if namespaces else "all namespaces"
    return f"context {context} ({host}), {where}, read only"
