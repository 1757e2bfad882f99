"""Manifests on a cluster: what would run if they were applied there."""

from __future__ import annotations

from dataclasses import replace

from env.snapshot.snapshot import Snapshot
from env.trace.document import Manifest

Name = tuple[str, str, str, str]


def beside(given: Snapshot, cluster: Snapshot) -> Snapshot:
    """The given objects on the cluster's nodes, beside what runs there.

    An object of the cluster that is among the given ones is replaced where it stands, and what the cluster says of its
    pods is no longer true; the others come after, as they would if they were applied now. What is given of nodes does
    not count.
    """
    new = {name_of(each): each for each in given.objects}
    replaced = {(each["kind"], each["metadata"]["namespace"], each["metadata"]["name"]) for each in given.objects}
    now = tuple(each for each in cluster.now if tuple(each.key) not in replaced)
    kept = [new.pop(name_of(each), each) for each in cluster.objects]
    source = f"{given.source} beside {cluster.source}"
    skipped = (*given.skipped, *cluster.skipped)
    return replace(cluster, source=source, objects=(*kept, *new.values()), skipped=skipped, now=now)


def name_of(manifest: Manifest) -> Name:
    """API group, kind, namespace and name: what makes an object the same one."""
    metadata = manifest["metadata"]
    group = str(manifest["apiVersion"]).rpartition("/")[0]
    return group, manifest["kind"], metadata["namespace"], metadata["name"]
