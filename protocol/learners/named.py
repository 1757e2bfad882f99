"""A learner that a job names, as an attempt sees it: tensors by name become files, and everything is checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from agents.saved import checkpoint
from agents.saved.checkpoint import Shape
from env.errors import AgentError, ConfigError
from env.printable import one_line
from protocol.learners import returned
from protocol.learners.asking import LearnerFailed, asking
from protocol.learners.catalogue import KindOf, learner_kind, made
from protocol.learners.learner import Epoch, Learner, Task
from protocol.learners.materials import read_weights
from protocol.learners.training import Facts, learning_curve_of
from protocol.wire import keys
from protocol.wire.bucket import WEIGHTS_BYTES, Bucket
from protocol.wire.errors import ProtocolError
from protocol.wire.job_documents import Manifest, TrainingSpec
from protocol.worker.learner import Episode, Interrupted


class NamedLearner:
    """`protocol.learners.learner.Learner` of a job, with the files to keep beside the result.

    Args:
        kind_of: What is installed here.
    """

    def __init__(
        self,
        bucket: Bucket,
        manifest: Manifest,
        say: Callable[[str], None] = lambda line: None,
        kind_of: KindOf = learner_kind,
    ) -> None:
        wanted, member = manifest.training, manifest.federation
        if wanted.learner is None:
            raise ProtocolError(f"{manifest.job_id}: names no learner")
        self.manifest = manifest
        self._say = say
        self._wanted = wanted.learner
        self._seed = (wanted.seed, member.member if member else 0)
        self._learner = made(wanted.learner, task_of(wanted, self._seed[1], member.size if member else 1), kind_of)
        self._shapes = _shapes_of(self._learner, wanted.learner.name)
        self._done: list[Facts] = []
        self._epoch = 0
        self._differs = ""
        if wanted.weights:
            self.load_weights(read_weights(bucket, wanted.weights))

    @property
    def history(self) -> Sequence[Episode]:
        return self._done

    def run_episode(self, episode: int, must_stop: Callable[[], bool]) -> Episode:
        stopped = False

        def may_stop() -> None:
            nonlocal stopped
            if must_stop():
                stopped = True
                raise Interrupted

        try:
            with asking(self._name, f"train, epoch {episode}"):
                found = self._learner.train(episode, seed_of(*self._seed, episode), may_stop)
        except LearnerFailed:
            if not stopped:
                raise
        if stopped:
            raise Interrupted  # a learner that catches it has trained a part of the epoch
        self._done.append(self._checked(found, episode))
        self._epoch = episode
        return self._done[-1]

    def state(self) -> bytes:
        rewards = [math.nan if each.reward is None else each.reward for each in self._done]
        history = {"reward": np.array(rewards, np.float64), "steps": np.array([e.steps for e in self._done], np.int64)}
        own = returned.state(self._learner, self._wanted.name)
        content = {"learner": own, "history": history, "epoch": self._epoch, "name": self._wanted.name}
        return _readable(checkpoint.dumps(content), f"{self._name}: its state")

    def restore(self, state: bytes) -> int:
        content = checkpoint.loads(state, "training state", WEIGHTS_BYTES)
        try:
            own, history, epoch = content["learner"], content["history"], content["epoch"]
            rewards, steps = (history[name].tolist() for name in ("reward", "steps"))
            done = [Facts(None if math.isnan(r) else r, n, None) for r, n in zip(rewards, steps, strict=True)]
            fits = content["name"] == self._wanted.name and isinstance(own, dict) and len(done) <= epoch
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            raise AgentError("training state: damaged") from error
        if not fits:
            raise AgentError(f"training state: not one of {self._name}")
        with asking(self._name, f"restore, epoch {epoch}"):
            self._learner.restore(returned.copied(own))
        self._done, self._epoch = done, epoch
        if self.state() != state:
            self._differs = f"epoch {epoch}: what was restored is not the state that was saved"
            self._say(f"{self.manifest.job_id}: {self._name}: {self._differs}; a take-over may change the weights")
        return self._epoch

    def weights(self) -> bytes:
        what = f"{self._name}: its weights"
        arrays = returned.weights(self._learner, self._wanted.name)
        return _readable(checkpoint.write(checkpoint.tensors(arrays, self._shapes, what)), what)

    def load_weights(self, weights: bytes) -> None:
        what = f"{self._name}: weights to go on from"
        found = checkpoint.tensors(checkpoint.loads(weights, what, WEIGHTS_BYTES), self._shapes, what)
        with asking(self._name, "load_weights"):
            self._learner.load_weights({name: array.copy() for name, array in found.items()})

    def artifacts(self) -> Mapping[str, bytes]:
        rows = [{"episode": n, "reward": e.reward, "steps": e.steps} for n, e in enumerate(self._done, 1)]
        lines = (f"{row['episode']:6d}  reward {row['reward']!s:>22}  {row['steps']} steps\n" for row in rows)
        return {
            keys.CHECKPOINT: self.weights(),
            "train.log": "".join(lines).encode(),
            **learning_curve_of(rows, self.manifest, self._say),
        }

    def fingerprint(self) -> dict[str, str]:
        from runner.training.environment import fingerprint

        packages = ", ".join(f"{name} {version}" for name, version in self.manifest.training.packages.items())
        more = {"learner": f"{self._wanted.name} of {packages}"[:4000]} if packages else {}
        return {**fingerprint(), **more, **({"differs": self._differs} if self._differs else {})}

    @property
    def _name(self) -> str:
        return returned.called(self._wanted.name)

    def _checked(self, found: Epoch, epoch: int) -> Facts:
        where, most = f"{self._name}: epoch {epoch}", self._wanted.epoch_steps
        steps, reward = getattr(found, "steps", None), getattr(found, "reward", None)
        if not isinstance(steps, int | np.integer) or not 1 <= steps <= most:
            raise ConfigError(
                f"{where}: {one_line(repr(steps), 80)} steps; must be a whole number from 1 to {most} (--epoch-steps)"
            )
        if reward is not None and not _is_finite(reward):
            raise ConfigError(f"{where}: reward {one_line(repr(reward), 80)}; must be a finite number, or None")
        return Facts(None if reward is None else float(reward), int(steps), None)


def task_of(training: TrainingSpec, member: int, members: int) -> Task:
    """What a member is to train."""
    return Task(seed_of(training.seed), member, members, training.episodes)


def seed_of(*parts: int) -> int:
    """A seed below 2^32 of a job, or of a member's epoch."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def first_weights(training: TrainingSpec, members: int) -> tuple[dict[str, Shape], bytes]:
    """The shapes and the bytes of the weights that a federation of a learner starts from.

    Raises:
        ConfigError, AgentError: The learner is not installed, or a setting or its weights do not fit.
    """
    if training.learner is None:
        raise ProtocolError("a training without a learner")
    name = training.learner.name
    learner = made(training.learner, task_of(training, 0, members))
    shapes = _shapes_of(learner, name)
    return shapes, checkpoint.write(returned.weights(learner, name))


def _shapes_of(learner: Learner, name: str) -> dict[str, Shape]:
    """Name -> shape of what is averaged; AgentError if there is nothing, or something else than finite float32."""
    arrays = returned.weights(learner, name)
    shapes = {tensor: array.shape for tensor, array in arrays.items()}
    checkpoint.tensors(arrays, shapes, f"{returned.called(name)}: its weights")
    return shapes


def _is_finite(reward: Any) -> bool:
    try:
        return isinstance(reward, int | float | np.integer | np.floating) and math.isfinite(reward)
    except OverflowError:  # an int beyond all floats
        return False


def _readable(body: bytes, what: str) -> bytes:
    """The same, unless nobody would read that much of it back."""
    if len(body) > WEIGHTS_BYTES:
        raise AgentError(f"{what}: {len(body) >> 20} MiB; at most {WEIGHTS_BYTES >> 20} MiB can be kept")
    return body
