"""A training by epochs as a job sees it: many environments at a time, an epoch in the place of an episode."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agents.saved import checkpoint
from env.interrupt import Stopped
from protocol.learners.environments import make_trainee
from protocol.learners.materials import read_weights
from protocol.learners.series import read_objects
from protocol.learners.training import Facts, learning_curve_of
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.errors import ProtocolError
from protocol.wire.job_documents import Manifest
from protocol.worker.learner import Episode, Interrupted
from runner.training.training import load_agent_weights


class EpochLearner:
    """`runner.training.epochs.EpochTrainee` as a job sees it, with the files to keep beside the result.

    Of every epoch as many steps count as the manifest says it has: its last rollout may go over its end.
    """

    def __init__(self, bucket: Bucket, manifest: Manifest, say: Callable[[str], None] = lambda line: None) -> None:
        wanted = manifest.training
        if wanted.environment is None:
            raise ProtocolError(f"{manifest.job_id}: is counted in episodes")
        self.manifest = manifest
        self._say = say
        self._epoch_steps = wanted.environment.epoch_steps
        member = manifest.federation.member if manifest.federation else 0
        self.trainee = make_trainee(wanted, wanted.environment, member, read_objects(bucket, wanted.environment))
        if wanted.weights:
            self.load_weights(read_weights(bucket, wanted.weights))

    @property
    def history(self) -> Sequence[Episode]:
        return [self._facts(summary) for summary in self.trainee.history]

    def run_episode(self, episode: int, must_stop: Callable[[], bool]) -> Episode:
        try:
            return self._facts(self.trainee.run_epoch(episode, must_stop))
        except Stopped as stopped:
            raise Interrupted from stopped

    def state(self) -> bytes:
        return checkpoint.dumps(self.trainee.state_dict())

    def restore(self, state: bytes) -> int:
        return self.trainee.load_state_dict(checkpoint.loads(state, "training state"))

    def weights(self) -> bytes:
        return checkpoint.dumps(self.trainee.agent.weights())

    def load_weights(self, weights: bytes) -> None:
        load_agent_weights(self.trainee.agent, checkpoint.loads(weights, "weights"))

    def artifacts(self) -> Mapping[str, bytes]:
        history = self.trainee.history
        return {
            keys.CHECKPOINT: checkpoint.dumps(self.trainee.agent.state_dict()),
            "train.log": "".join(self.trainee.about([summary]) + "\n" for summary in history).encode(),
            **learning_curve_of(history, self.manifest, self._say),
        }

    def fingerprint(self) -> dict[str, str]:
        from runner.training.environment import fingerprint

        return fingerprint()

    def _facts(self, summary: Mapping[str, Any]) -> Episode:
        return Facts(summary["reward"], self._epoch_steps, None)
