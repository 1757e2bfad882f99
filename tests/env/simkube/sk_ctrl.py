"""When SimKube 2.7's controller looks at a Simulation, and how far it then gets; `src/main.rs` and `src/controller.rs`.

It looks at a generation that it has not seen, and again when it said that it would. It forgets that when it ends, and
then leaves alone what has a generation that was seen: also a simulation that it had not finished with.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from server import ensure

from env.kube.client import KubeApi
from env.kube.paths import path_of, within
from env.simkube import paths

Manifest = dict[str, Any]

_REQUEUE_S = 5.0
_REQUEUE_ERROR_S = 30.0


class SkCtrl:
    """The controller, until the driver's Job is there.

    Args:
        api: The API server.
        now: Its clock, seconds.

    Attributes:
        runs: Whether it does; while it does not, nothing happens.
        loses: So many times it finds that another simulation took the lease a moment ago. It cannot even say so: the
            state `Retrying` alone is not valid.
    """

    def __init__(self, api: KubeApi, now: Callable[[], float]) -> None:
        self.api = api
        self.now = now
        self.runs = True
        self.loses = 0
        self._seen: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._prepared: dict[str, int] = {}

    def restart(self) -> None:
        """What it meant to look at again is lost."""
        self._due.clear()
        self._seen.clear()
        self.runs = True

    def turn(self, simulation: Manifest) -> bool:
        """Look at a simulation if it is time to; whether the driver's Job is there then."""
        metadata = simulation["metadata"]
        name, generation = metadata["name"], metadata["generation"]
        told = (simulation.get("status") or {}).get("observedGeneration") == generation
        seen = told or self._seen.get(name) == generation  # the watch tells it of a generation once
        if not self.runs or (seen and self._due.get(name, float("inf")) > self.now()):
            return False
        self._seen[name] = generation
        self._due.pop(name, None)
        if self.loses:
            self.loses -= 1
            self._due[name] = self.now() + _REQUEUE_ERROR_S
            return False
        return self._reconcile(simulation)

    def _reconcile(self, simulation: Manifest) -> bool:
        name = simulation["metadata"]["name"]
        lease = self.api.get(path_of(paths.LEASES, paths.LEASE, paths.CONTROLLER_NAMESPACE))
        if lease is not None and lease["spec"]["holderIdentity"] != name:
            self.say(simulation, "Blocked")
            self._due[name] = self.now() + lease["spec"].get("leaseDurationSeconds", 0) + _REQUEUE_S
            return False
        self._claim(simulation)
        prepared = self._prepared[name] = self._prepared.get(name, 0) + 1
        if prepared < 3:  # first the certificate's secret, then the webhook
            self.say(simulation, "Initializing")
            self._due[name] = self.now() + _REQUEUE_S
            return False
        self.say(simulation, "Running")  # as soon as the Job exists
        return True

    def _claim(self, simulation: Manifest) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        metadata = {"name": paths.LEASE, "ownerReferences": [owner(simulation)]}
        spec = {"holderIdentity": simulation["metadata"]["name"], "acquireTime": now, "renewTime": now}
        ensure(self.api, within(paths.LEASES, paths.CONTROLLER_NAMESPACE), {"metadata": metadata, "spec": spec})

    def say(self, simulation: Manifest, state: str) -> None:
        """Write a state, and which generation was seen."""
        metadata = simulation["metadata"]
        status = {"status": {"state": state, "observedGeneration": metadata["generation"]}}
        self.api.patch(f"{path_of(paths.SIMULATIONS, metadata['name'])}/status", status)


def owner(o: Manifest) -> Manifest:
    """A reference to the controller of what is made for `o`; an object of a list, without a kind, is a Simulation."""
    simulation = "apiVersion" not in o
    kind = "Simulation" if simulation else o["kind"]
    version = "simkube.io/v1" if simulation else o["apiVersion"]
    metadata = o["metadata"]
    return {"apiVersion": version, "kind": kind, "name": metadata["name"], "uid": metadata["uid"], "controller": True}
