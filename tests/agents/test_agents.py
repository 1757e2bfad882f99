"""What holds for every agent, and the tabular one and the policies in particular."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.agent import Agent, Transition, WeightedAgent
from agents.dqn.settings import DQNSettings
from agents.forecast.network import layout
from agents.kinds import KINDS, POLICY_NAMES, make_agent
from agents.load import load_agent
from agents.settings import as_mapping, parse_settings
from agents.spaces import CLUSTER, Spaces, season
from agents.tabular.agent import MAX_ROWS, QUESTIONS, EpsilonGreedy, discretise
from agents.tabular.settings import GreedySettings
from env.actions import Action
from env.errors import AgentError
from env.gym.features import STATE_DIM, STATE_FEATURES, squash


def state_with(**features: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    state = np.zeros(STATE_DIM, np.float32)
    for name, value in features.items():
        state[STATE_FEATURES.index(name)] = value
    return state


SETTINGS = {"llm": {"provider": "scripted"}}
"""Settings that an agent needs, to be made on any machine."""
OF_STATES = [name for name in KINDS if name != "llm"]
"""Agents that act on a state alone; `tests/agents/llm` has the one that reads."""


def spaces_of(name: str) -> Spaces:
    """Of the environment that an agent of this name acts in."""
    return season() if KINDS[name].told else CLUSTER


def made(name: str, seed: int = 0) -> Agent:
    return make_agent(name, seed=seed, settings=SETTINGS.get(name), spaces=spaces_of(name))


def practise(agent: Agent, steps: int, seed: int, features: int) -> None:
    world = np.random.default_rng(seed)
    agent.seed(np.random.default_rng(seed + 1))
    state = world.uniform(-1, 1, features).astype(np.float32)
    for _ in range(steps):
        action = agent.act(state, explore=True)
        following = world.uniform(-1, 1, features).astype(np.float32)
        agent.learn(Transition(state, action, float(world.normal()), following, False, False))
        state = following


@pytest.mark.parametrize("name", OF_STATES)
def test_every_agent_repeats_itself_after_a_save_and_a_load(name: str, tmp_path: Path) -> None:
    (agent, other), spaces = (made(name, seed=1), made(name, seed=1)), spaces_of(name)
    features = len(spaces.features)
    practise(agent, 20, seed=3, features=features)
    agent.save(tmp_path / "agent")
    other.load(tmp_path / "agent")
    for copy in (other, load_agent(tmp_path / "agent", spaces)):
        copy.seed(np.random.default_rng(5))
        agent.seed(np.random.default_rng(5))
        states = np.random.default_rng(4).uniform(-1, 1, (50, features)).astype(np.float32)
        assert [copy.act(s, explore=True) for s in states] == [agent.act(s, explore=True) for s in states]
        assert copy.name == name


@pytest.mark.parametrize("name", KINDS)
def test_every_agent_refuses_the_checkpoint_of_another(name: str, tmp_path: Path) -> None:
    other = make_agent("noop" if name != "noop" else "random", seed=0)
    with pytest.raises(AgentError, match="agent is"):
        made(name).load_state_dict(other.state_dict())


@pytest.mark.parametrize("name", ["dqn", "greedy", "random"])
def test_agents_that_explore_try_all_seven_actions_by_default(name: str) -> None:
    agent = make_agent(name, seed=0)
    agent.seed(np.random.default_rng(0))
    assert {agent.act(state_with(), explore=True) for _ in range(200)} == set(range(7))


def test_an_unknown_agent_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(AgentError, match="did you mean 'heuristic'"):
        make_agent("heuristics", seed=0)
    with pytest.raises(AgentError, match="choose from dqn, greedy"):
        make_agent("zzz", seed=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gama": 0.9}, "did you mean 'gamma'"),
        ({"gamma": 1.5}, "gamma: 1.5 is outside 0 to 1"),
        ({"gamma": float("nan")}, "not a finite number"),
        ({"gamma": "0.9"}, "not a finite number"),
        ({"batch_size": 1.5}, "not a whole number"),
        ({"batch_size": True}, "not a whole number"),
        ({"hidden": 64}, "not a list"),
        ({"hidden": []}, "hidden"),
        ({"hidden": [0]}, "hidden"),
        ({"hidden": [64, 4096, 4096]}, "17039360 weights; use no more than 4194304"),
        ({"replay_size": 10}, "replay_size"),
        ({"learning_starts": 10**9}, "learning_starts"),
    ],
)
def test_bad_settings_are_refused_by_name(settings: dict[str, object], message: str) -> None:
    with pytest.raises(AgentError, match=message):
        make_agent("dqn", seed=0, settings=settings)


def test_policies_have_no_settings() -> None:
    with pytest.raises(AgentError, match="no settings"):
        make_agent("noop", seed=0, settings={"gamma": 0.5})


@pytest.mark.parametrize("kind", [DQNSettings, GreedySettings])
def test_settings_round_trip_through_json(kind: type[DQNSettings] | type[GreedySettings]) -> None:
    settings = kind(gamma=0.5)
    assert parse_settings(kind, json.loads(json.dumps(as_mapping(settings)))) == settings


@pytest.mark.parametrize("name", KINDS)
def test_the_list_says_what_an_agent_is(name: str, tmp_path: Path) -> None:
    kind, agent = KINDS[name], made(name)
    assert agent.name == name
    assert agent.learns == (kind.settings is not None and not kind.needs_key) == (name not in (*POLICY_NAMES, "llm"))
    assert kind.has_weights == isinstance(agent, WeightedAgent) == bool(kind.tensors({}))
    if isinstance(agent, WeightedAgent):
        shapes = layout(None, spaces_of(name)) if name == "forecast" else kind.tensors({})
        assert {tensor: tuple(value.shape) for tensor, value in agent.weights().items()} == shapes
    agent.save(tmp_path / "agent")
    assert (tmp_path / "agent").read_bytes().startswith(b"{") == (kind.suffix == ".json")


def test_the_list_fills_settings_in_and_refuses_what_an_agent_would() -> None:
    assert KINDS["greedy"].filled({"gamma": 1}) == as_mapping(GreedySettings(gamma=1.0))
    assert KINDS["noop"].filled({}) == {}
    with pytest.raises(AgentError, match="did you mean 'gamma'"):
        KINDS["dqn"].filled({"gama": 0.5})


@pytest.mark.parametrize(
    ("features", "action"),
    [
        ({"replicas_distance": 0.4}, Action.SCALE_DOWN_REPLICAS),
        ({"replicas_distance": -0.4}, Action.SCALE_UP_REPLICAS),
        ({"insufficient_cpu": 1.0, "pending": 0.3}, Action.REDUCE_CPU_SMALL),
        ({"insufficient_memory": 0.5, "pending": 0.3}, Action.REDUCE_MEM_SMALL),
        ({"insufficient_memory": 1.0, "insufficient_cpu": 0.2}, Action.REDUCE_MEM_SMALL),
        ({"insufficient_cpu": 1.0, "replicas_distance": -0.4}, Action.REDUCE_CPU_SMALL),
        ({"oom_killed": 1.0, "insufficient_cpu": 1.0}, Action.BUMP_MEM_SMALL),
        ({"cpu_starved": 1.0, "replicas_distance": -0.4}, Action.BUMP_CPU_SMALL),
        ({}, Action.NOOP),
    ],
)
def test_the_reactive_rule_moves_against_what_is_wrong(features: dict[str, float], action: Action) -> None:
    assert make_agent("reactive", seed=0).act(state_with(**features), explore=False) == action


HALFWAY = {"cpu_request": 0.5, "memory_request": 0.5, "cpu_over_floor": 1.0, "memory_over_floor": 1.0}
"""2 CPUs and 4 GiB are asked for, and no floor is known."""
ONE_OVER = 1 / 3
"""A request one action above the largest that was too small."""


@pytest.mark.parametrize(
    ("features", "action"),
    [
        ({"replicas_distance": 0.4, "oom_killed": 1.0}, Action.SCALE_DOWN_REPLICAS),
        ({"replicas_distance": -0.4}, Action.SCALE_UP_REPLICAS),
        ({"pending": 0.3, "insufficient_cpu": 1.0}, Action.REDUCE_CPU_SMALL),
        ({"pending": 0.3, "insufficient_memory": 0.5}, Action.REDUCE_MEM_SMALL),
        ({"pending": 0.3, "insufficient_cpu": 0.2, "insufficient_memory": 1.0}, Action.REDUCE_MEM_SMALL),
        ({"pending": 0.3, "insufficient_cpu": 1.0, "replicas_distance": -0.4}, Action.REDUCE_CPU_SMALL),
        ({"oom_killed": 1.0, "pending": 0.3, "insufficient_cpu": 1.0}, Action.BUMP_MEM_SMALL),
        ({"cpu_starved": 1.0, "replicas_distance": -0.4}, Action.BUMP_CPU_SMALL),
        ({"pending": 0.3, "refused_otherwise": 1.0}, Action.NOOP),
        ({"others_pending": 0.5, "others_insufficient_cpu": 1.0}, Action.NOOP),
        ({"broken": 0.5, "others_insufficient_cpu": 1.0}, Action.REDUCE_CPU_SMALL),
        ({"broken": 0.5, "others_insufficient_memory": 1.0, "replicas_distance": -0.4}, Action.REDUCE_MEM_SMALL),
        ({}, Action.NOOP),
    ],
)
def test_the_heuristic_moves_against_what_is_wrong(features: dict[str, float], action: Action) -> None:
    assert make_agent("heuristic", seed=0).act(state_with(**HALFWAY | features), explore=False) == action


@pytest.mark.parametrize(
    ("features", "action"),
    [
        ({"insufficient_cpu": 1.0, "insufficient_memory": 0.5, "cpu_over_floor": ONE_OVER}, Action.REDUCE_MEM_SMALL),
        ({"insufficient_cpu": 0.5, "insufficient_memory": 1.0, "memory_over_floor": ONE_OVER}, Action.REDUCE_CPU_SMALL),
        ({"insufficient_cpu": 1.0, "cpu_over_floor": ONE_OVER}, Action.NOOP),
        ({"insufficient_cpu": 1.0, "cpu_over_floor": 0.5}, Action.REDUCE_CPU_SMALL),
    ],
)
def test_the_heuristic_never_asks_again_for_what_was_too_small(features: dict[str, float], action: Action) -> None:
    for pods in ({"pending": 0.3}, {"broken": 0.3, **{f"others_{name}": features[name] for name in features}}):
        known = {name: value for name, value in {**HALFWAY, **features, **pods}.items() if name in STATE_FEATURES}
        assert make_agent("heuristic", seed=0).act(state_with(**known), explore=False) == action


@pytest.mark.parametrize(("cpu_m", "action"), [(549, Action.NOOP), (550, Action.REDUCE_CPU_SMALL)])
def test_the_heuristic_asks_for_no_less_than_the_safeguards_allow(cpu_m: int, action: Action) -> None:
    features = {**HALFWAY, "cpu_request": squash(cpu_m, 2_000), "pending": 0.3, "insufficient_cpu": 1.0}
    assert make_agent("heuristic", seed=0).act(state_with(**features), explore=False) == action


@pytest.mark.parametrize(
    ("features", "action"),
    [
        ({"replicas_distance": 0.4, "pending": 0.3}, Action.SCALE_DOWN_REPLICAS),
        ({"oom_killed": 1.0, "pending": 0.3}, Action.BUMP_MEM_SMALL),
        ({"cpu_starved": 1.0, "replicas_distance": -0.4}, Action.BUMP_CPU_SMALL),
        ({"pending": 0.3, "cpu_of_cluster": 0.5, "memory_of_cluster": 0.4}, Action.REDUCE_CPU_SMALL),
        ({"pending": 0.3, "cpu_of_cluster": 0.4, "memory_of_cluster": 0.5}, Action.REDUCE_MEM_SMALL),
        ({"cpu_of_cluster": 0.6, "replicas_distance": -0.4}, Action.SCALE_UP_REPLICAS),
        ({"cpu_of_cluster": 0.6}, Action.NOOP),
    ],
)
def test_the_autoscaler_follows_utilisation(features: dict[str, float], action: Action) -> None:
    assert make_agent("autoscaler", seed=0).act(state_with(**features), explore=False) == action


def test_the_autoscaler_knows_nothing_of_the_schedulers_reasons() -> None:
    reasons = {"insufficient_cpu": 1.0, "insufficient_memory": 0.5, "too_many_pods": 0.5}
    shares = {"pending": 0.3, "cpu_of_cluster": 0.4, "memory_of_cluster": 0.5}
    agent = make_agent("autoscaler", seed=0)
    assert agent.act(state_with(**reasons, **shares), explore=False) == agent.act(state_with(**shares), explore=False)


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("noop", Action.NOOP),
        ("bump_cpu", Action.BUMP_CPU_SMALL),
        ("bump_mem", Action.BUMP_MEM_SMALL),
        ("scale_replicas", Action.SCALE_UP_REPLICAS),
    ],
)
def test_fixed_policies_do_their_one_thing(name: str, action: Action) -> None:
    assert make_agent(name, seed=0).act(state_with(pending=0.5), explore=True) == action


@given(st.lists(st.floats(-1, 1, width=32), min_size=STATE_DIM, max_size=STATE_DIM))
def test_every_state_is_one_of_a_bounded_number_of_rows(values: list[float]) -> None:
    key = discretise(np.array(values, np.float32))
    assert len(key) == len(QUESTIONS)
    assert all(int(digit) <= len(thresholds) for digit, thresholds in zip(key, QUESTIONS.values(), strict=True))


def test_the_table_tells_apart_too_few_right_and_too_many_replicas() -> None:
    keys = [discretise(state_with(replicas_distance=d)) for d in (-1 / 3, 0.0, 1 / 3)]
    assert [key[0] for key in keys] == ["0", "1", "2"]


def test_the_greedy_agent_learns_which_action_pays() -> None:
    agent = EpsilonGreedy({"epsilon_steps": 200})
    agent.seed(np.random.default_rng(0))
    for _ in range(400):
        action = agent.act(state_with(), explore=True)
        agent.learn(Transition(state_with(), action, float(action == 4), state_with(), True, False))
    assert agent.act(state_with(), explore=False) == 4
    assert agent.epsilon == pytest.approx(0.05)


def test_the_greedy_checkpoint_is_json_and_exact(tmp_path: Path) -> None:
    agent, other = EpsilonGreedy(), EpsilonGreedy()
    practise(agent, 100, seed=1, features=STATE_DIM)
    agent.save(tmp_path / "greedy.json")
    assert json.loads((tmp_path / "greedy.json").read_text())["env_steps"] == 100
    other.load(tmp_path / "greedy.json")
    assert other.state_dict() == agent.state_dict()


@pytest.mark.parametrize(
    "change",
    [
        {"table": {"0": [0.0] * 6}},
        {"table": {"0": [float("inf")] * 7}},
        {"table": {"0": "0000000"}},
        {"table": {str(i): [0.0] * 7 for i in range(MAX_ROWS + 1)}},
        {"table": []},
        {"env_steps": 1.5},
        {"questions": []},
        {"settings": {"gamma": 0.1}},
        {"rng": None},
    ],
)
def test_a_greedy_state_that_does_not_fit_is_refused(change: dict[str, object]) -> None:
    agent = EpsilonGreedy()
    with pytest.raises(AgentError):
        agent.load_state_dict({**agent.state_dict(), **change})


@pytest.mark.parametrize("text", ["", "[]", "{", "{}", '{"agent": 3}', '{"agent": "noop", "settings": 3}', "[" * 9999])
def test_a_file_that_holds_no_agent_is_one_clear_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "agent.json"
    path.write_text(text)
    with pytest.raises(AgentError, match=r"agent\.json") as caught:
        load_agent(path)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_other_features_is_refused_in_one_line(tmp_path: Path) -> None:
    from agents.dqn.agent import DQN
    from agents.saved import checkpoint

    weights = DQN(seed=3).weights()
    narrow = {f"{net}.0.weight": weights[f"{net}.0.weight"][:, :19] for net in ("q_net", "target_net")}
    path = tmp_path / "old.safetensors"
    path.write_bytes(checkpoint.dumps({**weights, **narrow}))
    with pytest.raises(
        AgentError, match=rf"made for states of 19 features, here they have {STATE_DIM}; train it again"
    ):
        load_agent(path)
    state = {**DQN(seed=3).state_dict(), "features": list(STATE_FEATURES[:19])}
    with pytest.raises(AgentError, match=r"here they have 27 \(refused_otherwise is new\); train it again"):
        DQN(seed=3).load_state_dict(state)


def test_names_and_settings_are_known_without_torch() -> None:
    import subprocess
    import sys

    heavy = {"torch", "numba", "anthropic", "google.genai", "openai", "mcp"}
    program = f"import sys, agents.kinds, agents.dqn.network; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("hidden", [[8], [16, 4, 8]])
def test_a_federations_weights_are_an_agent(tmp_path: Path, hidden: list[int]) -> None:
    from agents.dqn.agent import DQN
    from agents.saved import checkpoint

    trained = DQN(seed=3, settings={"hidden": hidden})
    path = tmp_path / "global_weights.pt"
    path.write_bytes(checkpoint.dumps(trained.weights()))
    loaded = load_agent(path)
    state = np.linspace(-1, 1, STATE_DIM, dtype=np.float32)
    assert loaded.act(state, explore=False) == trained.act(state, explore=False)

    path.write_bytes(checkpoint.dumps({**trained.weights(), "q_net.0.bias": trained.weights()["q_net.0.bias"][:-1]}))
    with pytest.raises(AgentError):
        load_agent(path)
