"""Where a command learns what containers use: a file, the annotation, Prometheus, or a cluster's metrics API."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from env.errors import ConfigError
from runner.options import completion

if TYPE_CHECKING:
    from env.kube.client import KubeApi
    from env.snapshot.now import WorkloadNow
    from env.usage.killed import Killed
    from env.usage.owners import Owner
    from env.usage.prometheus_reading import Say
    from env.usage.usage import ContainerKey, Usage

DEFAULT_RANGE = "7d"
_HINT = "of --range 14d and more, memory is tested week by week"


@dataclass(frozen=True, kw_only=True)
class UsageChoice:
    """What is read about use.

    usage = choice.read(objects)                             # of manifests or a trace
    usage = choice.read(snapshot.objects, api=api, now=snapshot.now)      # of a cluster

    Raises:
        ConfigError: An option about Prometheus, and no Prometheus.
    """

    panel: ClassVar[str] = "Usage"

    usage: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What containers use: samples or peaks as CSV, a Prometheus range answer as JSON. It is believed "
            "before all else.",
            autocompletion=completion.files,
        ),
    ] = None
    prometheus: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Ask this Prometheus, or a server that answers as one. Credentials: SIM_ARENA_PROMETHEUS_TOKEN, or "
            "…_USERNAME and …_PASSWORD, in the environment.",
        ),
    ] = None
    range: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help=f"Over so long a time, 1h to 90d; of 14d and more with a backtest. Default: {DEFAULT_RANGE}.",
        ),
    ] = None
    prometheus_label: Annotated[
        tuple[str, ...],
        typer.Option(
            metavar="KEY=VALUE", help="Series with this label only, such as cluster=prod. May be given again."
        ),
    ] = ()
    prometheus_ca: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Certificates of the authority that signed the server's.",
            autocompletion=completion.files,
        ),
    ] = None

    def __post_init__(self) -> None:
        labels = {f"--prometheus-label {each}": True for each in self.prometheus_label}
        about = {
            f"--range {self.range}": self.range,
            **labels,
            f"--prometheus-ca {self.prometheus_ca}": self.prometheus_ca,
        }
        for option, value in about.items():
            if value and self.prometheus is None:
                raise ConfigError(f"{option}: needs --prometheus URL")

    @property
    def is_given(self) -> bool:
        """Whether an option names a source."""
        return self.usage is not None or self.prometheus is not None

    def read(
        self,
        objects: Sequence[Any],
        *,
        api: KubeApi | None = None,
        namespaces: Sequence[str] = (),
        now: Iterable[WorkloadNow] = (),
        say: Say | None = None,
        only: Owner | None = None,
    ) -> Usage:
        """What the containers of these objects use: by the file, else their annotation, else as it was measured.

        Args:
            objects: Workloads, and autoscalers of theirs.
            api: The cluster that they run on. Its metrics API is asked where there is no Prometheus.
            namespaces: Those of the cluster that may be read; none: all.
            now: How the cluster says that they are: which containers were OOM-killed.
            say: Told how far Prometheus is asked.
            only: The one workload that is meant, of which a file's samples without names are.

        Raises:
            ConfigError: A file or an option that cannot be read; or Prometheus has the workloads in several clusters.
            ClusterError: Prometheus gives no answer.
        """
        from env.usage.autoscaled import with_autoscalers
        from env.usage.containers import container_keys
        from env.usage.demand import usage_of_annotations
        from env.usage.usage import Usage
        from env.usage.usage_file import read_usage_file

        asked = container_keys(objects)
        found = read_usage_file(self.usage, asked, only) if self.usage else Usage(missing=asked)
        found = found.before(usage_of_annotations(objects))
        if found.missing:
            found = found.before(self._measured(asked, api, namespaces, killed_of(objects, now), say))
        return with_autoscalers(found, objects)

    def _measured(
        self,
        asked: Sequence[ContainerKey],
        api: KubeApi | None,
        namespaces: Sequence[str],
        killed: Killed,
        say: Say | None,
    ) -> Usage:
        if self.prometheus is not None:
            from env.usage.prometheus import read_prometheus
            from env.usage.prometheus_http import Credentials, connect_prometheus
            from env.usage.prometheus_queries import parse_label
            from env.usage.prometheus_reading import silent
            from env.usage.series import LEAST_WEEKS_S
            from env.usage.usage_file import parse_window

            range_s = parse_window(self.range or DEFAULT_RANGE, "--range")
            labels = [parse_label(each) for each in self.prometheus_label]
            server = connect_prometheus(self.prometheus, Credentials.of_environment(), ca_file=self.prometheus_ca)
            try:
                found = read_prometheus(
                    server,
                    asked,
                    range_s=range_s,
                    now=time.time(),
                    labels=labels,
                    killed=killed,
                    say=say or silent,
                )
                return (
                    found if range_s >= LEAST_WEEKS_S or not found.uses else replace(found, notes=(*found.notes, _HINT))
                )
            finally:
                server.pool.clear()
        if api is not None:
            from env.usage.metrics_api import read_metrics_api

            return read_metrics_api(api, asked, namespaces=namespaces, killed=killed)
        from env.usage.usage import Usage

        return Usage(missing=tuple(asked))


def killed_of(objects: Sequence[Any], now: Iterable[WorkloadNow]) -> Killed:
    """Containers that a cluster says were OOM-killed, with the memory limits that they have."""
    from env.usage.containers import containers, limits_of

    ends = {(*each.key, container) for each in now for container in each.oom_killed}
    every = (pair for each in objects for pair in containers(each)) if ends else ()
    return {key: limits_of(container).memory_bytes for key, container in every if tuple(key) in ends}
