"""Where traces are replayed, as the options of a command say it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from env.errors import ConfigError, SimArenaError

if TYPE_CHECKING:
    from env.cluster import Cluster
    from env.simkube.traces import TraceStore

CLUSTERS = ("embedded", "simkube")
TRACE_DIR = "/tmp/kind-node-data:/data"  # noqa: S108  (what SimKube's own guide mounts into kind's nodes)

OpenBucket = Callable[[str], "TraceStore"]
"""Makes the store behind an s3:// URL. It comes from a room that may talk to S3."""


@dataclass(frozen=True)
class ClusterChoice:
    """The cluster that a command asks for.

    Attributes:
        cluster: One of CLUSTERS.
        kube_context: The kubeconfig's context; None: the current one.
        trace_dir: A folder here and, after a colon, as the cluster's nodes have it mounted.
        trace_bucket: An s3:// URL instead of the folder.
        simkube: Settings by name, see `env.simkube.settings.SimKubeSettings`.

    Raises:
        ConfigError: An unknown cluster, or an option that the embedded one has no use for.
    """

    cluster: str = "embedded"
    kube_context: str | None = None
    trace_dir: str = TRACE_DIR
    trace_bucket: str | None = None
    simkube: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.cluster not in CLUSTERS:
            raise ConfigError(f"--cluster {self.cluster}: unknown; choose from {', '.join(CLUSTERS)}")
        given = [option.name for option in fields(self)[1:] if getattr(self, option.name) != _default(option)]
        if given and self.cluster == "embedded":
            raise ConfigError(f"--{given[0].replace('_', '-')}: needs --cluster simkube")

    @contextmanager
    def opened(self, open_bucket: OpenBucket | None = None) -> Iterator[Cluster | None]:
        """The cluster until the end of the block; None: everybody makes an embedded one.

        Raises:
            ConfigError: A setting that does not fit.
            ClusterError: No kubeconfig, or the last simulation does not end.
        """
        if self.cluster == "embedded":
            yield None
            return
        cluster = self._simkube(open_bucket)
        try:
            yield cluster
        except BaseException:
            with suppress(SimArenaError):  # what went wrong says more than what goes wrong after it
                cluster.close()
            raise
        cluster.close()

    def _simkube(self, open_bucket: OpenBucket | None) -> Cluster:
        from env.kube.connect import connect
        from env.simkube.cluster import SimKubeCluster
        from env.simkube.settings import SimKubeSettings
        from runner.commands.console import err

        settings = SimKubeSettings.read(self.simkube)
        traces = self._traces(open_bucket)
        api = connect(self.kube_context)
        api.get("/version")  # a server that is not there is told at once, not after the time limit of the first wait
        here = self.trace_dir.rpartition(":")[0]
        if self.trace_bucket is None and not Path(here).is_dir():
            raise ConfigError(f"--trace-dir {self.trace_dir}: trace folder {here}: No such file or directory")
        err.print(f"traces are replayed by {api.host}; a step takes about a minute", markup=False, highlight=False)
        return SimKubeCluster(api, traces, settings, say=lambda line: err.print(line, markup=False, highlight=False))

    def _traces(self, open_bucket: OpenBucket | None) -> TraceStore:
        from env.simkube.traces import NodeFolder

        if self.trace_bucket is not None:
            if open_bucket is None:
                raise ConfigError(f"--trace-bucket {self.trace_bucket}: this program cannot write to S3")
            return open_bucket(self.trace_bucket)
        here, _, node = self.trace_dir.rpartition(":")
        if not here or not node.startswith("/"):
            raise ConfigError(f"--trace-dir {self.trace_dir}: must be HERE:NODE, for example {TRACE_DIR}")
        return NodeFolder(Path(here), node)


def _default(option: Field[Any]) -> Any:
    return option.default if option.default_factory is MISSING else option.default_factory()
