"""What evaluations come to."""

from __future__ import annotations

from agents.kinds import make_agent
from env.problems.generate import generate_scenario
from runner.evaluation.evaluate import evaluate
from runner.training.training import Training, TrainingConfig


def test_a_short_training_beats_the_random_and_the_untrained_agent_by_a_wide_margin() -> None:
    training = Training(TrainingConfig(episodes=60), None)
    for episode in range(1, 61):
        training.run_episode(episode)
    unseen = [generate_scenario(None, 10_000_000 + seed) for seed in range(60)]
    agents = {"trained": training.agent, **{name: make_agent(name, seed=0) for name in ("random", "dqn")}}
    rate = {name: evaluate(agent, unseen, max_steps=100, seed=0)[-1].solved_rate or 0 for name, agent in agents.items()}
    assert rate["trained"] > max(rate["random"], rate["dqn"]) + 0.3, rate
