"""A training of the runner as a job sees it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agents.kinds import agent_kind
from agents.saved import checkpoint
from agents.saved.files import json_bytes
from protocol.learners.materials import read_weights
from protocol.wire import keys
from protocol.wire.bucket import WEIGHTS_BYTES, Bucket
from protocol.wire.errors import Refused
from protocol.wire.job_documents import Manifest
from protocol.worker.learner import Episode, Interrupted

if TYPE_CHECKING:
    from env.cluster import Cluster
    from env.problems.scenario import Scenario


class Facts(NamedTuple):
    """A finished episode, or epoch; see `protocol.worker.learner.Episode`."""

    reward: float | None
    steps: int
    solved: bool | None


class TrainingLearner:
    """`runner.training.training.Training` as a job sees it, with the files to keep beside the result.

    Step records travel in the states, so that those of a job that several workers ran are complete: states that other
    workers made are read again at the end.
    """

    def __init__(
        self,
        bucket: Bucket,
        manifest: Manifest,
        scenarios: Sequence[Scenario] | None,
        cluster: Cluster | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        from runner.training.training import Training, TrainingConfig

        wanted = manifest.training
        config = TrainingConfig(
            agent=wanted.agent,
            agent_settings=wanted.agent_settings,
            episodes=wanted.episodes,
            steps=wanted.steps,
            reward=wanted.reward,
            problem=wanted.problem,
            seed=wanted.seed,
            member=manifest.federation.member if manifest.federation else 0,
        )
        self.bucket = bucket
        self.manifest = manifest
        self._say = say
        self.training = Training(config, scenarios, cluster)
        self._episodes: list[Episode] = []
        self._steps: dict[int, str] = {}  # JSON Lines of the episodes whose records were seen here
        self._states: set[int] | None = None  # states whose records were seen; None while nothing was run elsewhere
        if wanted.weights:
            self.training.load_weights(read_weights(bucket, wanted.weights))

    @property
    def history(self) -> Sequence[Episode]:
        new = self.training.history[len(self._episodes) :]
        self._episodes += [Facts(row["reward"], row["steps"], row["solved"]) for row in new]
        return self._episodes

    def run_episode(self, episode: int, must_stop: Callable[[], bool]) -> Episode:
        from env.interrupt import Stopped

        try:
            return self.training.run_episode(episode, must_stop)
        except Stopped as stopped:
            raise Interrupted from stopped

    def state(self) -> bytes:
        state = self.training.state()
        self._take_records()
        return state

    def restore(self, state: bytes) -> int:
        done = self.training.restore(state)
        self._episodes, self._states = [], set()
        self._take_records()
        return done

    def weights(self) -> bytes:
        return self.training.weights()

    def load_weights(self, weights: bytes) -> None:
        self.training.load_weights(weights)

    def artifacts(self) -> Mapping[str, bytes]:
        from runner.training.summary import log_lines

        return {
            **self._checkpoint(),
            "train.log": log_lines(self.training.history).encode(),
            "steps.jsonl": self._all_steps().encode(),
            **learning_curve_of(self.training.history, self.manifest, self._say),
        }

    def fingerprint(self) -> dict[str, str]:
        from runner.training.environment import fingerprint

        return fingerprint()

    def _checkpoint(self) -> dict[str, bytes]:
        agent = self.training.agent
        if agent_kind(agent.name).has_weights:
            return {keys.CHECKPOINT: checkpoint.dumps(agent.state_dict())}
        return {"checkpoint_final.json": json_bytes(agent.state_dict())}

    def _take_records(self) -> None:
        """Keep the records since the last state, which are in this one."""
        self._remember(self.training.records)
        if self._states is not None:
            self._states.add(self.training.done)
        self.training.forget_records()

    def _remember(self, records: Sequence[dict[str, Any]]) -> None:
        from runner.training.training import to_lines

        for episode, group in groupby(records, key=itemgetter("episode")):
            self._steps[episode] = to_lines(list(group))

    def _all_steps(self) -> str:
        self._remember(self.training.records)
        if self._states is not None:
            self._read_other_states(self._states)
        return "".join(lines for _, lines in sorted(self._steps.items()))

    def _read_other_states(self, seen: set[int]) -> None:
        from runner.training.training import records_of

        mine = {row["episode"] for row in self.training.history}
        for job_id in filter(None, (self.manifest.retry_of, self.manifest.job_id)):
            for entry in self.bucket.list(keys.states(job_id)).entries:
                if keys.parse_state(entry.key) in seen:
                    continue
                try:
                    body = self.bucket.get(entry.key, WEIGHTS_BYTES)
                except Refused as error:
                    self._say(f"{self.manifest.job_id}: its step records are left out: {error}")
                    continue
                if body is not None:
                    self._remember([record for record in records_of(body) if record["episode"] in mine])


def learning_curve_of(
    history: Sequence[Mapping[str, Any]], manifest: Manifest, say: Callable[[str], None]
) -> dict[str, bytes]:
    """The picture of a training by its file's name; none, and a line, where it cannot be drawn: no training is lost."""
    try:
        from runner.training.curves import learning_curve  # matplotlib, which wants a folder to write to

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "learning_curve.png"
            learning_curve(history, path, title=manifest.job_id, unit=manifest.training.unit)
            return {path.name: path.read_bytes()}
    except Exception as error:
        say(f"{manifest.job_id}: no learning curve: {type(error).__name__}: {error}")
        return {}
