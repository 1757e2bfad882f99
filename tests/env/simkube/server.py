"""A real API server that tests run on: what acts around it, and what tests must do themselves because nothing does."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kubernetes import dynamic

from env.kube.client import KubeApi, KubeError
from env.kube.paths import path_of, within
from env.simkube import paths

Manifest = dict[str, Any]

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SERVICE_ACCOUNTS = "/api/v1/serviceaccounts"
MADE = {"sim-arena.io/made-by": "tests"}
"""The label of what tests make outside of namespaces; what has neither it nor Sim-Arena's own stays."""

_PROBE = "sim-arena-probe"
_PATIENCE_S = 6.0  # controllers and schedulers that run at all act within a second
_CONTENTS = (
    paths.DEPLOYMENTS,
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets",
    "/apis/batch/v1/cronjobs",
    "/apis/batch/v1/jobs",
    paths.REPLICA_SETS,
    paths.PODS,
    paths.CONFIG_MAPS,
    paths.LEASES,
    paths.EVENTS,
    SERVICE_ACCOUNTS,
)


@dataclass(frozen=True)
class Surroundings:
    """Who acts on the server's objects.

    Attributes:
        real: It is no `FakeApi`.
        controllers: A controller-manager does: Deployments, garbage, namespaces, nodes.
        scheduler: A scheduler does.
    """

    real: bool = False
    controllers: bool = False
    scheduler: bool = False

    @property
    def bare(self) -> bool:
        """Whether only the tests empty and end namespaces. A `FakeApi` does that itself."""
        return self.real and not self.controllers


def surroundings(api: KubeApi) -> Surroundings:
    """Find which controllers act on a Deployment and a pod. Without leader election there are no leases to look at."""
    namespace = f"{_PROBE}-{secrets.token_hex(4)}"
    api.create(paths.NAMESPACES, {"metadata": {"name": namespace, "labels": MADE}})
    deployment, pod = path_of(paths.DEPLOYMENTS, _PROBE, namespace), path_of(paths.PODS, _PROBE, namespace)
    controllers = scheduler = False
    try:
        ensure(api, within(SERVICE_ACCOUNTS, namespace), {"metadata": {"name": "default"}})
        container = {"name": _PROBE, "image": _PROBE}
        labels = {"app": _PROBE}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
        ensure(api, within(paths.DEPLOYMENTS, namespace), {"metadata": {"name": _PROBE}, "spec": spec})
        nowhere = {"containers": [container], "nodeSelector": {_PROBE: "nowhere"}}
        ensure(api, within(paths.PODS, namespace), {"metadata": {"name": _PROBE}, "spec": nowhere})
        end = time.monotonic() + _PATIENCE_S
        while not (controllers and scheduler) and time.monotonic() < end:
            time.sleep(0.2)
            controllers = controllers or "observedGeneration" in _status(api, deployment)
            scheduler = scheduler or bool(_status(api, pod).get("conditions"))
        return Surroundings(True, controllers, scheduler)
    finally:
        end_namespace(api, namespace, finalize=not controllers)


def ensure(api: KubeApi, collection: str, manifest: Manifest) -> bool:
    """Create it, unless one of its name is there; whether it was created."""
    try:
        api.create(collection, manifest)
    except KubeError as error:
        if error.reason != "AlreadyExists":
            raise
        return False
    return True


def end_namespace(api: KubeApi, namespace: str, *, finalize: bool) -> None:
    """Delete a namespace.

    Args:
        finalize: Do what the namespace controller would, as there is none: delete what is in it, and let it go.
            Otherwise only its pods are ended, which no kubelet does.
    """
    path = path_of(paths.NAMESPACES, namespace)
    api.delete(path)
    for collection in _CONTENTS if finalize else (paths.PODS,):
        request(api, "DELETE", within(collection, namespace), grace_period_seconds=0)
    found = api.get(path) if finalize else None
    if found is not None:
        request(api, "PUT", f"{path}/finalize", body={**found, "spec": {"finalizers": []}})


def request(api: KubeApi, method: str, path: str, **options: Any) -> None:
    """A request that KubeApi has no use for; whether it succeeds shows at the next look."""
    client = dynamic.DynamicClient(api.client, discoverer=lambda *_: None)
    with contextlib.suppress(dynamic.exceptions.DynamicApiError):
        client.request(method, path, _request_timeout=10, **options)


def until(what: str, there: Callable[[], bool], limit_s: float = 60.0) -> None:
    """Wait on the real clock; AssertionError if it does not come."""
    end = time.monotonic() + limit_s
    while not there():
        assert time.monotonic() < end, f"{what}: not within {limit_s:.0f} s"
        time.sleep(0.2)


def _status(api: KubeApi, path: str) -> Manifest:
    return (api.get(path) or {}).get("status") or {}


def is_recorded(o: Manifest) -> bool:
    """Whether Sim-Arena has made an object."""
    return bool((o["metadata"].get("labels") or {}).get(paths.MANAGED_BY) == paths.SIM_ARENA)
