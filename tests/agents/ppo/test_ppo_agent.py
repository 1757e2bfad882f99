"""The agent: equal seeds give equal bits, a stop changes nothing, masks are kept to, and it learns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.agent import Transition
from agents.load import load_agent
from agents.ppo.agent import PPO
from agents.ppo.network import initial_weights, layout
from agents.saved import checkpoint, pt_file
from agents.spaces import CLUSTER, Spaces
from env.errors import AgentError
from env.gym.features import STATE_DIM

SMALL = {"hidden": [8], "rollout_steps": 20, "minibatch_size": 8, "epochs": 2}
TWO = Spaces("TwoStates-v0", ("first", "second"), ("a", "b"))
MASKED = replace(TWO, actions=("a", "b", "c"), masked=True)


def practise(agent: PPO, episodes: int, seed: int, steps: int = 7) -> list[dict[str, float]]:
    """Episodes with random states and rewards, every second one truncated; the metrics of the updates."""
    found = []
    for episode in range(episodes):
        world = np.random.default_rng((seed, episode))
        agent.seed(np.random.default_rng((seed, episode, 1)))
        states = world.uniform(-1, 1, (steps + 1, STATE_DIM)).astype(np.float32)
        for step, (state, following) in enumerate(pairwise(states), start=1):
            ends, reward = step == steps, float(world.normal())
            action = agent.act(state, explore=True)
            terminated = ends and episode % 2 == 0
            found.append(agent.learn(Transition(state, action, reward, following, terminated, ends and not terminated)))
    return [metrics for metrics in found if metrics]


def fingerprint(agent: PPO) -> str:
    return hashlib.sha256(checkpoint.dumps(agent.state_dict())).hexdigest()


def two_states(agent: PPO, steps: int) -> float:
    """Each state asks for the action of its number, a step an episode; the share that was right of the last 100."""
    world = np.random.default_rng(0)
    agent.seed(np.random.default_rng(1))
    right = []
    for _ in range(steps):
        asked = int(world.integers(2))
        state = np.eye(2, dtype=np.float32)[asked]
        action = agent.act(state, explore=True)
        right.append(action == asked)
        agent.learn(Transition(state, action, float(right[-1]), state, True, False))
    return sum(right[-100:]) / 100


def test_equal_seeds_and_transitions_give_equal_states_and_other_seeds_do_not() -> None:
    agents = [PPO(seed=seed, settings=SMALL) for seed in (3, 3, 4)]
    for agent in agents:
        practise(agent, 9, seed=5)
    first, same, other = map(fingerprint, agents)
    assert first == same != other


def test_the_number_of_torchs_threads_changes_nothing_and_is_left_as_it_was() -> None:
    before = torch.get_num_threads()
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        agent = PPO(seed=3, settings={**SMALL, "rollout_steps": 512, "minibatch_size": 512})
        practise(agent, 80, seed=5)
        found.append(fingerprint(agent))
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    assert found[0] == found[1]


@pytest.mark.parametrize("before", range(10))
def test_an_agent_restored_at_any_end_of_an_episode_goes_on_to_the_same_bits(before: int) -> None:
    settings = {**SMALL, "proximal": 0.01, "anneal_steps": 60}
    whole, first = PPO(seed=1, settings=settings), PPO(seed=1, settings=settings)
    for agent in (whole, first):
        practise(agent, before, seed=1)
    second = PPO(seed=2, settings=settings)
    second.load_state_dict(checkpoint.loads(checkpoint.dumps(first.state_dict()), "state"))
    assert fingerprint(second) == fingerprint(whole)
    for agent in (whole, second):
        practise(agent, 6, seed=2)
    assert fingerprint(second) == fingerprint(whole)
    assert whole.updates == (before + 6) * 7 // 20


def test_an_update_comes_when_a_rollout_is_full_and_says_how_it_went() -> None:
    agent = PPO(seed=1, settings=SMALL)
    metrics = practise(agent, 6, seed=1)
    assert agent.env_steps == 42
    assert agent.updates == len(metrics) == 2
    assert {"loss", "policy_loss", "value_loss", "entropy", "approx_kl", "learning_rate"} < metrics[0].keys()
    assert metrics[0]["learning_rate"] > metrics[1]["learning_rate"]


def test_the_schedules_go_on_after_restore_and_after_load_weights() -> None:
    settings = {**SMALL, "anneal_steps": 100, "learning_rate": 1e-2, "learning_rate_end": 0.0}
    agent, other = PPO(seed=1, settings=settings), PPO(seed=9, settings=settings)
    practise(agent, 10, seed=1)
    assert agent.learning_rate == pytest.approx(3e-3)
    other.load_state_dict(agent.state_dict())
    other.load_weights(PPO(seed=4, settings=settings).weights())
    assert (other.learning_rate, other.entropy_weight) == (agent.learning_rate, agent.entropy_weight)


def test_load_weights_keeps_the_rollout_the_optimizer_and_the_counters() -> None:
    agent, other = PPO(seed=1, settings=SMALL), PPO(seed=2, settings=SMALL)
    practise(agent, 4, seed=1)
    before = agent.state_dict()
    agent.load_weights(other.weights())
    after = agent.state_dict()
    assert checkpoint.dumps(after["weights"]) == checkpoint.dumps(after["anchor"]) == checkpoint.dumps(other.weights())
    for part in ("optimizer", "rollout"):
        assert checkpoint.dumps(after[part]) == checkpoint.dumps(before[part])
    assert after["rollout"]["rewards"].shape == (8,)


def test_the_rollout_keeps_the_probabilities_of_the_policy_that_acted() -> None:
    agent, other = PPO(seed=1, settings=SMALL), PPO(seed=2, settings=SMALL)
    wanted = []
    state = np.linspace(-1, 1, STATE_DIM, dtype=np.float32)
    for _ in range(6):
        logits = agent.logits(state[None], None).astype(np.float64)[0]
        action = agent.act(state, explore=True)
        wanted.append(logits[action] - np.log(np.exp(logits).sum()))
        agent.learn(Transition(state, action, 0.0, state, False, False))
        agent.load_weights({name: 3 * array for name, array in (other if len(wanted) % 2 else agent).weights().items()})
    assert agent.state_dict()["rollout"]["log_probs"] == pytest.approx(wanted, rel=1e-4)
    assert len(set(wanted)) > 3


def test_agents_of_one_seed_start_from_the_published_initial_weights() -> None:
    published, weights = initial_weights(layout(), seed=11), PPO(seed=11).weights()
    assert list(weights) == list(published)
    assert all(np.array_equal(weights[name], published[name]) for name in published)


def test_training_draws_nothing_from_global_generators() -> None:
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    practise(PPO(seed=1, settings=SMALL), 6, seed=1)
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)


@pytest.mark.parametrize(("learning_rate", "least", "most"), [(0.01, 0.9, 1.0), (1e-8, 0.3, 0.7)])
def test_it_learns_which_action_pays_in_which_state(learning_rate: float, least: float, most: float) -> None:
    """And does not where its steps are too small to matter: what it gets right comes from learning."""
    settings = {"rollout_steps": 64, "minibatch_size": 32, "hidden": [16], "learning_rate": learning_rate}
    settings["learning_rate_end"] = learning_rate
    assert least <= two_states(PPO(seed=0, settings=settings, spaces=TWO), 1024) <= most


def test_a_forbidden_action_is_never_taken_and_never_becomes_likelier() -> None:
    agent = PPO(seed=0, settings={**SMALL, "learning_rate": 0.05}, spaces=MASKED)
    state, mask = np.ones(2, np.float32), np.array([True, False, True])
    taken = []
    agent.seed(np.random.default_rng(0))
    for _ in range(200):
        action = agent.act(state, explore=True, mask=mask)
        taken.append(action)
        agent.learn(Transition(state, action, float(action), state, True, False))
    assert set(taken) == {0, 2}
    assert taken[-50:].count(2) > 45
    only_b = np.array([False, True, False])
    assert {agent.act(state, explore=explore, mask=only_b) for explore in (True, False)} == {1}


@pytest.mark.parametrize(("spaces", "mask"), [(TWO, np.ones(2, np.bool_)), (MASKED, None)])
def test_a_mask_is_given_exactly_where_the_environment_has_one(spaces: Spaces, mask: Any) -> None:
    with pytest.raises(AgentError, match=r"a mask is (needed|unknown) in TwoStates-v0"):
        PPO(seed=0, settings=SMALL, spaces=spaces).act(np.ones(2, np.float32), explore=True, mask=mask)


def test_a_model_file_names_its_environment_schema_and_seed_and_fits_no_other(tmp_path: Path) -> None:
    agent = PPO(seed=5, settings=SMALL)
    practise(agent, 4, seed=1)
    agent.save(tmp_path / "ppo.pt")
    state = pt_file.loads((tmp_path / "ppo.pt").read_bytes(), "file")
    assert (state["environment"], state["schema"], state["seed"]) == (CLUSTER.id, CLUSTER.schema, 5)
    loaded = load_agent(tmp_path / "ppo.pt")
    assert isinstance(loaded, PPO)
    assert fingerprint(loaded) == fingerprint(agent)
    with pytest.raises(AgentError, match="environment is 'SimArena/Cluster-v0', here it is 'TwoStates-v0'"):
        PPO(seed=0, settings=SMALL, spaces=TWO).load(tmp_path / "ppo.pt")


@pytest.mark.parametrize("hidden", [[8], [16, 4, 8]])
def test_a_federations_weights_are_an_agent(tmp_path: Path, hidden: list[int]) -> None:
    trained = PPO(seed=3, settings={"hidden": hidden})
    path = tmp_path / "global_weights.safetensors"
    path.write_bytes(checkpoint.dumps(trained.weights()))
    state = np.linspace(-1, 1, STATE_DIM, dtype=np.float32)
    assert load_agent(path).act(state, explore=False) == trained.act(state, explore=False)
    path.write_bytes(checkpoint.dumps({**trained.weights(), "actor.0.bias": trained.weights()["actor.0.bias"][:-1]}))
    with pytest.raises(AgentError):
        load_agent(path)


def bad_states(state: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    rollout, optimizer = state["rollout"], state["optimizer"]
    negative = {name: -1 - array for name, array in optimizer["exp_avg_sq"].items()}
    yield {"agent": "dqn"}, "agent is 'dqn'"
    yield {"environment": "Other-v0"}, "environment is 'Other-v0'"
    yield {"schema": "0"}, "schema"
    yield {"settings": {}}, "hidden"
    yield {"weights": {}}, "missing"
    yield {"anchor": 3}, "no mapping"
    yield {"optimizer": 3}, "optimizer"
    yield {"optimizer": {**optimizer, "steps": -1}}, "steps"
    yield {"optimizer": {**optimizer, "exp_avg_sq": negative}}, "exp_avg_sq has negative numbers"
    yield {"env_steps": True}, "env_steps"
    yield {"seed": -1}, "seed"
    yield {"rng": "{}"}, "rng"
    yield {"rollout": None}, "rollout"
    yield {"rollout": {**rollout, "rewards": np.zeros(20, np.float32)}}, "20 steps, an update comes after 20"
    yield {"rollout": {**rollout, "states": rollout["states"][:-1]}}, "states"
    yield {"rollout": {**rollout, "log_probs": rollout["log_probs"] * np.float32("nan")}}, "not finite"
    yield {"rollout": {**rollout, "actions": rollout["actions"] + 7}}, "an action that does not exist"
    yield {"rollout": {**rollout, "actions": rollout["actions"] - 7}}, "an action that does not exist"
    yield {"rollout": {**rollout, "ended": rollout["ended"] + np.uint8(2)}}, "neither 0 nor 1"


def test_a_state_that_does_not_fit_is_refused_and_changes_nothing() -> None:
    agent, other = PPO(seed=1, settings=SMALL), PPO(seed=2, settings=SMALL)
    practise(agent, 4, seed=1)
    practise(other, 4, seed=2)
    before, state = fingerprint(agent), other.state_dict()
    for change, message in bad_states(state):
        with pytest.raises(AgentError, match=message):
            agent.load_state_dict({**state, **change})
    assert fingerprint(agent) == before


def test_importing_the_settings_and_the_layout_needs_no_torch() -> None:
    import subprocess
    import sys

    program = "import sys, agents.kinds, agents.ppo.network; sys.exit(bool({'torch', 'numba'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
