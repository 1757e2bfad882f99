"""SimKube on a real Kubernetes: its options, and how it is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from env.errors import ConfigError

if TYPE_CHECKING:
    from env.cluster import Cluster
    from env.simkube.traces import NodeFolder, TraceStore

OpenBucket = Callable[[str], "TraceStore"]
"""Makes the store behind an s3:// URL. It comes from a room that may talk to S3."""

TRACE_DIR = "/tmp/kind-node-data:/data"  # noqa: S108  (what SimKube's own guide mounts into kind's nodes)

KubeContext = Annotated[
    str | None, typer.Option(metavar="NAME", help="Context of the kubeconfig. Default: the current one.")
]
TraceBucket = Annotated[
    str | None, typer.Option(metavar="s3://…", help="Hand traces over in s3://BUCKET/PREFIX instead (simkube).")
]
TraceDir = Annotated[
    str, typer.Option(metavar="HERE:NODE", help="Folder for traces, here and as the nodes have it mounted (simkube).")
]
SimKubeSettingsOption = Annotated[
    Mapping[str, Any],
    typer.Option(
        "--simkube", metavar="NAME=VALUE", help="A setting of docs/simkube.md, e.g. settle_s=5. May be given again."
    ),
]


@dataclass(frozen=True, kw_only=True)
class SimKube:
    """The options of `--cluster simkube`.

    Attributes:
        kube_context: The kubeconfig's context; None: the current one.
        trace_dir: A folder here and, after a colon, as the cluster's nodes have it mounted.
        trace_bucket: An s3:// URL instead of the folder.
        simkube: Settings by name, see `env.simkube.settings.SimKubeSettings`.
    """

    panel: ClassVar[str] = "Cluster"

    kube_context: KubeContext = None
    trace_dir: TraceDir = TRACE_DIR
    trace_bucket: TraceBucket = None
    simkube: SimKubeSettingsOption = field(default_factory=dict)

    def open(self, open_bucket: OpenBucket | None) -> Cluster:
        """Connect to the API server; the first request tells whether there is one."""
        from env.kube.connect import connect
        from env.simkube.cluster import SimKubeCluster
        from env.simkube.settings import SimKubeSettings
        from runner.commands.console import note

        settings = SimKubeSettings.read(self.simkube)
        traces = self._traces(open_bucket)
        api = connect(self.kube_context)
        api.get("/version")  # not after the time limit of the first wait
        here = self.trace_dir.rpartition(":")[0]
        if self.trace_bucket is None and not Path(here).is_dir():
            raise ConfigError(f"--trace-dir {self.trace_dir}: trace folder {here}: No such file or directory")
        note(f"traces are replayed by {api.host}; a step takes 15 s, and as long as the trace")
        return SimKubeCluster(api, traces, settings, say=note)

    def _traces(self, open_bucket: OpenBucket | None) -> TraceStore:
        if self.trace_bucket is not None:
            if open_bucket is None:
                raise ConfigError(f"--trace-bucket {self.trace_bucket}: this program cannot write to S3")
            return open_bucket(self.trace_bucket)
        return node_folder(self.trace_dir)


def node_folder(trace_dir: str) -> NodeFolder:
    """What `--trace-dir` names; ConfigError where it is not HERE:NODE."""
    from env.simkube.traces import NodeFolder

    here, _, node = trace_dir.rpartition(":")
    if not here or not node.startswith("/"):
        raise ConfigError(f"--trace-dir {trace_dir}: must be HERE:NODE, for example {TRACE_DIR}")
    return NodeFolder(Path(here), node)
