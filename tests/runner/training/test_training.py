"""A training: federated rounds learn, and a stop anywhere changes no bit."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.dqn.agent import DQN
from agents.saved import checkpoint, pt_file
from env.errors import AgentError, ClusterError, ConfigError
from env.interrupt import Stopped
from env.problems.scenario import Scenario
from runner.training.summary import episode_means
from runner.training.training import Training, TrainingConfig, load_agent_weights, records_of

from ..test_episode import FailingCluster


def training(settings: dict[str, Any], scenarios: list[Scenario] | None = None, **config: Any) -> Training:
    return Training(TrainingConfig(agent_settings=settings, **{"steps": 15, "seed": 7, **config}), scenarios)


def run(trainee: Training, episodes: int) -> Training:
    for episode in range(trainee.done + 1, episodes + 1):
        trainee.run_episode(episode)
    return trainee


def text(content: str) -> NDArray[np.uint8]:
    """How a state holds a text."""
    return np.frombuffer(content.encode(), np.uint8)


def dqn(trainee: Training) -> DQN:
    assert isinstance(trainee.agent, DQN)
    return trainee.agent


PROGRAM = """
import hashlib, json, sys
from runner.training.summary import episode_means
from runner.training.training import Training, TrainingConfig
settings, until = json.loads(sys.argv[1]), int(sys.argv[2])
trainee = Training(TrainingConfig(agent_settings=settings, steps=15, seed=7), None)
if len(sys.argv) > 3:
    trainee.restore(open(sys.argv[3], "rb").read())
for episode in range(trainee.done + 1, until + 1):
    trainee.run_episode(episode)
