"""States that a training may be told to go on from: the agent takes them as they are, or is what it was."""

from __future__ import annotations

import json
import math
from typing import Any

import hostile
import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from agents.saved import checkpoint
from env.errors import AgentError
from infra.proof.standin import bucket_of, training
from infra.proof.virtual_time import World
from protocol.learners.training import TrainingLearner
from protocol.wire.job_documents import Manifest
from runner.training.training import records_of, to_lines

MANIFEST = Manifest(
    job_id="j",
    created_at="now",
    training=training(traces=(), steps=5, agent_settings={"hidden": [4], "replay_size": 64, "learning_starts": 8}),
)


def learner() -> TrainingLearner:
    return TrainingLearner(bucket_of(World(seed=0)), MANIFEST, None)


@pytest.fixture(scope="module")
def fresh() -> TrainingLearner:
    return learner()


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    trained = learner()
    for episode in (1, 2):
        trained.run_episode(episode, lambda: False)
    return checkpoint.loads(trained.state(), "state")


def restore(learner: TrainingLearner, body: bytes) -> None:
    before = checkpoint.dumps(learner.training.agent.state_dict())
    done = hostile.answered("states: restored", len(body), lambda: learner.restore(body))
    hostile.answered("states: records", len(body), lambda: records_of(body))
    if done is None:
        assert checkpoint.dumps(learner.training.agent.state_dict()) == before
    else:
        assert learner.history[-1:] == [] or done > 0
        checkpoint.loads(learner.state(), "again")


finite = hostile.scalars.filter(lambda value: not isinstance(value, float) or math.isfinite(value))
others = st.one_of(
    finite,
    st.builds(
        lambda shape, number: np.full(shape, number, np.float32),
        st.lists(st.integers(0, 3), max_size=2),
        st.sampled_from([0.0, -1.0, 1e38, float("nan")]),
    ),
    st.sampled_from([np.zeros(3, np.int64), np.full((2,), 99), [], {}, [[]], [1.5, "x"]]),
)


def written(state: dict[str, Any]) -> bytes:
    """The state as a file, as far as it can be one: no array in a list, no "/" in a name."""
    try:
        return checkpoint.dumps(state)
    except (AgentError, TypeError):
        reject()


@settings(settings.get_profile("fuzz"))
@given(data=st.data())
def test_a_state_with_other_content_is_taken_or_refused(
    fresh: TrainingLearner, state: dict[str, Any], data: st.DataObject
) -> None:
    mutant = data.draw(hostile.mutants(state, others))
    if isinstance(mutant, dict):
        restore(fresh, written(mutant))


@settings(settings.get_profile("fuzz"))
@given(data=st.data())
def test_a_state_with_another_history_is_taken_or_refused(
    fresh: TrainingLearner, state: dict[str, Any], data: st.DataObject
) -> None:
    field = data.draw(st.sampled_from(["history", "records"]))
    rows = [json.loads(line) for line in state[field].tobytes().splitlines()]
    mutant = data.draw(hostile.mutants(rows))
    lines = to_lines(mutant) if isinstance(mutant, list) else json.dumps(mutant)
    restore(fresh, written({**state, field: np.frombuffer(lines.encode("utf-8", "surrogatepass"), np.uint8)}))


@settings(settings.get_profile("fuzz"))
@given(seed=st.integers(0, 2**64))
def test_a_damaged_state_is_taken_or_refused(fresh: TrainingLearner, state: dict[str, Any], seed: int) -> None:
    whole = checkpoint.dumps(state)
    for chance in list(hostile.chances(seed))[:5]:
        restore(fresh, hostile.damaged(whole, chance))
