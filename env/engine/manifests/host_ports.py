"""The ports of its node that a pod occupies.

Defaults are the API server's, in kubernetes 1.36 `pkg/apis/core/v1/defaults.go` (`defaultHostNetworkPorts`).
"""

from __future__ import annotations

from env.engine.manifests.fields import Manifest, as_count, as_flag, as_maps, as_text


def host_ports(pod: Manifest, containers: list[Manifest]) -> tuple[tuple[str, str, int], ...]:
    """(protocol, IP, port) that a pod occupies on its node; with hostNetwork its containers' ports are among them."""
    ports: list[tuple[str, str, int]] = []
    sidecars = [each for each in as_maps(pod, "initContainers") if each.get("restartPolicy") == "Always"]
    for port in (port for container in [*containers, *sidecars] for port in as_maps(container, "ports")):
        number = as_count(port, "hostPort", as_count(port, "containerPort", 0) if as_flag(pod, "hostNetwork") else 0)
        if number:
            ports.append((as_text(port, "protocol", "TCP"), as_text(port, "hostIP", "0.0.0.0"), number))  # noqa: S104
    return tuple(ports)
