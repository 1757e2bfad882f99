"""What admission made of pods: what they request more than their templates say, and which objects it let them name.

A replay makes pods from templates, without the sidecars that webhooks add. So that nodes are not emptier in it than
they are, the difference is taken off them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from env.snapshot.now import WorkloadNow
from env.snapshot.pods import PodSeen, container_names, requests_of
from env.snapshot.snapshot import Skipped
from env.untrusted import mapping
from env.words import count

_MOST_NAMES = 3


def proven(pods: Sequence[PodSeen]) -> Iterator[dict[str, Any]]:
    """ServiceAccounts and RuntimeClasses that are there, as admission has let pods with them in: their names alone.

    A cluster without them makes no pods, and SimKube's is one.
    """
    accounts = {(pod.key.namespace, pod.account) for pod in pods if pod.account not in ("", "default")}
    for namespace, account in sorted(accounts):
        yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": namespace, "name": account}}
    for runtime in sorted({pod.runtime for pod in pods} - {""}):
        yield {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": runtime}}


@dataclass(frozen=True)
class Added:
    """Of a pod.

    Attributes:
        node: Where it runs.
        requests: What it requests more than its template, in thousandths, by resource.
        containers: Those that its template lacks.
    """

    node: str
    requests: Mapping[str, int]
    containers: tuple[str, ...]


def added_to(manifest: Any, pods: Sequence[PodSeen], now: WorkloadNow) -> Iterator[Added]:
    """What was added to a workload's pods.

    During a rollout nothing is known: pods of the revision before have another template.
    """
    if now.key.kind == "Pod" or now.updated < now.wanted:
        return
    spec = mapping(mapping(mapping(manifest.get("spec")).get("template")).get("spec"))
    asked, names = requests_of(spec), set(container_names(spec))
    for pod in pods:
        more = {name: amount - asked.get(name, 0) for name, amount in pod.requests.items()}
        more = {name: amount for name, amount in more.items() if amount > 0}
        if pod.node and more:
            yield Added(pod.node, more, tuple(name for name in pod.containers if name not in names))


def said(added: Sequence[Added]) -> Iterator[Skipped]:
    """In one line: there may be one of them a pod."""
    if not added:
        return
    names = sorted({name for each in added for name in each.containers})
    shown = ", ".join(names[:_MOST_NAMES]) + (" …" if len(names) > _MOST_NAMES else "")
    what = f"have containers that no template has ({shown})" if names else "request more than their templates say"
    yield Skipped("Pod", count(len(added), "pod"), f"{what}; the difference is taken off their nodes")
