"""Which workload a pod is of: by its owner where that is known, else by the form of its name.

Names are made as Kubernetes 1.36 makes them: `pkg/controller/deployment/util/deployment_util.go` and
`pkg/util/hash` (a ReplicaSet is its Deployment's name and a hash), `staging/src/k8s.io/apiserver/pkg/storage/names/
generate.go` (five random characters; the rest is cut to 58), `pkg/controller/statefulset` and `pkg/controller/job`
(ordinals and indexes), and `pkg/controller/cronjob` (the minute, before 1.21 the second, of its schedule).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from env.usage.usage import ContainerKey


class Owner(NamedTuple):
    """A workload: its kind, namespace and name."""

    kind: str
    namespace: str
    name: str


PodOwners = Mapping[tuple[str, str], Owner]
"""The owners of pods, by the pods' namespace and name."""
NONE_KNOWN: PodOwners = MappingProxyType({})

# Hashes and random suffixes have no vowels, and no digits that look like one (apimachinery `util/rand`), so that
# `web-migrate-x7k2p` is no pod of the Deployment `web`. A hexadecimal number is taken too: older ones look like that.
_HASH = r"(?:[bcdfghjklmnpqrstvwxz2456789]{6,10}|(?=[a-f]*[0-9])[0-9a-f]{6,10})"
_RANDOM = r"[a-z0-9]{5}"
_FORMS = tuple(
    (kind, re.compile(rf"(?P<name>.+){rest}"))
    for kind, rest in (
        ("Pod", ""),
        ("StatefulSet", "-[0-9]+"),
        ("DaemonSet", f"-{_RANDOM}"),
        ("ReplicaSet", f"-{_RANDOM}"),
        ("Deployment", f"-{_HASH}-{_RANDOM}"),
        ("Job", f"-{_RANDOM}"),
        ("Job", f"-[0-9]+-{_RANDOM}"),
        ("CronJob", f"-(?:[0-9]{{8}}|[0-9]{{10}})(?:-[0-9]+)?-{_RANDOM}"),
    )
)
_BEHIND = {
    "ReplicaSet": ("Deployment", re.compile(r"(?P<name>.+)-[a-z0-9]+")),
    "Job": ("CronJob", re.compile(r"(?P<name>.+)-[0-9]+")),
}
_MOST_BASE, _LONGEST_POD = 58, 63


class Owners:
    """Finds the workloads of pods among those that are asked for.

    Args:
        asked: Containers of the workloads.
        known: The owners of pods as far as they are known: as the pod says it, such as a ReplicaSet; of a pod without
            one, the pod itself.
    """

    def __init__(self, asked: Iterable[ContainerKey], known: PodOwners = NONE_KNOWN) -> None:
        self._workloads = {Owner(*key[:3]) for key in asked}
        self._known = known
        self._by_namespace: dict[str, list[Owner]] = defaultdict(list)
        for each in sorted(self._workloads):
            self._by_namespace[each.namespace].append(each)

    def of(self, namespace: str, pod: str) -> Owner | None:
        """The workload of a pod; None: none of those, or it could be of two."""
        known = self._known.get((namespace, pod))
        if known is not None:
            return self._behind(known)
        if namespace not in self._by_namespace:
            return None
        found = list(self._by_form(namespace, pod))
        longest = max((len(each.name) for each in found), default=0)
        best = [each for each in found if len(each.name) == longest]
        return best[0] if len(best) == 1 else None

    def _behind(self, owner: Owner) -> Owner | None:
        if owner in self._workloads:
            return owner
        kind, form = _BEHIND.get(owner.kind, ("", None))
        match = form.fullmatch(owner.name) if form else None
        found = Owner(kind, owner.namespace, match["name"]) if match else None
        return found if found in self._workloads else None

    def _by_form(self, namespace: str, pod: str) -> Iterator[Owner]:
        for kind, form in _FORMS:
            match = form.fullmatch(pod)
            owner = Owner(kind, namespace, match["name"]) if match else None
            if owner is not None and owner in self._workloads:
                yield owner
        if len(pod) == _LONGEST_POD:
            for each in self._by_namespace[namespace]:
                if each.kind in _MADE and len(each.name) + _MADE[each.kind] > _MOST_BASE and _is_cut(each, pod):
                    yield each


_TELLING = tuple(
    (kind, re.compile(rf"(?P<name>.+){rest}"))
    for kind, rest in (
        ("CronJob", f"-(?:[0-9]{{8}}|[0-9]{{10}})(?:-[0-9]+)?-{_RANDOM}"),
        ("Deployment", f"-{_HASH}-{_RANDOM}"),
        ("StatefulSet", "-[0-9]+"),
        ("DaemonSet", "-[bcdfghjklmnpqrstvwxz2456789]{5}"),
    )
)


def owner_by_name(namespace: str, pod: str) -> Owner:
    """The workload of a pod of which only the name is known; the pod itself where its name tells of none."""
    for kind, form in _TELLING:
        if match := form.fullmatch(pod):
            return Owner(kind, namespace, match["name"])
    return Owner("Pod", namespace, pod)


_MADE = {"Deployment": 12, "DaemonSet": 1, "ReplicaSet": 1, "Job": 1, "CronJob": 12}
"""Characters at most that are put between the workload's name and the random ones."""


def _is_cut(owner: Owner, pod: str) -> bool:
    """Whether a pod whose name was cut may be of this workload."""
    base = pod[:_MOST_BASE]
    return base.startswith(f"{owner.name}-"[:_MOST_BASE]) and "-" not in base[len(owner.name) + 1 :].rstrip("-")
