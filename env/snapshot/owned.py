"""Which objects of `kubectl get -o yaml` are made by others of the same files, have ended, or belong to an action."""

from __future__ import annotations

from collections.abc import Sequence

from env.engine.manifests.fields import Manifest
from env.snapshot.kinds import WORKLOADS
from env.snapshot.pods import Key, maker_of
from env.untrusted import mapping, mappings

_HOOK = "helm.sh/hook"
_AT_INSTALL = frozenset(("pre-install", "post-install", "pre-upgrade", "post-upgrade", "crd-install"))
_LOCAL = "config.kubernetes.io/local-config"


def why_gone(manifest: Manifest) -> str:
    """Why an object would not be there, or is not there for long; "" if it would."""
    metadata, status = mapping(manifest.get("metadata")), mapping(manifest.get("status"))
    annotations = mapping(metadata.get("annotations"))
    hooks = {each.strip() for each in str(annotations.get(_HOOK) or "").split(",")} - {""}
    if hooks and not hooks & _AT_INSTALL:
        return f"is a hook of Helm for {', '.join(sorted(hooks))}, which no installation runs"
    if str(annotations.get(_LOCAL)).lower() == "true":
        return f"is not for a cluster ({_LOCAL})"
    if metadata.get("deletionTimestamp"):
        return "is being deleted"
    ended = {each.get("type") for each in mappings(status.get("conditions")) if each.get("status") == "True"}
    if manifest["kind"] == "Pod" and status.get("phase") in ("Succeeded", "Failed"):
        return "has ended"
    if manifest["kind"] == "Job" and (status.get("completionTime") or ended & {"Complete", "Failed"}):
        return "has ended"
    return ""


def made_by(objects: Sequence[tuple[Key, Manifest]]) -> dict[Key, Key]:
    """The objects that a controller makes again for another that is there, with that other.

    A Pod's ReplicaSet or Job may be missing where the Deployment or CronJob that made it is there: `kubectl get
    deployments,pods`.
    """
    there = {key for key, _ in objects if key.kind in WORKLOADS}
    found = {}
    for key, manifest in objects:
        maker = maker_of(manifest, key.kind)
        if maker is not None and maker not in there:
            maker = next((each for each in _makers_maker(maker, manifest) if each in there), None)
        if maker is not None:
            found[key] = maker
    return found


def _makers_maker(maker: Key, pod: Manifest) -> list[Key]:
    """What may have made a pod's maker: a ReplicaSet's name ends with the hash of its template, a Job's with a time."""
    stem, _, end = maker.name.rpartition("-")
    labels = mapping(mapping(pod.get("metadata")).get("labels"))
    if maker.kind == "ReplicaSet" and end and end == labels.get("pod-template-hash"):
        return [Key("Deployment", maker.namespace, stem)]
    if maker.kind == "Job" and end.isdigit():
        return [Key("CronJob", maker.namespace, stem)]
    return []
