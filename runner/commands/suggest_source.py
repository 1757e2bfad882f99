"""Where the workloads come from that `sim-arena suggest` answers about: a trace, manifests, or a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from env.errors import ConfigError, UsageError
from runner.commands.console import progress_bars
from runner.options.live import LiveChoice, read_only_line
from runner.options.manifests import ManifestsChoice
from runner.options.usage import UsageChoice
from runner.options.workload import ReplayChoice

if TYPE_CHECKING:
    from env.problems.nodes import NodePools
    from env.snapshot.now import WorkloadNow
    from env.snapshot.snapshot import Skipped, Snapshot
    from env.trace.document import Trace
    from env.usage.owners import Owner
    from env.usage.usage import ContainerKey, Usage
    from runner.suggest.backtest.walk import Backtest

CLUSTER = "cluster"
"""What `--nodes` says for those of the cluster."""


@dataclass(frozen=True)
class Source:
    """Workloads, and what is said of them before and after.

    Attributes:
        name: Where they came from.
        trace: What is replayed.
        nodes: Where they run; None: nothing says so.
        first_line: Which cluster is read; "" for none.
        skipped: What is no part of the verdict.
        now: How workloads are by the cluster's own word.
        files: The manifests that they came from.
        usage: What their containers use.
        tests: What came of the memory of containers of which weeks of use are known.
    """

    name: str
    trace: Trace
    nodes: NodePools | None
    usage: Usage
    first_line: str = ""
    skipped: tuple[Skipped, ...] = ()
    now: tuple[WorkloadNow, ...] = ()
    files: tuple[str, ...] = ()
    tests: Mapping[ContainerKey, Backtest] = field(default_factory=dict)

    @property
    def is_measured(self) -> bool:
        """Whether use is known from more than annotations."""
        from env.usage.demand import SOURCE

        return any(use.source != SOURCE for use in self.usage.uses.values())


def open_source(
    trace: str | None,
    manifests: ManifestsChoice,
    replay: ReplayChoice,
    live: LiveChoice,
    usage: UsageChoice,
    kappa: float | None = None,
) -> Source:
    """Read the trace, the manifests, or else the cluster; test rules where weeks of use are known.

    Args:
        kappa: The price of a window with memory above the request in such a test; None: the default.

    Raises:
        UsageError: Two sources at once, or one that cannot be read.
        ClusterError: The cluster does not answer.
    """
    source = _read(trace, manifests, replay, live, usage)
    if not source.usage.series:
        return source
    from runner.suggest.backtest.tested import backtested, season_policy, with_proposals

    with progress_bars() as tell:
        tell("testing rules on weeks of use", 0, 1)
        tested = backtested(source.usage, season_policy(), kappa)
    return replace(source, usage=with_proposals(source.usage, tested), tests=tested.found)


def _read(
    trace: str | None, manifests: ManifestsChoice, replay: ReplayChoice, live: LiveChoice, usage: UsageChoice
) -> Source:
    if trace is not None and manifests.filename:
        raise UsageError(f"--trace {trace}: the workloads are those of -f {manifests.filename[0]}; leave one out")
    if trace is not None:
        if replay.nodes == CLUSTER:
            raise UsageError("--nodes cluster: needs manifests, -f PATH; a trace has its nodes")
        return _of_trace(trace, replay, usage)
    given = manifests.snapshot
    if given is not None and replay.nodes != CLUSTER:
        pools = replay.pools()
        with progress_bars() as tell:
            used = usage.read(given.objects, say=tell, only=named_owner(replay))
        return _of_snapshot(given, pools, used, files=manifests.filename)
    try:
        return replace(_of_cluster(given, replay, live, usage), files=manifests.filename)
    except ConfigError as error:
        instead = "" if given else "; or name the workloads: -f PATH, --trace FILE"
        raise ConfigError(f"{error}{instead}") from error


def named_owner(replay: ReplayChoice) -> Owner | None:
    """The one workload that is named."""
    from env.usage.owners import Owner
    from env.workload import KINDS

    named = replay.named()
    if named["deploy"] is None:
        return None
    return Owner(named["kind"] or KINDS[0], named["namespace"] or "", named["deploy"])


def _of_trace(path: str, replay: ReplayChoice, usage: UsageChoice) -> Source:
    from env.problems.scenario import nodes_of
    from env.trace.document import load_trace, trace_files

    first, *more = trace_files(path)
    if more:
        raise UsageError(f"--trace {path}: {len(more) + 1} traces; suggest takes one")
    trace = load_trace(first)
    applied = [each for event in trace.events for each in event["applied_objs"]]
    pools = replay.pools() or nodes_of(trace)
    with progress_bars() as tell:
        return Source(path, trace, pools, usage.read(applied, say=tell, only=named_owner(replay)))


def _of_cluster(given: Snapshot | None, replay: ReplayChoice, live: LiveChoice, usage: UsageChoice) -> Source:
    """A cluster, and manifests as if they were applied there now."""
    from env.snapshot.beside import beside
    from env.snapshot.live import read_cluster

    pools = replace(replay, nodes=None if replay.nodes == CLUSTER else replay.nodes).pools()
    namespaces = () if given is not None or replay.namespace is None else (replay.namespace,)
    with live.opened() as (api, context), progress_bars() as tell:
        snapshot = read_cluster(api, f"context {context}", namespaces, tell)
        if snapshot.nodes is None and pools is None:
            raise UsageError(f"{snapshot.source}: has no nodes that can be read; give them with --nodes")
        if given is not None:
            snapshot = beside(given, snapshot)
        used = usage.read(
            snapshot.objects, api=api, namespaces=namespaces, now=snapshot.now, say=tell, only=named_owner(replay)
        )
        line = read_only_line(context, api.host, namespaces)
    return _of_snapshot(snapshot, pools, used, first_line=line)


def _of_snapshot(
    snapshot: Snapshot, nodes: NodePools | None, usage: Usage, *, first_line: str = "", files: tuple[str, ...] = ()
) -> Source:
    from env.snapshot import trace_of

    if not snapshot.objects:
        raise UsageError(f"{snapshot.source}: holds no workloads")
    return Source(
        name=snapshot.source,
        trace=trace_of(snapshot),
        nodes=nodes or snapshot.nodes,
        usage=usage,
        first_line=first_line,
        skipped=snapshot.skipped,
        now=snapshot.now,
        files=files,
    )
