"""How the features of states are spread over random play, for networks that are told them centred and scaled."""

from __future__ import annotations

from typing import NamedTuple

LEAST_SHARE = 1e-3
"""Of a share x, log(1 + x / LEAST_SHARE) tells what is much smaller than 1 apart."""


class Spread(NamedTuple):
    """Mean and standard deviation of a feature x, and of log(1 + x / LEAST_SHARE) / log(1 + 1 / LEAST_SHARE)."""

    mean: float
    deviation: float
    log_mean: float
    log_deviation: float


SPREAD = (
    Spread(0.25, 0.37, 0.65, 0.19),  # num_nodes
    Spread(0.73, 0.31, 0.89, 0.26),  # nodes_ready
    Spread(0.01, 0.053, 0.037, 0.16),  # nodes_not_ready
    Spread(0.17, 0.28, 0.56, 0.22),  # num_pods
    Spread(0.66, 0.33, 0.86, 0.27),  # pods_running
    Spread(0.3, 0.33, 0.58, 0.38),  # pods_pending
    Spread(0.043, 0.093, 0.2, 0.31),  # pods_failed
    Spread(0.0023, 0.026, 0.0083, 0.077),  # pods_unknown
    Spread(0.18, 0.28, 0.64, 0.16),  # num_deployments
    Spread(0.45, 0.42, 0.54, 0.47),  # deployments_available
    Spread(0.55, 0.42, 0.77, 0.31),  # deployments_unavailable
    Spread(0.25, 0.17, 0.65, 0.33),  # cpu_usage_percent
    Spread(0.24, 0.13, 0.73, 0.23),  # memory_usage_percent
    Spread(0.2, 0.16, 0.71, 0.15),  # recent_events_warning
    Spread(0.22, 0.072, 0.78, 0.029),  # recent_events_normal
    Spread(0.41, 0.29, 0.67, 0.41),  # has_pvc_issues
    Spread(0.41, 0.34, 0.61, 0.44),  # has_network_issues
    Spread(0.74, 0.3, 0.9, 0.23),  # has_resource_pressure
)
"""Of `env.doctor.features.FEATURES`, over 100 steps of 512 clusters with actions that the mask allows."""
