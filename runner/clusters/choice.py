"""`--cluster` and the options of each backend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Annotated, ClassVar, Protocol

import typer

from env.errors import ConfigError, SimArenaError, nearest
from runner.clusters.embedded import Embedded
from runner.clusters.simkube import OpenBucket, SimKube
from runner.options import completion
from runner.options.flatten import changed

if TYPE_CHECKING:
    from env.cluster import Cluster

EMBEDDED = "embedded"


class Backend(Protocol):
    """A backend with its options."""

    def open(self, open_bucket: OpenBucket | None) -> Cluster | None:
        """The cluster; None: every environment makes an embedded one.

        Args:
            open_bucket: makes the store behind an s3:// URL; None in a program that may not talk to S3.

        Raises:
            ConfigError: an option that does not fit.
            ClusterError: there is no such cluster.
        """


@dataclass(frozen=True, kw_only=True)
class ClusterChoice:
    """The cluster that a command asks for. A backend is a field: its name, and its options.

    Raises:
        ConfigError: an unknown cluster.
    """

    panel: ClassVar[str] = "Cluster"

    cluster: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Where traces are replayed: embedded, in this process; simkube, on a real Kubernetes.",
            autocompletion=lambda incomplete: completion.of(CLUSTERS)(incomplete),
        ),
    ] = EMBEDDED
    embedded: Embedded = field(default_factory=Embedded)
    simkube: SimKube = field(default_factory=SimKube)

    def __post_init__(self) -> None:
        if self.cluster not in CLUSTERS:
            raise ConfigError(f"--cluster {self.cluster}: unknown; {nearest(self.cluster, CLUSTERS)}")

    def check(self) -> None:
        """Refuse options of other backends than the chosen one."""
        for name in CLUSTERS:
            for option in changed(getattr(self, name)) if name != self.cluster else ():
                raise ConfigError(f"{option}: needs --cluster {name}")

    @contextmanager
    def opened(self, open_bucket: OpenBucket | None = None) -> Iterator[Cluster | None]:
        """The cluster until the end of the block; None: every environment makes an embedded one.

        Raises:
            ConfigError: an option that does not fit.
            ClusterError: no kubeconfig, or the last simulation does not end.
        """
        self.check()
        backend: Backend = getattr(self, self.cluster)
        cluster = backend.open(open_bucket)
        try:
            yield cluster
        except BaseException:
            with suppress(SimArenaError):  # what went wrong says more than what goes wrong after it
                if cluster is not None:
                    cluster.close()
            raise
        if cluster is not None:
            cluster.close()


CLUSTERS = tuple(each.name for each in fields(ClusterChoice) if each.name != "cluster")
"""Names of the backends."""
