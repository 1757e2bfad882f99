"""The DQN: equal seeds give equal bits, a stop changes nothing, and it learns."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from agents.agent import Transition
from agents.dqn.agent import DQN
from agents.dqn.network import initial_weights, layout
from agents.dqn.settings import DQNSettings
from agents.kinds import make_agent
from agents.saved import checkpoint
from env.actions import Action
from env.errors import AgentError
from env.gym.features import STATE_DIM

SMALL = {"hidden": [16], "batch_size": 8, "learning_starts": 8, "replay_size": 40, "target_every": 5}
ALL = {**SMALL, "priority": 0.6, "n_step": 4, "proximal": 0.01, "target_tau": 0.5}


def practise(agent: DQN, steps: int, seed: int) -> dict[str, float]:
    """Random states and rewards, as an environment would give them."""
    world = np.random.default_rng(seed)
    agent.seed(np.random.default_rng(seed + 1))
    metrics: dict[str, float] = {}
    state = world.uniform(-1, 1, STATE_DIM).astype(np.float32)
    for step in range(1, steps + 1):
        action = agent.act(state, explore=True)
        following = world.uniform(-1, 1, STATE_DIM).astype(np.float32)
        metrics = agent.learn(
            Transition(state, action, float(world.normal()), following, step % 10 == 0, step == steps)
        )
        state = following
    return metrics


def fingerprint(agent: DQN) -> str:
    return hashlib.sha256(checkpoint.dumps(agent.state_dict())).hexdigest()


def transition(action: int = 0, reward: float = 0.0, **ends: bool) -> Transition:
    state = np.zeros(STATE_DIM, np.float32)
    return Transition(state, action, reward, state, ends.get("terminated", False), ends.get("truncated", False))


def test_equal_seeds_and_transitions_give_equal_states_and_other_seeds_do_not() -> None:
    agents = [DQN(seed=seed, settings=SMALL) for seed in (3, 3, 4)]
    for agent in agents:
        practise(agent, 60, seed=5)
    first, same, other = map(fingerprint, agents)
    assert first == same != other


def test_the_bits_are_those_of_any_other_machine() -> None:
    agent = DQN(seed=3, settings=SMALL)
    practise(agent, 60, seed=5)
    weights = b"".join(array.tobytes() for array in agent.weights().values())
    assert hashlib.sha256(weights).hexdigest()[:16] == "9b0538f638be557f"


@pytest.mark.parametrize("settings", [SMALL, ALL])
@pytest.mark.parametrize("before", [0, 3, 30, 90])
def test_a_restored_agent_goes_on_to_the_same_bits(before: int, settings: dict[str, object]) -> None:
    whole, first = DQN(seed=1, settings=settings), DQN(seed=1, settings=settings)
    for agent in (whole, first):
        practise(agent, before, seed=1)
    second = DQN(seed=2, settings=settings)
    second.load_state_dict(checkpoint.loads(checkpoint.dumps(first.state_dict()), "state"))
    assert fingerprint(second) == fingerprint(whole)
    for agent in (whole, second):
        practise(agent, 40, seed=2)
    assert fingerprint(second) == fingerprint(whole)
    assert whole.train_steps > 0


def test_a_restored_agent_goes_on_in_the_middle_of_an_episode() -> None:
    whole = DQN(seed=1, settings=SMALL)
    practise(whole, 33, seed=1)
    copy = DQN(seed=1, settings=SMALL)
    copy.load_state_dict(whole.state_dict())
    state = np.zeros(STATE_DIM, np.float32)
    for agent in (whole, copy):
        for _ in range(20):
            agent.learn(transition(agent.act(state, explore=True), 1.0))
    assert fingerprint(copy) == fingerprint(whole)


def test_epsilon_goes_on_after_restore_and_after_load_weights() -> None:
    settings = {**SMALL, "epsilon_steps": 100, "epsilon_end": 0.05}
    agent = DQN(seed=1, settings=settings)
    practise(agent, 50, seed=1)
    assert agent.epsilon == pytest.approx(0.525)
    other = DQN(seed=9, settings=settings)
    other.load_state_dict(agent.state_dict())
    other.load_weights(DQN(seed=4, settings=settings).weights())
    assert other.epsilon == agent.epsilon
    assert other.env_steps == 50


def test_load_weights_keeps_replay_optimizer_and_counters() -> None:
    agent, other = DQN(seed=1, settings=SMALL), DQN(seed=2, settings=SMALL)
    practise(agent, 30, seed=1)
    before = agent.state_dict()
    agent.load_weights(other.weights())
    after = agent.state_dict()
    assert checkpoint.dumps(after["weights"]) == checkpoint.dumps(other.weights())
    for part in ("optimizer", "replay"):
        assert checkpoint.dumps(after[part]) == checkpoint.dumps(before[part])
    assert after["train_steps"] == before["train_steps"] > 0


def test_act_sees_loaded_weights_and_agrees_with_torch() -> None:
    agent = DQN(seed=1)
    agent.load_weights(DQN(seed=7).weights())
    state = np.random.default_rng(0).uniform(-1, 1, STATE_DIM).astype(np.float32)
    weights = agent.weights()
    x = torch.from_numpy(state.copy())
    for layer in (0, 2, 4):
        x = torch.from_numpy(weights[f"q_net.{layer}.weight"]) @ x + torch.from_numpy(weights[f"q_net.{layer}.bias"])
        x = x.relu() if layer < 4 else x
    np.testing.assert_allclose(agent.q_values(state), x.numpy(), rtol=1e-5, atol=1e-6)
    assert agent.act(state, explore=False) == int(x.argmax())


def test_agents_of_one_seed_start_from_the_published_initial_weights() -> None:
    published = initial_weights(layout(), seed=11)
    weights = DQN(seed=11).weights()
    assert list(weights) == list(published)
    assert all(np.array_equal(weights[name], published[name]) for name in published)
    assert checkpoint.dumps(weights) != checkpoint.dumps(DQN(seed=12).weights())


def test_both_nets_start_equal_and_layout_names_each_tensor_once() -> None:
    names = list(layout({"hidden": [8, 4]}))
    assert names[:6] == [f"q_net.{layer}.{kind}" for layer in (0, 2, 4) for kind in ("weight", "bias")]
    assert names[6:] == [name.replace("q_net", "target_net") for name in names[:6]]
    weights = initial_weights(layout(), seed=0)
    assert all(np.array_equal(weights[name], weights["target_net" + name[5:]]) for name in weights if "q_net" in name)


def test_all_seven_actions_are_explored_by_default() -> None:
    agent = make_agent("dqn", seed=0)
    agent.seed(np.random.default_rng(0))
    state = np.zeros(STATE_DIM, np.float32)
    assert {agent.act(state, explore=True) for _ in range(200)} == set(range(len(Action))) == set(range(7))


def test_a_truncated_step_is_bootstrapped_and_a_terminated_one_is_not() -> None:
    settings = {**SMALL, "gamma": 0.9, "learning_rate": 0.02, "updates": 4, "target_every": 20}
    learned = {}
    for end in ("terminated", "truncated"):
        agent = DQN(seed=0, settings=settings)
        agent.seed(np.random.default_rng(0))
        for step in range(200):
            agent.learn(transition(step % 7, 1.0, **{end: True}))
        learned[end] = float(agent.q_values(np.zeros(STATE_DIM, np.float32)).mean())
    assert learned["terminated"] == pytest.approx(1.0, abs=0.1)
    assert learned["truncated"] > 3.0  # towards 1 / (1 - 0.9)


def test_it_learns_which_action_pays_in_which_state() -> None:
    agent = DQN(seed=0, settings={"learning_starts": 50, "epsilon_steps": 300, "gamma": 0.0})
    world = np.random.default_rng(1)
    agent.seed(np.random.default_rng(2))
    for _ in range(600):
        state = world.choice([-1.0, 1.0], STATE_DIM).astype(np.float32)
        action = agent.act(state, explore=True)
        right = 3 if state[0] > 0 else 5
        agent.learn(Transition(state, action, float(action == right), state, True, False))
    trials = [world.choice([-1.0, 1.0], STATE_DIM).astype(np.float32) for _ in range(100)]
    correct = sum(agent.act(s, explore=False) == (3 if s[0] > 0 else 5) for s in trials)
    assert correct >= 95


def test_the_target_net_follows_only_every_target_every_steps() -> None:
    agent = DQN(seed=0, settings={**SMALL, "target_every": 3, "n_step": 1})
    agent.seed(np.random.default_rng(0))
    for _ in range(8 + 1):
        agent.learn(transition(reward=1.0))
    assert agent.train_steps == 2
    start = initial_weights(layout(SMALL), seed=0)
    assert np.array_equal(agent.weights()["target_net.0.bias"], start["target_net.0.bias"])
    agent.learn(transition(reward=1.0))
    weights = agent.weights()
    assert np.array_equal(weights["target_net.0.bias"], weights["q_net.0.bias"])


def test_a_training_comes_every_so_many_steps_and_takes_so_many_gradient_steps() -> None:
    agent = DQN(seed=0, settings={**SMALL, "train_every": 10, "updates": 3})
    practise(agent, 60, seed=0)
    assert agent.train_steps == (60 // 10) * 3


@pytest.mark.parametrize("setting", [{"priority": 0.5}, {"double": False}, {"action_gap": 0.0}])
def test_each_part_of_the_algorithm_makes_a_difference(setting: dict[str, object]) -> None:
    with_it, without = DQN(seed=1, settings={**SMALL, **setting}), DQN(seed=1, settings=SMALL)
    for agent in (with_it, without):
        practise(agent, 60, seed=1)
    assert checkpoint.dumps(with_it.weights()) != checkpoint.dumps(without.weights())


def test_the_proximal_term_pulls_towards_the_weights_that_were_loaded_last() -> None:
    loaded = DQN(seed=2, settings=SMALL).weights()
    distances = []
    for proximal in (0.0, 100.0):
        agent = DQN(seed=1, settings={**SMALL, "proximal": proximal})
        agent.load_weights(loaded)
        practise(agent, 60, seed=1)
        distances.append(float(abs(agent.weights()["q_net.0.weight"] - loaded["q_net.0.weight"]).sum()))
    assert distances[1] < distances[0] / 2


@pytest.mark.parametrize("hidden", [[1], [8], [300], [8, 300], [300, 8], [4, 4, 4]])
@pytest.mark.parametrize("batch_size", [1, 33])
def test_layers_of_any_width_learn_from_batches_of_any_size(hidden: list[int], batch_size: int) -> None:
    agent = DQN(seed=0, settings={"hidden": hidden, "batch_size": batch_size, "learning_starts": 0})
    practise(agent, 60, seed=0)
    assert agent.train_steps > 0
    assert all(bool(np.isfinite(weight).all()) for weight in agent.weights().values())


def test_the_state_holds_only_the_filled_part_of_the_replay_buffer() -> None:
    agent = DQN(seed=0)
    practise(agent, 5, seed=0)
    assert agent.state_dict()["replay"]["states"].shape == (5, STATE_DIM)


def test_a_checkpoint_file_round_trips(tmp_path) -> None:  # type: ignore[no-untyped-def]
    agent, other = DQN(seed=1, settings=SMALL), DQN(seed=2, settings=SMALL)
    practise(agent, 30, seed=1)
    agent.save(tmp_path / "agent.pt")
    other.load(tmp_path / "agent.pt")
    assert fingerprint(other) == fingerprint(agent)
    assert [file.name for file in tmp_path.iterdir()] == ["agent.pt"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"agent": "greedy"}, "agent is 'greedy'"),
        ({"features": ["target"]}, "features"),
        ({"settings": {}}, "hidden"),
        ({"weights": {}}, "missing"),
        ({"optimizer": 3}, "optimizer"),
        ({"env_steps": -1}, "env_steps"),
        ({"env_steps": True}, "env_steps"),
        ({"rng": "{}"}, "rng"),
        ({"rng": '{"bit_generator": "MT19937"}'}, "rng"),
        ({"replay": {"size": 41, "next": 0}}, "buffer of 40"),
        ({"replay": {"size": 5, "next": 2}}, "buffer of 40"),
        ({"replay": {"size": 40, "next": 40}}, "buffer of 40"),
        ({"replay": {"size": 5, "next": 5}}, "states"),
        ({"optimizer": {"beta_powers": [0.9, float("nan")]}}, "exp_avg"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(change: dict[str, object], message: str) -> None:
    agent = DQN(seed=1, settings=SMALL)
    practise(agent, 30, seed=1)
    before = fingerprint(agent)
    other = DQN(seed=2, settings=SMALL)
    practise(other, 20, seed=2)
    with pytest.raises(AgentError, match=message):
        agent.load_state_dict({**other.state_dict(), **change})
    assert fingerprint(agent) == before


def test_a_state_of_a_release_with_dueling_networks_is_taken_if_it_had_none() -> None:
    agent = DQN(seed=1, settings=SMALL)
    practise(agent, 30, seed=1)
    stored = agent.state_dict()
    stored["settings"] = {**stored["settings"], "dueling": False}
    other = DQN(seed=2, settings={**SMALL, "dueling": False})
    other.load_state_dict(stored)
    assert fingerprint(other) == fingerprint(agent)
    with pytest.raises(AgentError, match="setting dueling: True; it is gone, and only False is accepted"):
        agent.load_state_dict({**stored, "settings": {**stored["settings"], "dueling": True}})
    with pytest.raises(AgentError, match="setting dueling"):
        DQN(seed=1, settings={"dueling": True})


@pytest.mark.parametrize("action", [-1, 7])
def test_a_replay_with_an_impossible_action_is_refused(action: int) -> None:
    agent = DQN(seed=1, settings=SMALL)
    practise(agent, 5, seed=1)
    state = agent.state_dict()
    state["replay"]["actions"][2] = action
    with pytest.raises(AgentError, match="action"):
        agent.load_state_dict(state)


def test_means_of_squares_below_zero_are_refused() -> None:
    agent = DQN(seed=1, settings=SMALL)
    state = agent.state_dict()
    state["optimizer"]["exp_avg_sq"]["q_net.0.bias"][0] = -1e-9
    with pytest.raises(AgentError, match="exp_avg_sq has negative numbers"):
        agent.load_state_dict(state)


@pytest.mark.parametrize("net", ["q_net", "target_net"])
def test_weights_with_nan_wrong_shape_or_wrong_names_are_refused(net: str) -> None:
    agent = DQN(seed=1, settings=SMALL)
    name = f"{net}.0.weight"
    good = agent.weights()
    nan = good[name].copy()
    nan[0, 0] = float("nan")
    bad: list[dict[str, object]] = [
        {**good, name: nan},
        {**good, name: good[name].T},
        {**good, name: good[name].astype(np.float64)},
        {**good, name: good[name].tolist()},
        {**good, "extra": good[name]},
        {key: value for key, value in good.items() if key != name},
    ]
    for weights in bad:
        with pytest.raises(AgentError):
            agent.load_weights(weights)
    assert checkpoint.dumps(agent.weights()) == checkpoint.dumps(good)


def test_training_draws_nothing_from_global_generators() -> None:
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    practise(DQN(seed=1, settings=SMALL), 30, seed=1)
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)


def test_defaults_are_valid() -> None:
    assert DQN(seed=0).settings == DQNSettings()
