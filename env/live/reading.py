"""What a doctor reads of an API server: lists of objects, in pages and with a bound on each, by GET requests alone.

Nodes, pods, Deployments, claims and Events are read before every observation. If one of them cannot be read there is
no observation, and the error names it. The rest is read when an action asks for it, and a refusal of it is kept by name
in `Seen.unread`, so that what was not looked at never counts as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from env.errors import ClusterError, ConfigError
from env.kube.client import KubeApi, KubeError
from env.kube.lists import bounded, collections
from env.kube.paths import path_of
from env.usage.metrics_api import POD_METRICS

Manifest = dict[str, Any]
Objects = Sequence[Manifest]
T = TypeVar("T")

NODES = "/api/v1/nodes"
PODS = "/api/v1/pods"
DEPLOYMENTS = "/apis/apps/v1/deployments"
CLAIMS = "/api/v1/persistentvolumeclaims"
EVENTS = "/api/v1/events"
QUOTAS = "/api/v1/resourcequotas"
POLICIES = "/apis/networking.k8s.io/v1/networkpolicies"
AUTOSCALERS = "/apis/autoscaling/v2/horizontalpodautoscalers"
NODE_METRICS = "/apis/metrics.k8s.io/v1beta1/nodes"
NAMESPACES = "/api/v1/namespaces"

MOST_OBJECTS = 20_000
"""Of a kind; a cluster with more is to be read by namespaces."""
MOST_EVENTS = 5_000
"""Of a type; with more, counts of Events are of the first."""
LOOK_S = 120.0
"""Seconds that one look at the cluster may take with all its requests."""

NODE_USE, POD_USE = "metrics of nodes", "metrics of pods"
QUOTA, POLICY, AUTOSCALER, LOG = "quotas", "network policies", "autoscalers", "logs"
"""Names in `Seen.unread`."""


@dataclass(frozen=True)
class Seen:
    """What an API server held.

    Attributes:
        at: When, in UTC.
        nodes, pods, deployments, claims, events: Objects, as they were read last.
        more_events: There are more Events than were read.
        node_usage, pod_usage: What the metrics API says; None: there is none, or it does not answer.
        quotas, policies, autoscalers: Objects; none before they are read.
        logs: Lines by (namespace, pod), of the pods whose logs were read.
        unread: Why something was not read, by its name.
    """

    at: datetime
    nodes: Objects = ()
    pods: Objects = ()
    deployments: Objects = ()
    claims: Objects = ()
    events: Objects = ()
    more_events: bool = False
    node_usage: Objects | None = None
    pod_usage: Objects | None = None
    quotas: Objects = ()
    policies: Objects = ()
    autoscalers: Objects = ()
    logs: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reader:
    """Reads an API server.

    Attributes:
        api: Its client.
        namespaces: Those that are read; none: all.
    """

    api: KubeApi
    namespaces: tuple[str, ...] = ()

    def check(self) -> None:
        """Accept the namespaces.

        Raises:
            ConfigError: One does not exist; an API server would answer with no objects.
            ClusterError: No answer.
        """
        for namespace in self.namespaces:
            try:
                there = self.api.get(path_of(NAMESPACES, namespace)) is not None
            except KubeError as error:
                if error.status not in (401, 403):
                    raise
                continue  # a Role does not let us look
            if not there:
                raise ConfigError(f"--namespace {namespace}: the cluster has none of that name")

    def look(self, before: Seen | None) -> Seen:
        """All that an observation needs, anew; what only actions read stays as it was.

        Raises:
            ClusterError: A kind could not be read; the message names it.
        """
        reader = self.until_late()
        events, more = reader._events()
        usage, unread = reader._optional(NODE_USE, lambda api: api.list(NODE_METRICS))
        seen = Seen(datetime.now(UTC)) if before is None else replace(before, at=datetime.now(UTC))
        return replace(
            seen,
            nodes=reader._needed("nodes", lambda: reader._bounded(NODES)),
            pods=reader._needed("pods", lambda: reader._in_namespaces(PODS)),
            deployments=reader._needed("deployments", lambda: reader._in_namespaces(DEPLOYMENTS)),
            claims=reader._needed("persistentvolumeclaims", lambda: reader._in_namespaces(CLAIMS)),
            events=events,
            more_events=more,
            node_usage=usage,
            unread={**_without(seen.unread, NODE_USE), **unread},
        )

    def with_pod_usage(self, seen: Seen) -> Seen:
        """The same, with what pods use, and which autoscalers set replicas."""
        reader = self.until_late()
        usage, unread = reader._optional(POD_USE, lambda api: reader._in_namespaces(POD_METRICS))
        scalers, unread_too = reader._optional(AUTOSCALER, lambda api: reader._in_namespaces(AUTOSCALERS))
        kept = _without(seen.unread, POD_USE, AUTOSCALER)
        return replace(seen, pod_usage=usage, autoscalers=scalers or (), unread={**kept, **unread, **unread_too})

    def with_quotas(self, seen: Seen) -> Seen:
        """The same, with the resource quotas."""
        reader = self.until_late()
        found, unread = reader._optional(QUOTA, lambda api: reader._in_namespaces(QUOTAS))
        return replace(seen, quotas=found or (), unread={**_without(seen.unread, QUOTA), **unread})

    def with_policies(self, seen: Seen) -> Seen:
        """The same, with the network policies."""
        reader = self.until_late()
        found, unread = reader._optional(POLICY, lambda api: reader._in_namespaces(POLICIES))
        return replace(seen, policies=found or (), unread={**_without(seen.unread, POLICY), **unread})

    def until_late(self) -> Reader:
        """The same, for one look at the cluster."""
        return replace(self, api=self.api.until(self.api.timer.now() + LOOK_S))

    def _events(self) -> tuple[Objects, bool]:
        found: list[Manifest] = []
        more = False
        for fields in ("type=Warning", "type!=Warning"):
            for collection in collections(EVENTS, self.namespaces):
                events, cut = self._needed("events", lambda c=collection, f=fields: self._first(c, f))  # type: ignore[misc]
                found += events
                more = more or cut
        return found, more

    def _first(self, collection: str, fields: str) -> tuple[list[Manifest], bool]:
        found: list[Manifest] = []
        for page in self.api.pages(collection, fields=fields):
            found += page
            if len(found) > MOST_EVENTS:
                return found[:MOST_EVENTS], True
        return found, False

    def _in_namespaces(self, collection: str) -> Objects:
        return [each for path in collections(collection, self.namespaces) for each in self._bounded(path)]

    def _bounded(self, path: str) -> Objects:
        return list(bounded(self.api, path, MOST_OBJECTS))

    @staticmethod
    def _needed(kind: str, read: Callable[[], T]) -> T:
        try:
            return read()
        except KubeError as error:
            if error.status in (401, 403):
                raise ClusterError(f"{error}; a doctor must be allowed to list {kind}, see docs/rl.md") from error
            raise

    def _optional(self, name: str, read: Callable[[KubeApi], Objects]) -> tuple[Objects | None, dict[str, str]]:
        """Objects that a cluster may lack or refuse: None, and why if they are refused."""
        try:
            return read(self.api), {}
        except KubeError as error:
            if error.status == 404:  # the API server knows no such objects
                return None, {}
            if error.status == 0 and not error.passing:
                raise
            return None, {name: str(error)}


def _without(unread: Mapping[str, str], *names: str) -> dict[str, str]:
    return {key: why for key, why in unread.items() if key not in names}
