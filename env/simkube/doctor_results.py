"""What a check of the doctor says, and the permissions that one of them asks for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from env.simkube import paths


class Level(StrEnum):
    """How good a finding is; only `fail` keeps simulations from running."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class ReportLine:
    """One line of the report.

    Attributes:
        level: How good it is.
        said: What was found.
        mend: What to do about it, mostly a command; empty where nothing is to be done.
    """

    level: Level
    said: str
    mend: str = ""


@dataclass(frozen=True)
class Permission:
    """Something that the user must be allowed to do; `group` is empty for the core group."""

    verb: str
    group: str
    resource: str
    namespace: str = ""

    def __str__(self) -> str:
        place = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{f'.{self.group}' if self.group else ''}{place}"


def _needed(verbs: str, group: str, resource: str, namespace: str = "") -> list[Permission]:
    return [Permission(verb, group, resource, namespace) for verb in verbs.split()]


NEEDED: tuple[Permission, ...] = (
    *_needed("get list create patch delete", "simkube.io", "simulations"),
    *_needed("get list", "", "namespaces"),
    *_needed("list", "", "nodes"),
    *_needed("list", "", "pods"),
    *_needed("list", "", "events"),
    *_needed("get", "", "configmaps"),
    *_needed("get list", "apps", "deployments"),
    *(each for name in ("replicasets", "statefulsets", "daemonsets") for each in _needed("list", "apps", name)),
    *(each for name in ("jobs", "cronjobs") for each in _needed("list", "batch", name)),
    *_needed("get", "coordination.k8s.io", "leases", paths.CONTROLLER_NAMESPACE),
)
