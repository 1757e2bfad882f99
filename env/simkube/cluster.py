"""Scenarios replayed by SimKube on a real Kubernetes; a step takes tens of seconds, most of it SimKube's own."""

from __future__ import annotations

import itertools
import logging
import secrets
from collections.abc import Callable, Collection
from dataclasses import replace
from weakref import WeakKeyDictionary

from env.engine.manifests.objects import read_workload
from env.errors import ClusterError
from env.kube.client import KubeApi, KubeError, TimeUpError, wait
from env.kube.paths import path_of
from env.observation import Observation
from env.problems.nodes import NodePools
from env.problems.scenario import Scenario, recorded_manifest
from env.simkube import gates, paths
from env.simkube.api_objects import Snapshot, snapshot
from env.simkube.driver import last_words
from env.simkube.hooks import run_hooks
from env.simkube.neighbours import Key, others, whole_among, why_broken
from env.simkube.nodes import VirtualNode, differences, intended
from env.simkube.pods import observation, why_not_ready
from env.simkube.replayable import priority_classes, replayable
from env.simkube.settings import SimKubeSettings
from env.simkube.settling import WorkloadState, settling
from env.simkube.simulation import Manifest, simulation
from env.simkube.traces import TraceStore, namespaces_of, replayed_s, replayed_trace, workloads_of
from env.trace.document import Trace
from env.words import count
from env.workload import Resources, WorkloadRef

logger = logging.getLogger("env.simkube")

OWN_NODES = "of its nodes only CPU, memory and pods are compared; labels, taints and the rest are the cluster's own"


