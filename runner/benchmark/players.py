"""Who is played beside the model: agents without a language model, and the optimum."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, repeat

import numpy as np

from agents.agent import Agent
from agents.default_model import default_model_path
from agents.kinds import make_agent
from agents.load import load_agent
from agents.policies import Features, Policy
from env.actions import Action
from runner.benchmark.scenarios import BenchmarkScenario

LLM = "llm"
OPTIMUM = "optimum"
DQN = "dqn"
BASELINES: tuple[str, ...] = (DQN, "heuristic", "reactive", "autoscaler", "random", "noop", OPTIMUM)
"""In the order of the report; `dqn` is the trained model that comes with the package."""


def player(name: str) -> Callable[[BenchmarkScenario], Agent]:
    """Gives the agent of BASELINES that plays a scenario."""
    if name == OPTIMUM:
        return _following
    agent = load_agent(default_model_path()) if name == DQN else make_agent(name, seed=0)
    return lambda scenario: agent


def _following(scenario: BenchmarkScenario) -> Agent:
    """The scenario's solution, and nothing once it is done: the goal is noticed after a step only."""
    actions = chain(scenario.solution, repeat(Action.NOOP))

    def optimum(features: Features, rng: np.random.Generator) -> Action:
        return next(actions)

    return Policy(optimum)
