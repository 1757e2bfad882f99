"""Objects of a collection, of all namespaces or of some, in pages and with a bound on their number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from env.kube.client import KubeApi, KubeError, Manifest
from env.kube.paths import within


def collections(collection: str, namespaces: Sequence[str] = ()) -> list[str]:
    """The paths to list: one for each namespace; without any the whole cluster's."""
    return [within(collection, each) for each in namespaces] or [collection]


def bounded(api: KubeApi, path: str, most: int) -> Iterator[Manifest]:
    """The objects of one path, a page at a time, so that only what the caller keeps stays in memory.

    Raises:
        KubeError: Refused or not answered; or more than `most` objects.
    """
    seen = 0
    for page in api.pages(path):
        seen += len(page)
        if seen > most:
            raise KubeError(f"GET {path}: more than {most:,} objects; read fewer with --namespace")
        yield from page
