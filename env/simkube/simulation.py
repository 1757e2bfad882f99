"""The Simulation (simkube.io/v1) that replays a trace: a pure function of names and settings."""

from __future__ import annotations

import math
import re
from typing import Any

from env.errors import ClusterError
from env.simkube.paths import CONTROLLER_NAMESPACE, MANAGED_BY, SIM_ARENA

Manifest = dict[str, Any]

DRIVER_PORT = 8888  # fixed in the driver: the Simulation cannot change it
MAX_NAME = 63 - len("sk--driver-svc")  # SimKube's longest name around ours is a Service's, a DNS label
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.ASCII)


def simulation(
    name: str,
    trace_url: str,
    *,
    driver_image: str,
    duration_s: float,
    speed: float = 1.0,
    driver_secrets: tuple[str, ...] = (),
) -> Manifest:
    """A Simulation that SimKube 2.3 to 2.7 accept: no metrics, no hooks, one repetition.

    Args:
        name: A DNS label of at most MAX_NAME characters.
        trace_url: Where the driver reads the trace, with a scheme: `file:///data/x` is a path on the driver's node.
        driver_image: sk-driver, of the same version as the cluster's sk-ctrl.
        duration_s: Seconds of the trace until the driver takes everything down again. What the trace has beyond
            is dropped; beyond the trace, it waits.
        speed: Seconds of the trace in one second.
        driver_secrets: Secrets that become the driver's environment.

    Raises:
        ClusterError: A name or URL that SimKube would refuse.
    """
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise ClusterError(f"simulation name {name!r:.80}: must be a DNS label of at most {MAX_NAME} characters")
    if not _SCHEME.match(trace_url):
        raise ClusterError(f"trace path {trace_url!r:.200}: must be a URL with a scheme, file:///… or s3://…")
    driver: Manifest = {
        "image": driver_image,
        # Any other has no service account for the driver, so that its pod is never created.
        "namespace": CONTROLLER_NAMESPACE,
        "port": DRIVER_PORT,
        "tracePath": trace_url,
    }
    if driver_secrets:
        driver["secrets"] = list(driver_secrets)
    return {
        "apiVersion": "simkube.io/v1",
        "kind": "Simulation",
        "metadata": {"name": name, "labels": {MANAGED_BY: SIM_ARENA}},
        "spec": {
            "driver": driver,
            "duration": f"{2 * math.ceil(duration_s / 2)}s",  # even: see `env.simkube.gates`
            "speed": speed,
            "repetitions": 1,
            "lifecycleParams": {},  # required from 2.7 on, unknown to and dropped by older ones
        },
    }
