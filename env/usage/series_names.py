"""Which container a series in a file is about, by the names that the file says."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from env.usage.owners import Owner, Owners, owner_by_name
from env.usage.usage import ContainerKey

DEFAULT_KIND, DEFAULT_NAMESPACE = "Deployment", "default"


class Named(NamedTuple):
    """The names of one series; "" where the file does not say one."""

    namespace: str = ""
    kind: str = ""
    workload: str = ""
    pod: str = ""
    container: str = ""

    def __str__(self) -> str:
        said = [f"{field} {value}" for field, value in zip(self._fields, self, strict=True) if value]
        return ", ".join(said) or "no name"


class AmbiguousNameError(ValueError):
    """The names fit several containers; the message says which, and which name would tell them apart."""


class Names:
    """Finds the containers that series are about.

    Args:
        asked: The containers of the workloads; none: the file's own workloads are meant, by their names in it.
        only: The one workload that is meant, its namespace "" where that may be any; None: all.
    """

    def __init__(self, asked: Collection[ContainerKey], only: Owner | None = None) -> None:
        self._asked = [key for key in asked if only is None or _is(Owner(*key[:3]), only)]
        self._is_known = bool(asked)
        self._only = only
        self._owners = Owners(self._asked)
        self._namespaces = sorted({key.namespace for key in self._asked})
        self._found: dict[Named, ContainerKey | None] = {}

    def key(self, named: Named) -> ContainerKey | None:
        """The container; None: it is none of the workloads.

        Raises:
            AmbiguousNameError: It could be one of several.
        """
        if named not in self._found:
            self._found[named] = self._among(named) if self._is_known else self._by_itself(named)
        return self._found[named]

    def _among(self, named: Named) -> ContainerKey | None:
        fits = [key for key in self._asked if _fits(named, key)]
        if named.pod:
            owners = self._owners_of(named)
            fits = [key for key in fits if Owner(*key[:3]) in owners]
        if len(fits) > 1:
            lacks = "a container" if len({key[:3] for key in fits}) == 1 else "a namespace, workload or pod"
            few = " or ".join(map(str, fits[:2]))
            raise AmbiguousNameError(f"{named}: could be {few}; say {lacks}, or choose one with --workload")
        return fits[0] if fits else None

    def _owners_of(self, named: Named) -> set[Owner]:
        namespaces = [named.namespace] if named.namespace else self._namespaces
        return {owner for each in namespaces if (owner := self._owners.of(each, named.pod)) is not None}

    def _by_itself(self, named: Named) -> ContainerKey | None:
        """A container of a workload that only the file knows."""
        owner = self._owner(named)
        if self._only is not None and not _is(owner, self._only):
            return None
        return ContainerKey(*owner, named.container or owner.name)

    def _owner(self, named: Named) -> Owner:
        only = self._only
        namespace = named.namespace or (only.namespace if only else "") or DEFAULT_NAMESPACE
        if named.workload:
            return Owner(named.kind or DEFAULT_KIND, namespace, named.workload)
        if named.pod:
            told = None if only is None else Owners([ContainerKey(only.kind, namespace, only.name, "")])
            return (told and told.of(namespace, named.pod)) or owner_by_name(namespace, named.pod)
        if only is not None:
            return Owner(only.kind, namespace, only.name)
        if named.container:
            return Owner(DEFAULT_KIND, namespace, named.container)
        raise AmbiguousNameError("no name of a workload, pod or container; say which workload it is with --workload")


def _is(owner: Owner, only: Owner) -> bool:
    return (owner.kind, owner.name) == (only.kind, only.name) and only.namespace in ("", owner.namespace)


def _fits(named: Named, key: ContainerKey) -> bool:
    pairs = ((named.namespace, key.namespace), (named.kind, key.kind), (named.workload, key.workload))
    return all(said in ("", real) for said, real in (*pairs, (named.container, key.container)))
