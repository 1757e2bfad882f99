"""One attempt in Cluster-v0: an episode of one agent at one scenario, and the row about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.agent import Agent
from agents.llm.agent import LLMAgent
from agents.llm.decision import Decision
from agents.llm.model import ContextExceeded, Model, ProviderAway
from agents.llm.prompt import PROMPT_HASH
from env.actions import Action
from env.cluster import Cluster
from env.embedded.cluster import EmbeddedCluster
from env.errors import ClusterError
from env.gym.cluster_env import ClusterEnv
from env.printable import one_line
from runner.benchmark.budget import Budget
from runner.benchmark.metered import MeteredModel, Price
from runner.benchmark.players import LLM
from runner.benchmark.rows import LONGEST_ERROR, Outcome, Row, StepRow, Totals
from runner.benchmark.scenarios import AnyScenario, BenchmarkScenario
from runner.benchmark.transcript import Transcript
from runner.episode import StepRecord, run_episode
from runner.evaluation.yardstick import Yardstick

REWARD = "shaped"
_LONGEST_NAME = 200
_MOST_NAMES = 20  # of models that answered; a row is bounded


@dataclass(frozen=True)
class Rules:
    """What is the same for all attempts of a run.

    Attributes:
        attempts: At each scenario.
        max_steps: Of an episode.
        seed: What happens by chance in an attempt follows from it, the scenario's content and the attempt's number.
        cluster: Where traces are replayed; None: in this process.
        should_stop: Asked before every step and every request.
    """

    attempts: int
    max_steps: int
    seed: int
    cluster: Cluster | None = None
    should_stop: Callable[[], bool] = lambda: False

    def seed_sequence(self, scenario: AnyScenario, attempt: int) -> np.random.SeedSequence:
        """All randomness of an attempt; the same for every agent."""
        return np.random.SeedSequence((self.seed, int(scenario.sha256[:16], 16), attempt))


@dataclass(frozen=True)
class Contestant:
    """The model that is measured.

    Attributes:
        open: Opens it for an attempt at a scenario.
        provider, model: As asked.
        settings: Of the agent `llm`.
        price: What its tokens cost.
        price_table: The date of the prices; None where none is known.
        budget: What may be spent.
    """

    open: Callable[[Any], Model]
    provider: str
    model: str
    settings: Mapping[str, Any]
    price: Price
    price_table: str | None
    budget: Budget

    @property
    def max_tool_rounds(self) -> int:
        """Replies of a step in which tools may be called."""
        return int(self.settings["max_tool_rounds"])


@dataclass(frozen=True)
class _Episode:
    """What happened in an episode; `error` says why it did not come to its end, and `cut` is set if it is that the
    model's conversation outgrew its context."""

    records: Sequence[StepRecord]
    solved: bool
    over_allocation: float | None
    error: str = ""
    cut: ContextExceeded | None = None


def play_baseline(agent: Agent, name: str, scenario: BenchmarkScenario, attempt: int, rules: Rules) -> Row:
    """The row of an attempt of an agent without a language model.

    Raises:
        Stopped: A stop was asked for.
    """
    episode = _played(agent, scenario, attempt, rules)
    steps = [_step(record, None) for record in episode.records]
    return _row(scenario, attempt, rules, episode, steps, {"agent": name})


def play_model(contestant: Contestant, scenario: BenchmarkScenario, attempt: int, rules: Rules, path: Path) -> Row:
    """The row of an attempt of the model.

    Args:
        path: The attempt's transcript. If there is one already, its replies are used as far as they go.

    Raises:
        ProviderRefused: The provider does not take such requests. An attempt whose requests outgrow the model's context
            has failed instead: others may not.
        BudgetSpent: The next request could exceed the budget.
        Stopped: A stop was asked for. The transcript holds what was replied so far.
    """
    transcript = Transcript(path)
    with closing(contestant.open(scenario)) as inner:
        model = MeteredModel(inner, transcript, contestant.budget, contestant.price)
        agent = LLMAgent(contestant.settings, model=model)
        episode = _played(agent, scenario, attempt, rules)
    if episode.cut and not transcript.models:  # not even the first request fits
        raise episode.cut
    pairs = zip(episode.records, agent.decisions, strict=False)  # the last decision may have no step
    return _row(
        scenario,
        attempt,
        rules,
        episode,
        [_step(record, decision) for record, decision in pairs],
        model_facts(contestant, transcript, PROMPT_HASH),
    )


