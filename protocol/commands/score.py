"""How well a federation's newest global model does: greedy episodes on problems, played where it is asked.

No closer and no worker plays them: that would cost every round time, and a figure in the bucket would have to be
trusted. Whoever may read the bucket can play the model itself, in a second or two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from protocol.wire import keys
from protocol.wire.bucket import WEIGHTS_BYTES, Bucket
from protocol.wire.errors import ProtocolError
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import TrainingSpec

if TYPE_CHECKING:
    from agents.agent import Agent
    from env.problems.scenario import Scenario
    from runner.training.trainee import Evaluator


@dataclass(frozen=True)
class ModelScore:
    """What a global model makes of fixed problems, greedily.

    Attributes:
        round: After which it was made.
        problems: What was played, in words.
        n: How many problems.
        solved: What counts as solved, in words.
        solved_rate: Share that was solved.
        mean_steps, mean_return: Of an episode.
    """

    round: int
    problems: str
    solved: str
    n: int
    solved_rate: float
    mean_steps: float
    mean_return: float


def model_score(bucket: Bucket, federation: Federation, closed: int) -> ModelScore:
    """Play the global model of round `closed`; errors as of `model_and_problems`."""
    agent, evaluator, what = model_and_problems(bucket, federation, closed)
    row = evaluator.score(agent, lambda: False)
    rates = (row["solved_rate"], row["mean_steps"], row["mean_return"])
    return ModelScore(closed, what, evaluator.solved, row["n"], *rates)


def model_and_problems(bucket: Bucket, federation: Federation, closed: int) -> tuple[Agent, Evaluator, str]:
    """The global model of round `closed`, and what it is played on: problems that no training sees, or the
    federation's own traces; and which of them, in words.

    Raises:
        ProtocolError: There is no model yet, or it is of a learner, which has no such problems.
        SimArenaError: The model, a trace or a setting cannot be used.
    """
    from agents.saved import checkpoint
    from runner.training.training import load_agent_weights

    training, group = federation.training, federation.group
    if training.learner is not None:
        raise ProtocolError(
            f"--score: plays our own agents, {group} trains the learner {training.learner.name}; its mean reward is in "
            f"the rounds of: dispatch status {group}"
        )
    body = bucket.get(keys.global_weights(group, closed), WEIGHTS_BYTES) if closed else None
    if body is None:
        raise ProtocolError(f"--score: {group} has no global model yet; its first round is still open")
    weights = checkpoint.loads(body, f"weights of {group}, round {closed}")
    agent, evaluator, what = _untrained(bucket, training)
    load_agent_weights(agent, weights)
    return agent, evaluator, what


def _untrained(bucket: Bucket, training: TrainingSpec) -> tuple[Agent, Evaluator, str]:
    """An agent of the training's kind, and what it is played on."""
    if training.environment is not None:
        from protocol.learners.environments import make_trainee

        trainee = make_trainee(training, training.environment, 0)
        return trainee.agent, trainee.plan.evaluator(), _UNSEEN
    from agents.kinds import make_agent
    from runner.training.validation import Validation

    agent = make_agent(training.agent, seed=training.seed, settings=training.agent_settings)
    scenarios, what = _problems(bucket, training)
    return agent, Validation(scenarios, training.steps, training.reward), what


_UNSEEN = "problems that no training sees"


def _problems(bucket: Bucket, training: TrainingSpec) -> tuple[list[Scenario], str]:
    """What is played, and what it is in words; at most as many of the traces as there are fixed problems."""
    from env.trace.document import read_trace
    from protocol.learners.inputs import TRACE_BYTES, scenario_of
    from runner.training.validation import PROBLEMS, validation_problems

    if not training.traces:
        return validation_problems(training.problem), _UNSEEN
    shown = training.traces[:PROBLEMS]
    traces = ((sha256, bucket.content(keys.trace, sha256, TRACE_BYTES)) for sha256 in shown)
    scenarios = [scenario_of(read_trace(body, keys.trace(sha256)), sha256[:12], training) for sha256, body in traces]
    return scenarios, "of its own traces"
