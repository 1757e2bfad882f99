"""The interface to what an API server holds about a cluster: plain JSON objects, to be read and not to be changed.

Three implementations: `env.embedded.api_objects`, the end of a replay; `env.kube.api_objects`, a live cluster; and
`env.simkube.api_objects`, what SimKube's cluster held while it was observed.
"""

from __future__ import annotations

from typing import Any, Protocol

from env.errors import ClusterError

Manifest = dict[str, Any]

LONGEST_LOG = 64 * 1024
"""Bytes of a log that are read at most."""


class NoSuchObject(ClusterError):
    """The cluster answers that there is no such object; the message names it."""


class ReadRefused(ClusterError):
    """The API server does not let us read that: no credentials that it knows, or no permission."""


class ApiObjects(Protocol):
    """What an API server holds. Nothing in it is trusted: names, messages and logs may hold any text.

    All methods may raise ReadRefused, and any other ClusterError where the cluster does not answer.
    """

    def pods(self, namespace: str) -> list[Manifest]:
        """All pods of a namespace, those that end included.

        Raises:
            NoSuchObject: There is no such namespace.
        """
        ...

    def deployment(self, namespace: str, name: str) -> Manifest | None:
        """The Deployment; None where there is none of that name."""
        ...

    def events(self, namespace: str) -> list[Manifest]:
        """The Events (`v1`) about objects in a namespace, in any order.

        Raises:
            NoSuchObject: There is no such namespace.
        """
        ...

    def nodes(self) -> list[Manifest]:
        """All nodes."""
        ...

    def log(self, namespace: str, pod: str, container: str, tail_lines: int) -> str:
        """The last lines of a container's log, at most LONGEST_LOG bytes; of one that restarts, the last run's.

        Raises:
            NoSuchObject: There is no such pod or container, or no log of it yet.
        """
        ...
