"""What a run's jobs train and average, computed once more by plain loops: integers, or a learner's tensors by name.

Of the protocol's own code on learners nothing is used but the learner itself and the files' format: seeds, states and
the strategies' formulas are those of docs/protocol.md, written down again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.saved import checkpoint
from infra.proof.standin import StandIn, integers
from infra.proof.tiny_learner import FIRST, TinyLearner, TinySettings
from protocol.learners.learner import Epoch, Task
from protocol.rounds.aggregate import Aggregate, Aggregated, RoundInputs
from protocol.strategies.table import Strategy
from protocol.wire import keys
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import Manifest, Membership, TrainingSpec

Vector = NDArray[np.float64]
RATE, BETA_1, BETA_2, TAU = 0.03, 0.9, 0.99, 1e-3  # of fedadam


def fresh_learner(common: TrainingSpec, member: int = 0, wanted: Federation | None = None) -> StandIn | PlainLearner:
    """What a job trains, from its start; of a federation's member if one is given."""
    if common.learner is not None:
        return PlainLearner(common, member, wanted.size if wanted else 1)
    membership = None
    if wanted is not None:
        membership = Membership(
            group=wanted.group, member=member, size=wanted.size, episodes_per_round=wanted.episodes_per_round
        )
    job_id = keys.member_job(wanted.group, member) if wanted else "alone"
    manifest = Manifest(job_id=job_id, created_at="", training=common, federation=membership)
    return StandIn(manifest, lambda seconds: None, 0.0)


def averaging(wanted: Federation, before: RoundInputs) -> Aggregate:
    """The strategy's average of a round that starts from `before`."""
    return integers(wanted, before) if wanted.training.learner is None else PlainAverage(wanted, before)


def first_inputs(wanted: Federation) -> RoundInputs:
    """What the first round starts from."""
    return RoundInputs(None if wanted.training.learner is None else FIRST)


class PlainLearner:
    """The tiny learner of a member, driven by hand; states and weights have the bytes that the protocol keeps."""

    def __init__(self, training: TrainingSpec, member: int, members: int) -> None:
        settings = TinySettings.model_validate(training.learner.settings if training.learner else {})
        self.learner = TinyLearner(settings, Task(_seed(training.seed), member, members, training.episodes))
        self.seeds = (training.seed, member)
        self.history: Sequence[Epoch] = []
        self.episode = 0
        if training.weights:
            self.load_weights(FIRST)

    def run_episode(self, episode: int, must_stop: Callable[[], bool]) -> Epoch:
        done = self.learner.train(episode, _seed(*self.seeds, episode), lambda: None)
        self.history, self.episode = [*self.history, done], episode
        return done

    def state(self) -> bytes:
        rewards = [math.nan if done.reward is None else done.reward for done in self.history]
        history = {"reward": np.array(rewards, np.float64), "steps": np.array([e.steps for e in self.history], int)}
        return checkpoint.dumps(
            {"learner": self.learner.state(), "history": history, "epoch": self.episode, "name": "tiny"}
        )

    def restore(self, state: bytes) -> int:
        content = checkpoint.loads(state, "state")
        self.learner.restore(content["learner"])
        rewards, steps = (content["history"][name].tolist() for name in ("reward", "steps"))
        self.history = [Epoch(n, None if math.isnan(r) else r) for r, n in zip(rewards, steps, strict=True)]
        self.episode = int(content["epoch"])
        return self.episode

    def weights(self) -> bytes:
        return checkpoint.write(self.learner.weights())

    def load_weights(self, weights: bytes) -> None:
        self.learner.load_weights(checkpoint.loads(weights, "weights"))

    def artifacts(self) -> Mapping[str, bytes]:
        return {keys.CHECKPOINT: self.weights()}


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


class PlainAverage:
    """A strategy's average, tensor by tensor."""

    def __init__(self, wanted: Federation, before: RoundInputs) -> None:
        self.strategy = wanted.strategy
        self.names = [spec.name for spec in wanted.model]
        self.before = before
        self.updates: list[tuple[Mapping[str, Any], int]] = []

    def add(self, update: bytes, weight: int) -> None:
        self.updates.append((checkpoint.loads(update, "update"), weight))

    def finish(self) -> Aggregated:
        means = {name: self._mean(name) for name in self.names}
        state = None
        if self.strategy is Strategy.FEDADAM:
            means, state = self._adam(means)
        weights = checkpoint.write({name: mean.astype(np.float32) for name, mean in means.items()})
        return Aggregated(weights, state)

    def _mean(self, name: str) -> Vector:
        rows = [np.asarray(tensors[name], np.float64) for tensors, _ in self.updates]
        weights = [weight for _, weight in self.updates]
        if self.strategy in (Strategy.MEDIAN, Strategy.TRIMMED_MEAN):
            cut = dropped(self.strategy, len(rows))
            rows = [*np.sort(np.stack(rows), axis=0)[cut : len(rows) - cut]]
            weights = [1] * len(rows)
        total = np.zeros(rows[0].shape)
        for row, weight in zip(rows, weights, strict=True):
            total += row * weight
        return total / sum(weights)

    def _adam(self, means: Mapping[str, Vector]) -> tuple[dict[str, Vector], bytes]:
        started = checkpoint.loads(self.before.weights or FIRST, "weights")
        old = np.concatenate([np.asarray(started[name], np.float64) for name in self.names])
        move = np.concatenate([means[name] for name in self.names]) - old
        first, second = np.zeros(len(old)), np.full(len(old), TAU * TAU)
        if self.before.server_state is not None:
            kept = checkpoint.loads(self.before.server_state, "state")
            first, second = kept["first"], kept["second"]
        first = BETA_1 * first + (1.0 - BETA_1) * move
        second = BETA_2 * second + (1.0 - BETA_2) * (move * move)
        new = old + RATE * first / (np.sqrt(second) + TAU)
        parts = np.split(new, np.cumsum([len(means[name]) for name in self.names])[:-1])
        return dict(zip(self.names, parts, strict=True)), checkpoint.write({"first": first, "second": second})


def dropped(strategy: Strategy, updates: int) -> int:
    """How many of so many values a robust strategy drops at each end."""
    median = (updates - 1) // 2
    return median if strategy is Strategy.MEDIAN else min(max(1, updates // 5), median)
