"""Federations without S3: members of one process train, the protocol's own strategies put their networks together.

What S3, leases and workers add is time; the weights are the same, since a member's training and a round's average are
functions of what went into them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from time import perf_counter
from typing import Any

import numpy as np

from agents.dqn.settings import DQNSettings
from agents.kinds import make_agent
from agents.saved import checkpoint
from agents.settings import as_mapping
from env.errors import AgentError, ConfigError
from env.problems.draw import PROBLEMS
from env.words import count
from infra.bench.protocol.closing import federation
from protocol.learners.inputs import with_strategy
from protocol.rounds.aggregate import RoundInputs
from protocol.rounds.averaging import RoundAggregate
from protocol.strategies.table import ROBUST_SIZE, Strategy
from protocol.wire.errors import BadDocument
from runner.bench.exam import MAX_STEPS, Curve, ExamResult, Exams, standard_exams
from runner.bench.learning import settings_of
from runner.training.training import MAX_EPISODES, Training, TrainingConfig, load_agent_weights

SCALE = 1000.0


class Attack(StrEnum):
    """What member 0 sends instead of its weights."""

    SIGN_FLIP = "sign-flip"  # -w
    SCALE = "scale"  # SCALE w


@dataclass(frozen=True)
class FederationRun:
    """One federation.

    Attributes:
        members: How many train; all start from the same weights.
        strategy: How their networks become one.
        seed: Of the federation.
        env_steps: Environment steps of each member, in the mean; a federation ends with the round that reaches them.
        episodes_per_round: Episodes of each member between two averages.
        evaluate_every: Environment steps of each member between two points of the curve.
        heterogeneous: Member m meets problems of the kind PROBLEMS[m % 5] only.
        attack: What member 0 does; None: what it should.
        settings: All of `DQNSettings`, as JSON holds them.
    """

    members: int
    strategy: Strategy
    seed: int
    env_steps: int
    episodes_per_round: int
    evaluate_every: int
    heterogeneous: bool = False
    attack: Attack | None = None
    settings: Mapping[str, Any] = field(default_factory=lambda: as_mapping(DQNSettings()))


@dataclass(frozen=True)
class AloneRun:
    """What a member of a federation would be, had it trained by itself; see `FederationRun`."""

    member: int
    seed: int
    env_steps: int
    evaluate_every: int
    heterogeneous: bool = False
    settings: Mapping[str, Any] = field(default_factory=lambda: as_mapping(DQNSettings()))


def federation_runs(
    *,
    members: Sequence[int],
    strategies: Sequence[str],
    seeds: int,
    env_steps: int,
    episodes_per_round: int,
    evaluate_every: int,
    heterogeneous: bool,
    attack: Attack | None,
    settings: Mapping[str, Any],
) -> dict[str, list[FederationRun | AloneRun]]:
    """Federations of every size and strategy, then each of their members alone; each with seeds 1, 2, …

    Args:
        settings: Some of `DQNSettings`; fedprox sets `proximal` unless it is among them.

    Raises:
        ConfigError: no such strategy, or too few members for a robust one.
        AgentError: a setting that does not exist, or a value out of range.
    """
    groups: dict[str, list[FederationRun | AloneRun]] = {}
    numbers = range(1, seeds + 1)
    for name in strategies:
        strategy = _strategy(name, min(members))
        own = settings_of(with_strategy(dict(settings), strategy))
        for size in members:
            groups[f"{strategy}, {count(size, 'member')}"] = [
                FederationRun(
                    size, strategy, seed, env_steps, episodes_per_round, evaluate_every, heterogeneous, attack, own
                )
                for seed in numbers
            ]
    alone = settings_of(settings)
    for member in range(max(members)):
        kind = f", {kind_of(member)} only" if heterogeneous else ""
        groups[f"member {member} alone{kind}"] = [
            AloneRun(member, seed, env_steps, evaluate_every, heterogeneous, alone) for seed in numbers
        ]
    return groups


def train(run: FederationRun | AloneRun, exams: Exams | None = None) -> ExamResult:
    """Do one run; `exams` None: the standard ones."""
    exams = exams or standard_exams()
    return _alone(run, exams) if isinstance(run, AloneRun) else _federation(run, exams)


class Server:
    """The global weights, and the server's state, from round to round.

    Attributes:
        weights: What every member goes on from.
    """

    def __init__(self, strategy: Strategy, members: int, weights: bytes) -> None:
        self.weights = weights
        self._state: bytes | None = None
        shapes = {name: tuple(tensor.shape) for name, tensor in checkpoint.loads(weights, "weights").items()}
        self._federation = federation(shapes, members, strategy)

    def close(self, updates: Sequence[tuple[int, bytes]]) -> None:
        """Put a round's updates together; each with its member's transitions, in member order.

        As in the protocol an update that cannot be averaged is left out.

        Raises:
            BadDocument: none can be.
        """
        strategy = self._federation.strategy
        aggregate = RoundAggregate(self._federation, RoundInputs(self.weights, self._state))
        refused: list[BadDocument] = []
        for transitions, update in updates:
            try:
                aggregate.add(update, transitions if strategy.by_transitions else 1)
            except BadDocument as error:
                refused.append(error)
        if len(refused) == len(updates):
            raise refused[0]
        result = aggregate.finish()
        self.weights, self._state = result.weights, result.server_state


def _federation(run: FederationRun, exams: Exams) -> ExamResult:
    members = [_member(run, number) for number in range(run.members)]
    server = Server(run.strategy, run.members, members[0].weights())
    agent = make_agent("dqn", seed=run.seed, settings=run.settings)
    curve = Curve(run.evaluate_every, exams, perf_counter)
    env_steps, round_, failure = 0, 0, None
    while env_steps < run.env_steps and failure is None:
        round_ += 1
        try:
            for member in members:
                member.load_weights(server.weights)
            server.close([_update(member, run) for member in members])
            load_agent_weights(agent, checkpoint.loads(server.weights, "weights"))
        except (AgentError, BadDocument) as error:
            failure = f"round {round_}: {error}"
        env_steps = sum(member.env_steps for member in members) // run.members
        curve.look(env_steps, lambda: agent)
    return curve.outcome(env_steps, agent, failure)


def _alone(run: AloneRun, exams: Exams) -> ExamResult:
    training = _member(run, run.member)
    curve = Curve(run.evaluate_every, exams, perf_counter)
    while training.env_steps < run.env_steps:
        _train_episode(training)
        curve.look(training.env_steps, lambda: training.agent)
    return curve.outcome(training.env_steps, training.agent)


def _member(run: FederationRun | AloneRun, number: int) -> Training:
    config = TrainingConfig(
        agent_settings=run.settings,
        episodes=MAX_EPISODES,
        steps=MAX_STEPS,
        seed=run.seed,
        member=number,
        problem=kind_of(number) if run.heterogeneous else None,
    )
    return Training(config, None)


def kind_of(member: int) -> str:
    """The kind of problem that a member of a heterogeneous federation meets."""
    return PROBLEMS[member % len(PROBLEMS)]


def _update(member: Training, run: FederationRun) -> tuple[int, bytes]:
    """A round of one member: its transitions, and what it sends."""
    before = member.env_steps
    for _ in range(run.episodes_per_round):
        _train_episode(member)
    weights = member.weights()
    if run.attack is not None and member.config.member == 0:
        weights = attacked(weights, run.attack)
    return member.env_steps - before, weights


def attacked(weights: bytes, attack: Attack) -> bytes:
    """What an attacker sends instead of these weights."""
    factor = -1.0 if attack is Attack.SIGN_FLIP else SCALE
    with np.errstate(over="ignore"):  # an attacker may send infinite numbers
        sent = {name: factor * tensor for name, tensor in checkpoint.loads(weights, "weights").items()}
    return checkpoint.dumps(sent)


def _strategy(name: str, least_members: int) -> Strategy:
    strategy = next((strategy for strategy in Strategy if strategy == name), None)
    if strategy is None:
        raise ConfigError(f"--strategy {name}: unknown; choose from {', '.join(Strategy)}")
    if strategy.robust and least_members < ROBUST_SIZE:
        raise ConfigError(f"--strategy {name}: needs --members of at least {ROBUST_SIZE}, not {least_members}")
    return strategy


def _train_episode(training: Training) -> None:
    training.run_episode(training.done + 1)
    training.forget_records()
