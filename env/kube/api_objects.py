"""A live cluster's objects; implements `env.api_objects.ApiObjects` by GET requests alone.

Everything but nodes is read within one namespace, so that a Role is enough for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from env.api_objects import LONGEST_LOG, Manifest, NoSuchObject, ReadRefused
from env.kube.client import KubeApi, KubeError
from env.kube.paths import path_of, within

T = TypeVar("T")

_NAMESPACES = "/api/v1/namespaces"
_NODES = "/api/v1/nodes"
_PODS = "/api/v1/pods"
_EVENTS = "/api/v1/events"
_DEPLOYMENTS = "/apis/apps/v1/deployments"


@dataclass(frozen=True)
class LiveObjects:
    """What an API server holds now.

    Attributes:
        api: Its client.
        limit_s: Seconds that one question may take, with all its requests.
    """

    api: KubeApi
    limit_s: float = 30.0

    def pods(self, namespace: str) -> list[Manifest]:
        """See `ApiObjects.pods`."""
        return self._ask(lambda api: _listed(api, _PODS, namespace))

    def deployment(self, namespace: str, name: str) -> Manifest | None:
        """See `ApiObjects.deployment`."""
        return self._ask(lambda api: api.get(path_of(_DEPLOYMENTS, name, namespace)))

    def events(self, namespace: str) -> list[Manifest]:
        """See `ApiObjects.events`."""
        return self._ask(lambda api: _listed(api, _EVENTS, namespace))

    def nodes(self) -> list[Manifest]:
        """See `ApiObjects.nodes`."""
        return self._ask(lambda api: api.list(_NODES))

    def log(self, namespace: str, pod: str, container: str, tail_lines: int) -> str:
        """See `ApiObjects.log`."""
        path = f"{path_of(_PODS, pod, namespace)}/log"
        query = {"container": container, "tailLines": str(tail_lines), "limitBytes": str(LONGEST_LOG)}
        return self._ask(lambda api: api.text(path, query))[-LONGEST_LOG:]

    def _ask(self, question: Callable[[KubeApi], T]) -> T:
        """The answer to one question; errors are those of `ApiObjects`."""
        api = self.api.until(self.api.timer.now() + self.limit_s)
        try:
            try:
                return question(api)
            except KubeError as error:
                if error.status or not error.passing:
                    raise
                # A client may sit idle for hours; then a load balancer has closed the connection meanwhile.
                return question(api)
        except KubeError as error:
            if error.status in (400, 404):  # 400: a container that waits for its start has no log
                raise NoSuchObject(str(error)) from error
            if 401 <= error.status < 500 and not error.passing:
                raise ReadRefused(str(error)) from error
            raise


def _listed(api: KubeApi, collection: str, namespace: str) -> list[Manifest]:
    """The objects of a namespace. An API server answers with none where there is no such namespace at all."""
    found = api.list(within(collection, namespace))
    if not found:
        _check(api, namespace)
    return found


def _check(api: KubeApi, namespace: str) -> None:
    try:
        there = api.get(path_of(_NAMESPACES, namespace)) is not None
    except KubeError as error:
        if error.status not in (401, 403):
            raise
        return  # a Role does not let us look
    if not there:
        raise NoSuchObject(f"namespace {namespace}")
