"""Manifests read so far, so that traces that share most of them read only what differs.

An edit of a trace makes a new one that shares all manifests but those that it changes, and one trace may apply the same
object 100,000 times. A manifest is known by itself, else by its text; it is never changed in place.
"""

from __future__ import annotations

from collections.abc import Mapping

from env.engine.manifests.fields import naming
from env.engine.manifests.objects import KubeObject, read_object, text_read
from env.engine.manifests.priorities import PriorityClass
from env.problems.virtual_nodes import on_virtual_nodes
from env.trace.document import Manifest
from env.workload import object_ref

_MOST = 16_384


class ObjectsRead:
    """What manifests were read into, as long as priorities and the treatment of ports stay the same."""

    def __init__(self) -> None:
        self._rules: tuple[Mapping[str, PriorityClass], bool] = {}, False
        self._same: dict[int, tuple[Manifest, KubeObject | None]] = {}
        self._alike: dict[str, KubeObject | None] = {}

    def begin(self, priorities: Mapping[str, PriorityClass], *, keep_ports: bool) -> None:
        """Read the next manifests with these PriorityClasses; `keep_ports`: and with the ports of their containers."""
        if self._rules != (priorities, keep_ports):
            self._forget()
            self._rules = priorities, keep_ports

    def read(self, manifest: Manifest) -> KubeObject | None:
        """The manifest as the driver applies it, read; None for a kind that the engine does not know.

        Raises:
            TraceError, QuantityError: What the API server would refuse.
        """
        same = self._same.get(id(manifest))
        if same is not None:
            return same[1]
        if len(self._same) >= _MOST:
            self._forget()
        text = text_read(manifest)
        if text not in self._alike:
            priorities, keep_ports = self._rules
            with naming(f"{manifest['kind']} {object_ref(manifest)}"):
                virtual = on_virtual_nodes(manifest, keep_ports=keep_ports)
            self._alike[text] = read_object(virtual, priorities)
        found = self._alike[text]
        self._same[id(manifest)] = manifest, found  # which keeps the id taken
        return found

    def _forget(self) -> None:
        self._same.clear()
        self._alike.clear()