def model_facts(contestant: Contestant, transcript: Transcript, prompt_sha256: str) -> dict[str, Any]:
    """What a row says of the model that was played, and of what it cost."""
    return {
        "agent": LLM,
        "provider": contestant.provider,
        "model": contestant.model,
        "models_answered": [one_line(name, _LONGEST_NAME) for name in transcript.models[:_MOST_NAMES]],
        "prompt_sha256": prompt_sha256,
        "price_table": contestant.price_table,
        "max_tool_rounds": contestant.max_tool_rounds,
        "cost": transcript.cost,
    }


def error_text(error: Exception) -> str:
    """What a row says of the error that ended an attempt."""
    return one_line(str(error), LONGEST_ERROR) or type(error).__name__


def _played(agent: Agent, scenario: BenchmarkScenario, attempt: int, rules: Rules) -> _Episode:
    env = ClusterEnv([scenario.scenario], reward=REWARD, max_steps=rules.max_steps, cluster=rules.cluster)
    records: list[StepRecord] = []
    with closing(env):
        try:
            result = run_episode(
                env,
                agent,
                seed_sequence=rules.seed_sequence(scenario, attempt),
                explore=False,
                learn=None,
                should_stop=rules.should_stop,
                on_step=records.append,
            )
        except (ProviderAway, ContextExceeded, ClusterError) as error:
            said = error_text(error)
            return _Episode(records, False, None, said, error if isinstance(error, ContextExceeded) else None)
        end = env.observation.resources
    held = Yardstick(scenario.scenario, EmbeddedCluster()).over_allocation(end) if result.solved else None
    return _Episode(records, result.solved, held)


def _row(
    scenario: BenchmarkScenario,
    attempt: int,
    rules: Rules,
    episode: _Episode,
    steps: list[StepRow],
    facts: Mapping[str, Any],
) -> Row:
    outcome = Outcome.SOLVED if episode.solved and _is_allowed(scenario, steps) else Outcome.FAILED
    return Row(
        scenario=scenario.name,
        scenario_sha256=scenario.sha256,
        problem_type=scenario.problem_type,
        difficulty=scenario.difficulty,
        least_actions=scenario.least_actions,
        twin=scenario.twin,
        demands=None if scenario.demands is None else int(scenario.demands),
        attempt=attempt,
        attempts=rules.attempts,
        seed=rules.seed,
        max_steps=rules.max_steps,
        outcome=Outcome.INFRASTRUCTURE_ERROR if episode.error and not episode.cut else outcome,
        error=episode.error,
        steps=steps,
        optimum_steps=scenario.optimum_steps,
        over_allocation=episode.over_allocation if outcome is Outcome.SOLVED else None,
        episode_return=float(sum(step.reward for step in steps)),
        totals=Totals.of(steps),
        **facts,
    )


def _is_allowed(scenario: BenchmarkScenario, steps: Sequence[StepRow]) -> bool:
    """Where nothing is wrong, success is to have done nothing, and to have said so."""
    return not scenario.is_control or all(step.action == Action.NOOP and not step.invalid for step in steps)


def _step(record: StepRecord, decision: Decision | None) -> StepRow:
    outcome, after = record["outcome"], record["after"]
    calls = () if decision is None else decision.calls
    return StepRow(
        action=record["action"]["index"],
        invalid=decision is not None and decision.invalid,
        changed=outcome["changed"],
        blocked=outcome["blocked"],
        reward=record["reward"],
        ready=after["obs"]["ready"],
        pending=after["obs"]["pending"],
        total=after["obs"]["total"],
        cpu=after["resources"]["cpu"],
        memory=after["resources"]["memory"],
        replicas=after["resources"]["replicas"],
        tool_rounds=0 if decision is None else decision.tool_rounds,
        tool_calls=len(calls),
        tool_errors=sum(call.is_error for call in calls),
    )