print(hashlib.sha256(trainee.weights()).hexdigest(), hashlib.sha256(trainee.state()).hexdigest())
"""


def in_fresh_process(settings: dict[str, Any], until: int, *state: str) -> str:
    command = [sys.executable, "-c", PROGRAM, json.dumps(settings), str(until), *state]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_equal_seeds_give_equal_weights_in_two_fresh_processes(small: dict[str, Any]) -> None:
    assert in_fresh_process(small, 4) == in_fresh_process(small, 4)


def test_a_training_restored_in_a_fresh_process_ends_in_the_same_bits(small: dict[str, Any], tmp_path: Path) -> None:
    whole = run(training(small), 8)
    (tmp_path / "state").write_bytes(run(training(small), 5).state())
    digests = [hashlib.sha256(data).hexdigest() for data in (whole.weights(), whole.state())]
    assert in_fresh_process(small, 8, str(tmp_path / "state")) == " ".join(digests)
    assert dqn(whole).train_steps > 0


@pytest.mark.parametrize("stop", [0, 1, 4])
def test_a_training_stopped_anywhere_ends_in_the_same_bits(small: dict[str, Any], stop: int) -> None:
    second = training(small)
    assert second.restore(run(training(small), stop).state()) == stop
    assert run(second, 6).state() == run(training(small), 6).state()


@pytest.mark.parametrize("agent", ["dqn", "greedy"])
def test_a_training_that_went_through_a_pt_file_ends_in_the_same_bits(small: dict[str, Any], agent: str) -> None:
    settings = small if agent == "dqn" else {}
    whole, first = run(training(settings, agent=agent), 6), run(training(settings, agent=agent), 3)
    second = training(settings, agent=agent)
    assert second.load_state_dict(pt_file.loads(pt_file.dumps(first.state_dict()), "file")) == 3
    assert run(second, 6).state() == whole.state()


def test_a_pt_file_of_release_0_1_is_gone_on_with(small: dict[str, Any]) -> None:
    """It held the history and the records as text."""
    first, second = run(training(small), 3), training(small)
    state = first.state_dict()
    older = {**state, **{name: state[name].tobytes().decode() for name in ("history", "records")}}
    second.load_state_dict(pt_file.loads(pt_file.dumps(older), "file"))
    assert second.state() == first.state()


@pytest.mark.parametrize("agent", ["greedy", "random"])
def test_other_agents_are_restored_to_the_same_bits_too(agent: str) -> None:
    whole, first = run(training({}, agent=agent), 6), run(training({}, agent=agent), 3)
    second = training({}, agent=agent)
    assert second.restore(first.state()) == 3
    assert run(second, 6).state() == whole.state()


@pytest.mark.parametrize("stop", range(6))
def test_ppo_stopped_after_any_episode_ends_in_the_same_bits_and_its_history_has_its_metrics(stop: int) -> None:
    settings = {"hidden": [8], "rollout_steps": 32, "minibatch_size": 16, "epochs": 2}
    whole, second = run(training(settings, agent="ppo"), 6), training(settings, agent="ppo")
    assert second.restore(run(training(settings, agent="ppo"), stop).state()) == stop
    assert run(second, 6).state() == whole.state()
    rows = [row for row in whole.history if "entropy" in row]
    assert rows
    assert all(0 < row["entropy"] < 2 and row["loss"] is not None and row["approx_kl"] < 1 for row in rows)
    assert all(row["loss"] is None for row in whole.history if row not in rows)
    assert {"entropy", "explained_variance"} < episode_means(whole.history).keys()


def test_a_state_holds_history_env_steps_and_the_records_since_they_were_last_put_elsewhere(
    small: dict[str, Any],
) -> None:
    first = run(training(small), 3)
    second = training(small)
    assert second.restore(first.state()) == second.done == 3
    assert second.history == first.history
    assert second.env_steps == sum(summary["steps"] for summary in first.history)
    assert second.records == first.records == records_of(first.state())
    assert {record["episode"] for record in second.records} == {1, 2, 3}
    first.forget_records()
    assert records_of(first.state()) == []


def test_the_longer_a_training_is_the_fewer_of_its_episodes_are_recorded() -> None:
    recorded = [episode for episode in range(1, 8001) if Training.records_steps(episode)]
    assert recorded[:1000] == list(range(1, 1001))
    assert [sum(low < episode <= 2 * low for episode in recorded) for low in (1000, 2000, 4000)] == [500, 500, 500]


def test_members_of_one_seed_start_equal_and_then_differ(small: dict[str, Any]) -> None:
    first, second = training(small, member=0), training(small, member=1)
    assert first.weights() == second.weights()
    assert run(first, 2).weights() != run(second, 2).weights()


def test_a_federation_of_short_rounds_takes_gradient_steps_and_keeps_its_replay_over_rounds() -> None:
    settings = {"batch_size": 32, "learning_starts": 32}
    members = [training(settings, member=member, steps=20) for member in range(2)]
    for episode in range(1, 7):
        for member in members:
            member.run_episode(episode)
        average = members[0].weights()  # any common weights do
        for member in members:
            before = dqn(member).state_dict()
            member.load_weights(average)
            after = dqn(member).state_dict()
            assert after["replay"]["size"] == before["replay"]["size"] == member.env_steps
            assert after["env_steps"] == member.env_steps
    assert all(dqn(member).train_steps > 0 for member in members)
    assert all(summary["loss"] is not None for summary in members[0].history[-2:])


def test_epsilon_goes_on_after_restore_and_after_averaged_weights(small: dict[str, Any]) -> None:
    first, second = run(training(small), 3), training(small)
    second.restore(first.state())
    second.load_weights(training(small, seed=9).weights())
    assert dqn(second).epsilon == dqn(first).epsilon < 1
    run(second, 4)
    assert second.history[3]["epsilon"] < second.history[2]["epsilon"]


def test_weights_round_trip_and_equal_weights_are_equal_bytes(small: dict[str, Any]) -> None:
    first, second = training(small, seed=1), training(small, seed=2)
    second.load_weights(first.weights())
    assert second.weights() == first.weights()


def test_weights_are_taken_from_a_checkpoint_and_from_a_state_too(small: dict[str, Any]) -> None:
    first = run(training(small), 2)
    for state in (first.state_dict(), first.agent.state_dict(), dqn(first).weights()):
        other = training(small, seed=3)
        load_agent_weights(other.agent, state)
        assert other.weights() == first.weights()


def test_an_agent_that_needs_a_key_is_no_training_and_no_job() -> None:
    with pytest.raises(AgentError, match="a key that workers do not have"):
        Training(TrainingConfig(agent="llm", agent_settings={"provider": "scripted"}), None)


def test_agents_without_networks_have_no_weights() -> None:
    with pytest.raises(AgentError, match="only dqn"):
        training({}, agent="greedy").weights()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"seed": 8}, "seed is 7, here it is 8"),
        ({"member": 1}, "member"),
        ({"reward": "base"}, "reward"),
        ({"steps": 16}, "steps"),
        ({"agent": "random", "agent_settings": {}}, "agent"),
    ],
)
def test_the_state_of_another_training_is_refused(small: dict[str, Any], config: Any, message: str) -> None:
    state = run(training(small), 1).state()
    other = Training(TrainingConfig(**{"agent_settings": small, "steps": 15, "seed": 7, **config}), None)
    with pytest.raises(AgentError, match=message):
        other.restore(state)


def test_the_state_of_another_network_is_refused(small: dict[str, Any]) -> None:
    with pytest.raises(AgentError, match="hidden"):
        training({**small, "hidden": [8]}).restore(training(small).state())


def test_truncated_and_foreign_states_are_refused_and_change_nothing(small: dict[str, Any]) -> None:
    trainee = run(training(small), 2)
    before = trainee.state()
    parts = checkpoint.loads(before, "state")
    history = parts["history"].tobytes().decode()
    bad = [before[: len(before) // 2], b"", trainee.weights()]
    bad += [checkpoint.dumps({**parts, name: text(value) if isinstance(value, str) else value}) for name, value in (
        ("history", "{}\n"), ("history", 3), ("env_steps", 1), ("records", "x"), ("agent", {}),
        ("history", history.replace('"reward":', '"reward":NaN,"x":')),
        ("history", re.sub('"reward":[^,]*', '"reward":NaN', history)),
        ("history", re.sub('"reward":[^,]*', '"reward":1' + 400 * "0", history)),
        ("history", re.sub('"loss":[^,]*', '"loss":"much"', history)),
    )]  # fmt: skip
    for data in bad:
        with pytest.raises(AgentError):
            trainee.restore(data)
    assert trainee.state() == before


def test_episodes_run_in_order_and_a_member_that_was_left_behind_may_skip_some(small: dict[str, Any]) -> None:
    member = run(training(small), 1)
    member.run_episode(5)
    with pytest.raises(AgentError, match="episode 5 cannot follow episode 5"):
        member.run_episode(5)
    resumed = training(small)
    assert resumed.restore(member.state()) == 5
    assert [summary["episode"] for summary in resumed.history] == [1, 5]


def test_after_an_episode_that_was_cut_short_nothing_can_be_saved(
    small: dict[str, Any], scenarios: list[Scenario]
) -> None:
    stopped = run(training(small), 1)
    with pytest.raises(Stopped):
        stopped.run_episode(2, should_stop=lambda: True)
    config = TrainingConfig(agent_settings=small, steps=15)
    failed = Training(config, scenarios, FailingCluster(fails_at=4))
    with pytest.raises(ClusterError):
        failed.run_episode(1)
    for trainee in (stopped, failed):
        with pytest.raises(AgentError, match="cut short"):
            trainee.state()
        with pytest.raises(AgentError, match="cut short"):
            trainee.run_episode(trainee.done + 1)


def test_a_failed_step_leaves_no_record_no_reward_and_no_transition(
    small: dict[str, Any], scenarios: list[Scenario]
) -> None:
    seen: list[dict[str, Any]] = []
    trainee = Training(TrainingConfig(agent_settings=small), scenarios, FailingCluster(fails_at=4))
    with pytest.raises(ClusterError):
        trainee.run_episode(1, on_step=seen.append)
    assert len(seen) == dqn(trainee).env_steps == 2
    assert trainee.history == []


@pytest.mark.parametrize("config", [{"episodes": 0}, {"steps": 0}, {"seed": -1}, {"member": -1}, {"reward": "shapd"}])
def test_settings_out_of_range_are_refused(config: Any) -> None:
    with pytest.raises(ConfigError):
        TrainingConfig(**config)
