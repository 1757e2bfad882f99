"""Experience collection as a job sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from protocol.learners.materials import read_weights
from protocol.learners.training import Facts
from protocol.wire.bucket import Bucket
from protocol.wire.errors import ProtocolError
from protocol.wire.job_documents import Manifest
from protocol.worker.learner import Episode, Interrupted

if TYPE_CHECKING:
    from env.cluster import Cluster
    from env.problems.scenario import Scenario


class CollectionLearner:
    """Runs episodes greedily with given weights and keeps the transitions; nothing is learned.

    It keeps no state: all of it is a function of the manifest, so an attempt that died is run again from the start.
    """

    def __init__(
        self, bucket: Bucket, manifest: Manifest, scenarios: Sequence[Scenario] | None, cluster: Cluster | None = None
    ) -> None:
        from agents.kinds import check_trainable, make_agent
        from env.gym.cluster_env import ClusterEnv

        wanted = manifest.training
        check_trainable(wanted.agent)
        self.seed = wanted.seed
        self.agent = make_agent(wanted.agent, seed=wanted.seed, settings=wanted.agent_settings)
        if wanted.weights:
            from agents.saved import checkpoint
            from runner.training.training import load_agent_weights

            load_agent_weights(self.agent, checkpoint.loads(read_weights(bucket, wanted.weights), "weights"))
        self._env = ClusterEnv(
            scenarios, reward=wanted.reward, max_steps=wanted.steps, cluster=cluster, problem=wanted.problem
        )
        self._episodes: list[Any] = []

    @property
    def history(self) -> Sequence[Episode]:
        return [Facts(result.reward, result.steps, result.solved) for result, _ in self._episodes]

    def run_episode(self, episode: int, must_stop: Callable[[], bool]) -> Episode:
        import numpy as np

        from env.interrupt import Stopped
        from runner.experience import collect_episode

        seeds = np.random.SeedSequence((self.seed, 0, episode))
        try:
            collected = collect_episode(self._env, self.agent, seeds, episode, must_stop)
        except Stopped as stopped:
            raise Interrupted from stopped
        self._episodes.append(collected)
        return collected[0]

    def artifacts(self) -> Mapping[str, bytes]:
        from runner.experience import pack_transitions

        return {"transitions.msgpack": pack_transitions(self._episodes)}

    def fingerprint(self) -> dict[str, str]:
        from runner.training.environment import fingerprint

        return fingerprint()

    def state(self) -> bytes:
        raise ProtocolError("experience collection keeps no state")

    def restore(self, state: bytes) -> int:
        raise ProtocolError("experience collection keeps no state")

    def weights(self) -> bytes:
        raise ProtocolError("experience collection trains no weights")

    def load_weights(self, weights: bytes) -> None:
        raise ProtocolError("experience collection trains no weights")
