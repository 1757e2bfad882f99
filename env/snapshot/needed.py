"""What pods name and the manifests lack: a cluster that lacks it too has no such pods, or none that run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from env.engine.manifests.fields import Manifest, as_map, as_maps, as_text
from env.engine.manifests.objects import pod_templates
from env.engine.manifests.priorities import SYSTEM_PRIORITIES
from env.snapshot.snapshot import Skipped

_MAKES_NONE = "a cluster without it makes no pods of"
_CONSEQUENCE = {
    "ServiceAccount": _MAKES_NONE,
    "PriorityClass": _MAKES_NONE,
    "RuntimeClass": _MAKES_NONE,
    "PersistentVolumeClaim": "without it these stay Pending:",
}


def missing(objects: Sequence[Manifest], asking: Sequence[Manifest]) -> list[Skipped]:
    """What pods of `asking` name and is not among `objects`; each once, with who names it."""
    there = {(each["kind"], each["metadata"]["namespace"], each["metadata"]["name"]) for each in objects}
    found: dict[tuple[str, str, str], list[str]] = {}
    for each in asking:
        metadata = each["metadata"]
        for template in pod_templates(each):
            for kind, namespace, name in _needs(as_map(template, "spec"), metadata["namespace"]):
                if (kind, namespace, name) not in there:
                    who = f"{each['kind']} {metadata['namespace']}/{metadata['name']}"
                    found.setdefault((kind, namespace, name), []).append(who)
    return [
        Skipped(
            kind,
            f"{namespace}/{name}" if namespace else name,
            f"is not among the manifests; {_CONSEQUENCE[kind]} {who[0]}"
            + (f" and {len(who) - 1} more" if len(who) > 1 else ""),
        )
        for (kind, namespace, name), who in found.items()
    ]


def _needs(pod: Manifest, namespace: str) -> Iterator[tuple[str, str, str]]:
    """Kind, namespace and name of what a pod cannot be without."""
    account = as_text(pod, "serviceAccountName") or as_text(pod, "serviceAccount")
    if account:
        yield "ServiceAccount", namespace, account
    priority = as_text(pod, "priorityClassName")
    if priority and priority not in SYSTEM_PRIORITIES:
        yield "PriorityClass", "", priority
    runtime = as_text(pod, "runtimeClassName")
    if runtime:
        yield "RuntimeClass", "", runtime
    for volume in as_maps(pod, "volumes"):
        claim = as_text(as_map(volume, "persistentVolumeClaim"), "claimName")
        if claim:
            yield "PersistentVolumeClaim", namespace, claim
