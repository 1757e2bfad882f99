"""What an agent that reads is told before each action, taken from where an episode stands."""

from __future__ import annotations

from functools import cache

from agents.agent import Agent
from agents.llm.situation import ReadingAgent, Situation
from env.gym.cluster_env import ClusterEnv


def tell(agent: Agent, env: ClusterEnv) -> None:
    """Tell an agent that reads where the episode stands; called before each `act`. Other agents are told nothing."""
    if hasattr(agent, "read") and isinstance(agent, ReadingAgent):  # the second question alone takes 50 us
        agent.read(situation_of(env))


def situation_of(env: ClusterEnv) -> Situation:
    """Where an episode stands after its reset or its last step.

    Its tools replay once, at the first call of the step, if at all.
    """
    from runner.mcp.toolbox import open_toolbox  # agents that do not read do without

    scenario = env.scenario
    return Situation(
        workload=scenario.workload,
        target=scenario.target,
        step=env.steps + 1,
        max_steps=env.max_steps,
        observation=env.observation,
        ceiling=env.ceiling,
        last=env.outcome,
        tools=open_toolbox(cache(env.objects), scenario.workload),
    )
