"""The interface between the environment and a cluster that replays a trace.

Two implementations: `env.embedded.cluster.EmbeddedCluster`, in this process and in virtual time; and
`env.simkube.cluster.SimKubeCluster`, on a real Kubernetes.
"""

from __future__ import annotations

from typing import Protocol

from env.api_objects import ApiObjects
from env.observation import Observation
from env.problems.scenario import Scenario
from env.workload import Resources


class Cluster(Protocol):
    """Replays scenarios and observes their workload."""

    def observe(self, scenario: Scenario, resources: Resources | None) -> Observation:
        """Replay the scenario's trace from an empty cluster and observe its workload at the end.

        Args:
            scenario: What to replay, and which workload to look at.
            resources: What the workload asks for instead of what was recorded; None: as recorded.

        Raises:
            ClusterError: The workload could not be observed; an empty observation is never returned.
        """
        ...

    def why(self, scenario: Scenario, resources: Resources | None) -> tuple[str, ...]:
        """What kept the workload's pods from being Ready in the last replay, which was that of `observe` with these
        arguments, and which neighbours lack pods: a sentence each, in Kubernetes' words where it has some; empty where
        nothing did.

        Raises:
            ClusterError: As `observe`.
        """
        ...

    def objects(self, scenario: Scenario, resources: Resources | None) -> ApiObjects:
        """What the API server held at the end of the last replay, which was that of `observe` with these arguments.

        Raises:
            ClusterError: As `observe`.
        """
        ...

    def close(self) -> None:
        """Release what the cluster holds."""
        ...
