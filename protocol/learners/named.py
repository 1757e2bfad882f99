"""A learner that a job names, as an attempt sees it: tensors by name become files, and everything is checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from agents.saved import checkpoint
from agents.saved.checkpoint import Array, Shape
from env.errors import AgentError, ConfigError, one_line
from protocol.learners.catalogue import made
from protocol.learners.learner import Epoch, Learner, Task
from protocol.learners.materials import read_weights
from protocol.learners.training import Facts, learning_curve_of
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.errors import ProtocolError
from protocol.wire.job_documents import Manifest, TrainingSpec
from protocol.worker.learner import Episode, Interrupted

_LONGEST_NAME = 253
_KINDS = tuple(np.dtype(kind) for kind in ("<f4", "<f8", "<i8", "u1"))


class NamedLearner:
    """`protocol.learners.learner.Learner` of a job, with the files to keep beside the result."""

    def __init__(self, bucket: Bucket, manifest: Manifest, say: Callable[[str], None] = lambda line: None) -> None:
        wanted, member = manifest.training, manifest.federation
        if wanted.learner is None:
            raise ProtocolError(f"{manifest.job_id}: names no learner")
        self.manifest = manifest
        self._say = say
        self._wanted = wanted.learner
        self._seed = (wanted.seed, member.member if member else 0)
        self._learner = made(wanted.learner, task_of(wanted, self._seed[1], member.size if member else 1))
        self._shapes = shapes_of(self._learner, wanted.learner.name)
        self._done: list[Facts] = []
        self._epoch = 0
        self._differs = ""
        if wanted.weights:
            self.load_weights(read_weights(bucket, wanted.weights))

    @property
    def history(self) -> Sequence[Episode]:
        return self._done

    def run_episode(self, episode: int, must_stop: Callable[[], bool]) -> Episode:
        def may_stop() -> None:
            if must_stop():
                raise Interrupted

        found = self._learner.train(episode, seed_of(*self._seed, episode), may_stop)
        self._done.append(self._checked(found, episode))
        self._epoch = episode
        return self._done[-1]

    def state(self) -> bytes:
        rewards = [math.nan if each.reward is None else each.reward for each in self._done]
        history = {"reward": np.array(rewards, np.float64), "steps": np.array([e.steps for e in self._done], np.int64)}
        own = _plain(self._learner.state(), f"{self._name}: its state")
        return checkpoint.dumps({"learner": own, "history": history, "epoch": self._epoch, "name": self._wanted.name})

    def restore(self, state: bytes) -> int:
        content = checkpoint.loads(state, "training state")
        try:
            own, history, epoch = content["learner"], content["history"], content["epoch"]
            rewards, steps = (history[name].tolist() for name in ("reward", "steps"))
            done = [Facts(None if math.isnan(r) else r, n, None) for r, n in zip(rewards, steps, strict=True)]
            fits = content["name"] == self._wanted.name and isinstance(own, dict) and len(done) <= epoch
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            raise AgentError("training state: damaged") from error
        if not fits:
            raise AgentError(f"training state: not one of {self._name}")
        self._learner.restore(_copied(own))
        self._done, self._epoch = done, epoch
        if self.state() != state:
            self._differs = f"epoch {epoch}: what was restored is not the state that was saved"
            self._say(f"{self.manifest.job_id}: {self._name}: {self._differs}; a take-over may change the weights")
        return self._epoch

    def weights(self) -> bytes:
        what = f"{self._name}: its weights"
        return checkpoint.write(checkpoint.tensors(_arrays(self._learner.weights(), what), self._shapes, what))

    def load_weights(self, weights: bytes) -> None:
        found = checkpoint.tensors(checkpoint.loads(weights, "weights"), self._shapes, "weights")
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
        return f"learner {self._wanted.name!r}"

    def _checked(self, found: Epoch, epoch: int) -> Facts:
        where, most = f"{self._name}: epoch {epoch}", self._wanted.epoch_steps
        steps, reward = getattr(found, "steps", None), getattr(found, "reward", None)
        if not isinstance(steps, int | np.integer) or not 1 <= steps <= most:
            raise ConfigError(f"{where}: {steps!r:.80} steps; must be a whole number from 1 to {most} (--epoch-steps)")
        if reward is not None and not (isinstance(reward, int | float | np.number) and math.isfinite(reward)):
            raise ConfigError(f"{where}: reward {reward!r:.80}; must be a finite number, or None")
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
    learner = made(training.learner, task_of(training, 0, members))
    shapes = shapes_of(learner, training.learner.name)
    return shapes, checkpoint.write(checkpoint.tensors(learner.weights(), shapes, "weights"))


def shapes_of(learner: Learner, name: str) -> dict[str, Shape]:
    """Name -> shape of what is averaged.

    Raises:
        AgentError: There is nothing, or something else than finite float32 arrays.
    """
    what = f"learner {name!r}: its weights"
    arrays = _arrays(learner.weights(), what)
    if not arrays:
        raise AgentError(f"{what}: there are none")
    shapes = {name: array.shape for name, array in arrays.items()}
    checkpoint.tensors(arrays, shapes, what)
    return shapes


def _arrays(given: object, what: str) -> dict[str, Array]:
    if not isinstance(given, Mapping):
        raise AgentError(f"{what}: no mapping of tensors but a {type(given).__name__}")
    found = {}
    for name, array in given.items():
        if not isinstance(name, str) or not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable() or "/" in name:
            raise AgentError(f"{what}: {one_line(str(name), 80)!r}: a name is printable text without a slash")
        found[name] = _array(array, f"{what}: {name}")
    return found


def _array(given: Any, what: str) -> Array:
    try:
        array = np.asarray(given)
    except Exception as error:  # a tensor on a GPU, or one that still has a gradient
        raise AgentError(f"{what}: no array ({one_line(str(error), 200)})") from error
    if array.dtype not in _KINDS:
        raise AgentError(f"{what}: {array.dtype}; use {', '.join(kind.name for kind in _KINDS)}")
    return array


def _plain(given: Mapping[str, Any], what: str) -> dict[str, Any]:
    """A state with arrays as NumPy's, names checked."""
    if not isinstance(given, Mapping):
        raise AgentError(f"{what}: must be a dict, not a {type(given).__name__}")
    found: dict[str, Any] = {}
    for name, value in given.items():
        if not isinstance(name, str) or "/" in name:
            raise AgentError(f"{what}: {one_line(str(name), 80)!r}: a name is text without a slash")
        where = f"{what}: {name}"
        if isinstance(value, Mapping):
            found[name] = _plain(value, where)
        elif hasattr(value, "__array__"):
            found[name] = _array(value, where)
        else:
            found[name] = _checked_json(value, where)
    return found


def _checked_json(value: Any, what: str) -> Any:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_checked_json(each, what) for each in value]
    raise AgentError(f"{what}: a {type(value).__name__}; use arrays, numbers, texts, None, lists and dicts")


def _copied(state: Mapping[str, Any]) -> dict[str, Any]:
    """The same with arrays that may be changed."""
    return {
        name: _copied(value) if isinstance(value, Mapping) else value.copy() if isinstance(value, np.ndarray) else value
        for name, value in state.items()
    }
