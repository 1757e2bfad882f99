"""The names of pods: generated ones, and those that only one pod in a namespace has at a time.

Generated names look like those of kubernetes 1.36 `staging/src/k8s.io/apiserver/pkg/storage/names/generate.go`.
"""

from __future__ import annotations

import hashlib

from env.engine.pods import Pod
from env.engine.workload import PodOwner, Workload

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


class PodNames:
    """Who has which name, and who waits for it."""

    def __init__(self) -> None:
        self._generated: dict[tuple[str, str], int] = {}
        self._taken: dict[tuple[str, str], Pod] = {}  # by namespace and name; generated names clash with none
        self._waiting: dict[tuple[str, str], Workload] = {}

    def generate(self, owner: PodOwner) -> str:
        """The name of an owner's next pod, the same in every replay."""
        key = (owner.kind, str(owner.ref))
        self._generated[key] = number = self._generated.get(key, 0) + 1
        digest = hashlib.sha256(f"{key}{number}".encode()).digest()
        return f"{owner.ref.name}-{''.join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:5])}"

    def take(self, pod: Pod) -> None:
        """A pod has a name that is not generated."""
        self._taken[pod.template.namespace, pod.name] = pod

    def is_free(self, workload: Workload, name: str) -> bool:
        """Whether no pod in the workload's namespace has the name; if one has, the workload waits until it is free."""
        key = (workload.ref.namespace, name)
        if key in self._taken:
            self._waiting[key] = workload
        return key not in self._taken

    def free(self, pod: Pod) -> Workload | None:
        """A pod is gone. Returns the workload that has waited for its name."""
        key = (pod.template.namespace, pod.name)
        if self._taken.get(key) is not pod:
            return None
        del self._taken[key]
        return self._waiting.pop(key, None)
