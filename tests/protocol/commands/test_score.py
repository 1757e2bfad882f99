"""`dispatch status --score`: the newest global model, played where it is asked."""

from __future__ import annotations

import pytest

from agents.kinds import make_agent
from agents.saved import checkpoint
from env.errors import AgentError
from infra.proof.standin import federation
from protocol.commands.score import ModelScore, model_score
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.clock import system_clock
from protocol.wire.errors import ProtocolError
from protocol.wire.federation_documents import Federation
from protocol.wire.memory import MemoryS3
from runner.training.validation import Validation, validation_problems

SMALL = {"hidden": [8]}


@pytest.fixture
def bucket() -> Bucket:
    return Bucket(MemoryS3().store("me"), system_clock())


def trained(version: int = 2, **changes: object) -> Federation:
    given = federation(2).training.model_dump()
    wanted = {"agent": "dqn", "agent_settings": SMALL, "reward": "shaped", "steps": 3, "traces": (), **changes}
    return federation(2, version=version, training={**given, **wanted})


def with_model(bucket: Bucket, seed: int, round_: int) -> None:
    weights = make_agent("dqn", seed=seed, settings=SMALL).weights()
    bucket.create(keys.global_weights(federation(2).group, round_), checkpoint.write(weights))


def test_the_score_is_that_of_the_newest_global_model_on_problems_that_no_training_sees(bucket: Bucket) -> None:
    with_model(bucket, 5, 1)
    found = model_score(bucket, trained(seed=0), 1)
    agent = make_agent("dqn", seed=5, settings=SMALL)
    alone = Validation(validation_problems(None), 3, "shaped").score(agent, lambda: False)
    assert found == ModelScore(1, "problems that no training sees", **alone)
    assert found.n == 200


def test_before_the_first_round_is_closed_there_is_no_score(bucket: Bucket) -> None:
    with pytest.raises(ProtocolError, match="has no global model yet"):
        model_score(bucket, trained(), 0)


def test_a_model_of_other_tensors_is_refused(bucket: Bucket) -> None:
    bucket.create(keys.global_weights(federation(2).group, 1), b"no model")
    with pytest.raises(AgentError, match="round 1"):
        model_score(bucket, trained(), 1)


def test_of_another_environment_the_error_names_what_scores_there(bucket: Bucket) -> None:
    environment = {"name": "season", "epoch_steps": 64, "environments": 4}
    with pytest.raises(ProtocolError, match="sim-arena evaluate"):
        model_score(bucket, trained(6, environment=environment), 1)
