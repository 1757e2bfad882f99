"""How a Deployment replaces its pods: type, surge and unavailability.

Follows kubernetes 1.36 `pkg/controller/deployment/util/deployment_util.go` (`ResolveFenceposts`).
"""

from __future__ import annotations

from dataclasses import dataclass

from env.engine.manifests.fields import Manifest, as_count_or_percent, as_map


@dataclass(frozen=True)
class RolloutStrategy:
    """A Deployment's `strategy`.

    Attributes:
        recreate: Remove all old pods first (type Recreate); the other fields then mean nothing.
        max_surge: Pods above the replicas, a number or a percentage such as "25%".
        max_unavailable: Replicas that may be missing, likewise.
    """

    recreate: bool = False
    max_surge: int | str = "25%"
    max_unavailable: int | str = "25%"

    def fenceposts(self, replicas: int) -> tuple[int, int]:
        """(surge, unavailable) in pods: surge rounded up, unavailable down, never both 0."""
        if self.recreate:
            return 0, 0
        surge = resolve(self.max_surge, replicas, round_up=True)
        unavailable = min(resolve(self.max_unavailable, replicas, round_up=False), replicas)
        return surge, unavailable or int(surge == 0)


def resolve(value: int | str, replicas: int, *, round_up: bool) -> int:
    """A number of pods, or a percentage of the replicas."""
    if isinstance(value, int):
        return value
    share = int(value.removesuffix("%")) * replicas
    return -(-share // 100) if round_up else share // 100


def read_strategy(strategy: Manifest) -> RolloutStrategy:
    """The strategy of a Deployment's spec, with the API server's defaults."""
    rolling = as_map(strategy, "rollingUpdate")
    return RolloutStrategy(
        recreate=strategy.get("type") == "Recreate",
        max_surge=as_count_or_percent(rolling, "maxSurge", "25%"),
        max_unavailable=as_count_or_percent(rolling, "maxUnavailable", "25%"),
    )
