"""`dispatch status --score`: the newest global model, played where it is asked."""

from __future__ import annotations

import pytest

from agents.kinds import make_agent
from agents.ppo.agent import PPO
from agents.saved import checkpoint
from agents.spaces import fleet
from env.errors import AgentError
from infra.proof.standin import federation
from protocol.commands.score import ModelScore, model_and_problems, model_score
from protocol.report.evaluation import play, section
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.clock import system_clock
from protocol.wire.errors import ProtocolError
from protocol.wire.federation_documents import Federation
from protocol.wire.memory import MemoryS3
from runner.fleet.evaluator import FleetEvaluator
from runner.report.page import Table
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
    assert found == ModelScore(1, "problems that no training sees", "as many pods Ready as wanted", **alone)
    assert found.n == 200


def test_before_the_first_round_is_closed_there_is_no_score(bucket: Bucket) -> None:
    with pytest.raises(ProtocolError, match="has no global model yet"):
        model_score(bucket, trained(), 0)


def test_a_model_of_other_tensors_is_refused(bucket: Bucket) -> None:
    bucket.create(keys.global_weights(federation(2).group, 1), b"no model")
    with pytest.raises(AgentError, match="round 1"):
        model_score(bucket, trained(), 1)


def test_a_model_of_fleets_plays_fleets_and_is_held_against_hill_climbing(bucket: Bucket) -> None:
    environment = {"name": "fleet", "epoch_steps": 64, "environments": 4}
    agent = PPO(seed=5, settings=SMALL, spaces=fleet())
    bucket.create(keys.global_weights(federation(2).group, 1), checkpoint.write(agent.weights()))
    federated = trained(6, agent="ppo", environment=environment)
    evaluator = FleetEvaluator("small")
    row = evaluator.score(agent, lambda: False)
    found = model_score(bucket, federated, 1)
    assert (found.n, found.solved_rate, found.mean_return) == (200, row["solved_rate"], row["mean_return"])
    assert found.solved == "on as few nodes as hill climbing with as many replays"
    shown = play(*model_and_problems(bucket, federated, 1))
    assert [score.solved for score in shown.scores] == [round(200 * row["solved_rate"])]
    assert shown.returns == {"random": evaluator.baseline("random", lambda: False)["mean_return"]}
    [by_type, _] = section(shown).parts
    assert isinstance(by_type, Table)
    assert f"Solved: {found.solved}." in by_type.note


def test_a_model_of_a_learner_has_no_score(bucket: Bucket) -> None:
    given = {"learner": {"name": "walk"}, "episodes": 3, "steps": 1, "seed": 0}
    learned = federation(2, version=7, training=given)
    with pytest.raises(ProtocolError, match="plays our own agents"):
        model_score(bucket, learned, 1)
