"""A live cluster's objects; implements `env.api_objects.ApiObjects` by GET requests alone.

Everything but nodes is read within one namespace, so that a Role is enough for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from env.api_objects import LONGEST_LOG, Manifest, NoSuchObject, ReadRefused
from env.kube.client import KubeApi, KubeError
from env.kube.paths import path_of, within

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
        return self._listed(_PODS, namespace)

    def deployment(self, namespace: str, name: str) -> Manifest | None:
        """See `ApiObjects.deployment`."""
        with self._asking() as api:
            return api.get(path_of(_DEPLOYMENTS, name, namespace))

    def events(self, namespace: str) -> list[Manifest]:
        """See `ApiObjects.events`."""
        return self._listed(_EVENTS, namespace)

    def nodes(self) -> list[Manifest]:
        """See `ApiObjects.nodes`."""
        with self._asking() as api:
            return api.list(_NODES)

    def log(self, namespace: str, pod: str, container: str, tail_lines: int) -> str:
        """See `ApiObjects.log`."""
        query = {"container": container, "tailLines": str(tail_lines), "limitBytes": str(LONGEST_LOG)}
        with self._asking() as api:
            return api.text(f"{path_of(_PODS, pod, namespace)}/log", query)[-LONGEST_LOG:]

    @contextmanager
    def _asking(self) -> Iterator[KubeApi]:
        """The client for one question, whose errors are those of `ApiObjects`."""
        try:
            yield self.api.until(self.api.timer.now() + self.limit_s)
        except KubeError as error:
            if error.status in (400, 404):  # 400: a container that waits for its start has no log
                raise NoSuchObject(str(error)) from error
            if 401 <= error.status < 500 and not error.passing:
                raise ReadRefused(str(error)) from error
            raise

    def _listed(self, collection: str, namespace: str) -> list[Manifest]:
        """The objects of a namespace. An API server answers with none where there is no such namespace at all."""
        with self._asking() as api:
            found = api.list(within(collection, namespace))
            if not found:
                self._check(api, namespace)
            return found

    def _check(self, api: KubeApi, namespace: str) -> None:
        try:
            there = api.get(path_of(_NAMESPACES, namespace)) is not None
        except KubeError as error:
            if error.status not in (401, 403):
                raise
            return  # a Role does not let us look
        if not there:
            raise NoSuchObject(f"namespace {namespace}")