class SimKubeCluster:
    """Replays traces on a real cluster; implements `env.cluster.Cluster`.

    One simulation runs at a time. What the last one left is waited for before the next one is created, so that an
    agent may compute meanwhile. The scenario's nodes are compared with the cluster's virtual ones, see `check_nodes`.

    Args:
        api: The API server; `env.kube.connect.connect` makes one. Closed with this cluster.
        traces: How a trace gets to where the driver reads it.
        settings: Time limits and so on.
        token: Makes the names of this cluster's simulations unique; None: by chance.
        say: Gets a line about each stage of a step; a step takes tens of seconds.
    """

    def __init__(
        self,
        api: KubeApi,
        traces: TraceStore,
        settings: SimKubeSettings | None = None,
        token: str | None = None,
        say: Callable[[str], None] = logger.info,
    ) -> None:
        self.settings = settings or SimKubeSettings()
        self._api = replace(api, request_timeout_s=self.settings.request_timeout_s, poll_s=self.settings.poll_s)
        self._traces = traces
        self._say = say
        self._prefix = f"arena-{token or secrets.token_hex(4)}"
        self._numbers = itertools.count(1)
        self._image = self.settings.driver_image
        self._last: str | None = None
        self._in_episode = False
        self._why: tuple[str, ...] = ()
        self._objects: Snapshot | ClusterError | None = None
        # The neighbours that lacked nothing in the replay as recorded, by workload and duration.
        self._whole: WeakKeyDictionary[Trace, dict[tuple[WorkloadRef, float | None], frozenset[Key]]]
        self._whole = WeakKeyDictionary()

    def observe(self, scenario: Scenario, resources: Resources | None) -> Observation:
        """See `env.cluster.Cluster.observe`; it takes at most the sum of the time limits and the trace's length.

        Raises:
            ClusterError: There is nothing that could be observed in time; says what was seen last.
            ScenarioError, TraceError, QuantityError: The trace cannot be replayed.
        """
        recorded = self._whole.setdefault(scenario.trace, {})
        place = (scenario.workload, scenario.duration_s)
        if resources is None:
            self._end_episode()
            self._begin_episode()
        elif place not in recorded and self._has_neighbours(scenario):
            self.observe(scenario, None)
        seen, nodes = self._replayed(scenario, resources)
        if resources is None:
            recorded[place] = whole_among(seen.others)
        manifest = recorded_manifest(scenario.trace, scenario.workload, scenario.duration_s)
        edited = read_workload(manifest).source.edited
        whole = frozenset[Key]() if resources is None else recorded.get(place, frozenset[Key]())
        found = observation(seen.own, seen.pods, nodes, edited, others(seen.others, whole))
        self._why = (*why_not_ready(seen.pods), *why_broken(seen.others, whole))
        broken = f"; others lack {count(found.broken, 'pod')}" if found.broken else ""
        pods = f"{found.ready} of {count(found.total, 'pod')} ready, {found.pending} pending{broken}"
        self._say(f"scenario {scenario.name}, simulation {self._last}: {pods}")
        return found

    def _has_neighbours(self, scenario: Scenario) -> bool:
        ref = scenario.workload
        own = (ref.kind, ref.namespace, ref.name)
        return bool(workloads_of(scenario.trace) - {own})

    def _replayed(self, scenario: Scenario, resources: Resources | None) -> tuple[WorkloadState, list[VirtualNode]]:
        """What the replay ends in, and the nodes on which it did."""
        given = replayed_trace(scenario, resources)
        trace, left_out = replayable(given)
        wanted = self.settings
        namespaces = {paths.virtual_namespace(namespace) for namespace in namespaces_of(trace)}
        replay_s = replayed_s(trace) / wanted.speed
        taints = intended(scenario.nodes)
        self._wait_until_free(namespaces, taints, wanted.reset_timeout_s + replay_s)
        nodes = wait(self._api, "virtual nodes", wanted.start_timeout_s,
                     lambda api: gates.nodes_usable(api, namespaces, taints))  # fmt: skip
        if not wanted.any_nodes:
            check_nodes(scenario, nodes)
        if resources is None and not all(pool.is_plain for pool in scenario.nodes.pools):
            self._say(f"scenario {scenario.name}: {OWN_NODES}")
        if resources is None and left_out:
            self._say(f"scenario {scenario.name}: left out, as the cluster has no such thing: {', '.join(left_out)}")
        classes = priority_classes(given)
        wait(self._api, "priorities", wanted.start_timeout_s, lambda api: gates.check_priorities(api, classes))
        image = self._driver_image()
        name = f"{self._prefix}-{next(self._numbers)}"
        file = f"{name}.sktrace"
        url = self._traces.put(file, trace.to_bytes())
        # Were the driver done before the pods are decided, it would take them down.
        hold_s = wanted.replay_slack_s + wanted.settle_timeout_s
        manifest = simulation(
            name,
            url,
            driver_image=image,
            duration_s=(replay_s + hold_s) * wanted.speed,
            speed=wanted.speed,
            driver_secrets=wanted.driver_secrets,
        )
        try:
            return self._simulated(manifest, scenario, nodes, trace), nodes
        finally:
            self._delete(name)
            self._remove(file)

    def why(self, scenario: Scenario, resources: Resources | None) -> tuple[str, ...]:
        """See `env.cluster.Cluster.why`: what the pods of the last replay said, and what neighbours lack."""
        return self._why

    def objects(self, scenario: Scenario, resources: Resources | None) -> Snapshot:
        """See `env.cluster.Cluster.objects`: what was read when the last replay was observed."""
        if isinstance(self._objects, Snapshot):
            return self._objects
        raise ClusterError(f"what the cluster held is not known: {self._objects or 'nothing was observed yet'}")

    def close(self) -> None:
        """End the episode: wait until the last simulation is gone, and run the hooks after it.

        Raises:
            ClusterError: It does not go, or a hook fails.
        """
        last, self._last = self._last, None
        try:
            if last is not None:
                self._say(f"simulation {last}: waiting until it is gone")
                limit_s = self.settings.reset_timeout_s
                wait(self._api, "the end", limit_s, lambda api: gates.simulation_gone(api, last))
        finally:
            try:
                self._end_episode()
            finally:
                self._api.close()

    def _simulated(
        self, manifest: Manifest, scenario: Scenario, nodes: list[VirtualNode], trace: Trace
    ) -> WorkloadState:
        wanted, name = self.settings, manifest["metadata"]["name"]
        what = f"scenario {scenario.name}, simulation {name}"
        replay_s = replayed_s(trace) / wanted.speed
        self._last = name
        wait(self._api, f"{what}: creation", wanted.start_timeout_s, lambda api: _created(api, manifest))
        self._say(f"{what}: created, waiting for its driver")
        wait(self._api, f"{what}: driver", wanted.start_timeout_s, lambda api: gates.driver_running(api, name))
        self._say(f"{what}: replaying, {replay_s:.0f} s")
        try:
            wait(self._api, f"{what}: end of the replay", replay_s + wanted.replay_slack_s,
                 lambda api: gates.replay_ended(api, name, scenario.workload))  # fmt: skip
        except TimeUpError as error:
            raise ClusterError(f"{error}{self._last_words(name)}") from error
        namespaces = {paths.virtual_namespace(namespace) for namespace in namespaces_of(trace)}
        kinds = {kind for kind, _, _ in workloads_of(trace)}
        seen = wait(self._api, f"{what}: settled pods", wanted.settle_timeout_s,
                    settling(scenario.workload, name, wanted.settle_s, nodes, namespaces, kinds,
                             intended(scenario.nodes)))  # fmt: skip
        self._objects = self._snapshot(scenario)
        return seen

    def _last_words(self, name: str) -> str:
        """What the driver said last; that it cannot be asked is no error of its own."""
        try:
            return last_words(self._api.until(self._api.timer.now() + self.settings.request_timeout_s), name)
        except KubeError:
            return ""

    def _snapshot(self, scenario: Scenario) -> Snapshot | ClusterError:
        """What there is now; that it cannot be read does not make the observation less true."""
        try:
            limit_s = self.settings.request_timeout_s
            return wait(self._api, "objects", limit_s, lambda api: snapshot(api, scenario.workload.namespace))
        except ClusterError as error:
            return error

    def _wait_until_free(self, namespaces: set[str], taints: Collection[str], limit_s: float) -> None:
        last = self._last
        wait(self._api, "a free cluster", limit_s, lambda api: gates.cluster_free(api, last, namespaces, taints))
        self._last = None

    def _driver_image(self) -> str:
        if self._image is None:
            self._image = wait(self._api, "sk-ctrl", self.settings.start_timeout_s, gates.driver_image)
        return self._image

    def _delete(self, name: str) -> None:
        """Ask for the simulation's end; should that fail, `_wait_until_free` asks again."""
        bounded = self._api.until(self._api.timer.now() + self.settings.request_timeout_s)
        try:
            bounded.delete(path_of(paths.SIMULATIONS, name))
        except KubeError as error:
            logger.warning("simulation %s: not yet deleted: %s", name, error)

    def _remove(self, file: str) -> None:
        try:
            self._traces.remove(file)
        except ClusterError as error:
            logger.warning("%s; delete it by hand", error)

    def _begin_episode(self) -> None:
        self._in_episode = True
        run_hooks("before_episode", self.settings.before_episode, self.settings.hook_timeout_s)

    def _end_episode(self) -> None:
        if self._in_episode:
            self._in_episode = False
            run_hooks("after_episode", self.settings.after_episode, self.settings.hook_timeout_s)


def check_nodes(scenario: Scenario, nodes: list[VirtualNode]) -> None:
    """Refuse a cluster whose virtual nodes are not those that the scenario was made for.

    A trace without nodes of its own, and a scenario that leaves them at their default, run on any.

    Raises:
        ClusterError: They differ; says how.
    """
    recorded = scenario.trace.extra.get("metadata")
    problem = recorded.get("scenario") if isinstance(recorded, dict) else None
    given = scenario.nodes != NodePools() or (isinstance(problem, dict) and "nodes" in problem)
    how = differences(scenario.nodes, nodes) if given else None
    if how is not None:
        raise ClusterError(f"scenario {scenario.name}: {how}; change the nodes, or accept these: any_nodes=true")


def _created(api: KubeApi, manifest: Manifest) -> None:
    """Create it; that it exists already means that an earlier request landed whose answer was lost."""
    try:
        api.create(paths.SIMULATIONS, manifest)
    except KubeError as error:
        if error.status == 404:
            raise ClusterError(f"{error}; is SimKube installed? see: sim-arena doctor") from error
        if error.reason != "AlreadyExists":
            raise
