"""Records what a cluster decides about scenarios, as truth files hold it. Plays the kubelets of the scenarios' nodes.

A scenario is played in a namespace of its own, on nodes of its own:

    nodes -> namespace, PriorityClasses -> for each step: apply, serve pods until they are settled, read
    -> delete everything

Everything is deleted however it ends. Pods of a Job succeed as soon as they are bound, all others become Ready.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from env.errors import ClusterError
from env.fidelity import cluster_outcomes, kubelet
from env.fidelity.cluster_outcomes import NamespaceState
from env.fidelity.recordable import COLLECTIONS, PRIORITY_CLASSES, check_recordable
from env.fidelity.recorded_nodes import all_taints, is_up
from env.fidelity.truth import RecordedNode, RecordedOutcome, RecordedScenario, priority_classes
from env.kube.client import KubeApi, KubeError, Waiting, wait
from env.kube.paths import path_of, within
from env.simkube import paths
from env.words import count

Manifest = dict[str, Any]

_SERVICE_ACCOUNTS = "/api/v1/serviceaccounts"
_MADE_OF = {"Deployment": ("ReplicaSet",), "CronJob": ("Job",)}
_BEAT_S = 10.0  # the node controller gives up on a kubelet after 40 s of silence


@dataclass(frozen=True)
class Pace:
    """How long things may take, seconds.

    Attributes:
        settle_s: So long nothing may change where all pods run.
        pending_settle_s: The same where some are pending: the scheduler looks at such a pod again after up to 10 s.
        limit_s: Until a step has settled.
        clean_up_s: Until everything is gone.
    """

    settle_s: float = 2.0
    pending_settle_s: float = 12.0
    limit_s: float = 180.0
    clean_up_s: float = 120.0


class CleanUpError(ClusterError):
    """Objects of a recording are left on the cluster; they would be in the way of the next one."""


def record(
    api: KubeApi,
    scenario: RecordedScenario,
    token: str,
    others: Sequence[RecordedNode] = (),
    pace: Pace | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> RecordedScenario:
    """Play a scenario on a cluster.

    Args:
        api: The cluster; its timer is the only clock for waiting.
        scenario: What to play; outcomes that it has already are dropped.
        token: Unique; the namespace is called truth-<token>.
        others: From `other_nodes`. They become nodes of the scenario, because messages count them.
        pace: Time limits.
        now: For the timestamps that a kubelet writes.

    Returns:
        The scenario with its outcomes.

    Raises:
        CleanUpError: Something did not go away in time.
        ClusterError: Something did not settle in time; or a request was refused.
    """
    pace = pace or Pace()
    check_recordable(scenario, now(), pace.limit_s)
    clash = {node.name for node in others} & {node.name for node in scenario.nodes}
    if clash:
        raise ClusterError(f"scenario {scenario.id}: the cluster has a node {min(clash)} already; rename one of them")
    recording = _Recording(api, scenario, f"truth-{token}", pace, now)
    failed: ClusterError | None = None
    try:
        recording.set_up()
        found = [recording.play(number) for number in range(len(scenario.steps))]
    except ClusterError as error:
        failed = error
        raise
    finally:
        recording.clean_up(failed)
    return RecordedScenario(
        id=scenario.id,
        kind=scenario.kind,
        nodes=[*scenario.nodes, *others],
        steps=scenario.steps,
        outcome=found,
    )


class _Recording:
    """One scenario on the cluster."""

    def __init__(
        self, api: KubeApi, scenario: RecordedScenario, namespace: str, pace: Pace, now: Callable[[], datetime]
    ) -> None:
        self._api = api
        self._scenario = scenario
        self._namespace = namespace
        self._pace = pace
        self._now = now
        self._made: list[str] = []  # paths of cluster-wide objects, noted before they are made
        self._last_beat_s = float("-inf")
        kinds = {manifest["kind"] for step in scenario.steps for manifest in step} - {"Pod", "PriorityClass"}
        self._kinds = sorted(kinds | {made for kind in kinds for made in _MADE_OF.get(kind, ())})

    def set_up(self) -> None:
        labels = {paths.MANAGED_BY: paths.SIM_ARENA}
        # First, because the API server refuses pods until it has taken notice of their classes.
        for manifest in priority_classes(self._scenario.steps):
            self._make_priority_class(manifest)
        for node in self._scenario.nodes:
            self._make(path_of(paths.NODES, node.name), kubelet.node_manifest(node))
        wait(self._api, f"{self._scenario.id}: nodes", self._pace.limit_s, self._nodes_up)
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._namespace, "labels": labels}}
        self._make(path_of(paths.NAMESPACES, self._namespace), namespace)
        # Pods are refused until there is one; the controller that makes it may take its time.
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        self._apply(path_of(_SERVICE_ACCOUNTS, "default", self._namespace), account)

    def play(self, number: int) -> RecordedOutcome:
        """Apply a step, wait until it has settled, read."""
        for manifest in self._scenario.steps[number]:
            if manifest["kind"] == "PriorityClass":
                self._make_priority_class(manifest)
                continue
            metadata = {**manifest["metadata"], "namespace": self._namespace}
            path = path_of(COLLECTIONS[manifest["kind"]], metadata["name"], self._namespace)
            self._apply(path, {**manifest, "metadata": metadata})
        what = f"{self._scenario.id}, step {number + 1}: settled pods"
        return cluster_outcomes.outcome(wait(self._api, what, self._pace.limit_s, self._settling()))

    def clean_up(self, failed: ClusterError | None) -> None:
        """Delete everything, last made first, and wait until it is gone.

        Args:
            failed: What has ended the recording, if anything; the message names it first.
        """
        deadline = self._api.timer.now() + self._pace.clean_up_s
        left = []
        for path in reversed(self._made):
            # Even without time left, all are asked to go.
            limit_s = max(deadline - self._api.timer.now(), 2 * self._api.poll_s)
            try:
                wait(self._api, "deletion", limit_s, partial(self._gone, path=path))
            except ClusterError as error:
                left.append(f"{path} ({error})")
        self._made = []
        if left:
            what = f"{failed}; and" if failed else f"scenario {self._scenario.id}:"
            raise CleanUpError(f"{what} could not delete {'; '.join(left[:3])}")

    def _apply(self, path: str, manifest: Manifest) -> None:
        wait(self._api, f"{self._scenario.id}: {path}", self._pace.limit_s, lambda api: _applied(api, path, manifest))

    def _make(self, path: str, manifest: Manifest) -> None:
        self._made.append(path)
        self._apply(path, manifest)

    def _make_priority_class(self, manifest: Manifest) -> None:
        """Unless there is the same one already, which then stays."""
        name = manifest["metadata"]["name"]
        path = path_of(PRIORITY_CLASSES, name)
        there = wait(self._api, path, self._pace.limit_s, lambda api: api.get(path) or {})
        if not there:
            self._make(path, manifest)
        elif there.get("value") != manifest.get("value"):
            raise ClusterError(
                f"scenario {self._scenario.id}: PriorityClass {name} must have the value {manifest.get('value')}, "
                f"the cluster's has {there.get('value')}; rename one of them"
            )

    def _nodes_up(self, api: KubeApi) -> Waiting | None:
        """Correct all nodes that are not as they should be; whether there were none."""
        found = {node["metadata"]["name"]: node for node in api.list(paths.NODES)}
        wrong = [node for node in self._scenario.nodes if not is_up(found.get(node.name) or {}, node)]
        for node in wrong:
            self._beat(api, node)
        return Waiting(f"{count(len(wrong), 'node')} not yet as recorded, {wrong[0].name} first") if wrong else None

    def _beat(self, api: KubeApi, node: RecordedNode) -> None:
        """What a kubelet writes from time to time, and the node controller would take for its own."""
        path = path_of(paths.NODES, node.name)
        api.patch(f"{path}/status", {"status": kubelet.node_status(node, self._time())})
        api.patch(path, {"spec": {"taints": all_taints(node)}})

    def _settling(self) -> Callable[[KubeApi], NamespaceState | Waiting]:
        """A look that plays the kubelets, and returns what is there once it has not changed for long enough."""
        steady: tuple[tuple[object, ...], float] | None = None

        def look(api: KubeApi) -> NamespaceState | Waiting:
            nonlocal steady
            self._play_kubelets(api)
            view = self._view(api)
            reason = self._serve(api, view.pods) or cluster_outcomes.unsettled(view)
            if reason is not None:
                steady = None
                return Waiting(reason)
            now_s = api.timer.now()
            if steady is None or steady[0] != view.fingerprint:
                steady = view.fingerprint, now_s
            needed_s = self._pace.pending_settle_s if view.pending else self._pace.settle_s
            if now_s - steady[1] >= needed_s:
                return view
            return Waiting(f"{count(len(view.pods), 'pod')}, not yet unchanged for {needed_s:.0f} s")

        return look

    def _play_kubelets(self, api: KubeApi) -> None:
        now_s = api.timer.now()
        if now_s - self._last_beat_s >= _BEAT_S:
            self._last_beat_s = now_s
            for node in self._scenario.nodes:
                self._beat(api, node)

    def _serve(self, api: KubeApi, pods: Sequence[Manifest]) -> str | None:
        """Do what kubelets do with pods that are bound to our nodes; a message if there was something to do."""
        ours = {node.name for node in self._scenario.nodes}
        served = 0
        for pod in (pod for pod in pods if pod["spec"].get("nodeName") in ours):
            path = path_of(paths.PODS, pod["metadata"]["name"], self._namespace)
            try:
                if "deletionTimestamp" in pod["metadata"]:
                    served += api.delete(path, grace_s=0)
                elif kubelet.serves(pod):
                    api.patch(f"{path}/status", {"status": kubelet.pod_status(pod, self._time())})
                    served += 1
            except KubeError as error:
                if error.status not in (404, 409):  # gone or changed meanwhile; the next look reads afresh
                    raise
        return f"kubelets just served {count(served, 'pod')}" if served else None

    def _view(self, api: KubeApi) -> NamespaceState:
        workloads = {kind: api.list(within(COLLECTIONS[kind], self._namespace)) for kind in self._kinds}
        pods = api.list(within(paths.PODS, self._namespace))
        events = api.list(within(paths.EVENTS, self._namespace), fields="reason=FailedScheduling")
        return NamespaceState(pods, dict(workloads), events)

    def _gone(self, api: KubeApi, path: str) -> Waiting | None:
        if path == path_of(paths.NAMESPACES, self._namespace):
            for pod in api.list(within(paths.PODS, self._namespace)):
                if "deletionTimestamp" in pod["metadata"]:
                    api.delete(path_of(paths.PODS, pod["metadata"]["name"], self._namespace), grace_s=0)
        there = api.get(path)
        if there is None:
            return None
        if "deletionTimestamp" not in there["metadata"]:
            api.delete(path)
        return Waiting("it is being deleted")

    def _time(self) -> str:
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")


def _applied(api: KubeApi, path: str, manifest: Manifest) -> Manifest | Waiting:
    """Apply it. A PriorityClass that was made a moment ago may be unknown to the admission of pods for another."""
    try:
        return api.apply(path, manifest)
    except KubeError as error:
        if error.status == 403 and "no PriorityClass with name" in str(error):
            return Waiting(str(error))
        raise
