"""Agents from files: each acts in the environment that it has learned, and in no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.agent import MaskedAgent
from agents.kinds import make_agent
from agents.load import load_agent
from agents.saved import checkpoint
from agents.spaces import CLUSTER, Spaces, doctor, fleet, season
from env.errors import AgentError


def saved(path: Path, spaces: Spaces, name: str = "ppo") -> Path:
    make_agent(name, seed=3, spaces=spaces).save(path)
    return path


def test_an_agent_of_an_environment_with_masks_is_loaded_and_heeds_them(tmp_path: Path) -> None:
    agent = load_agent(saved(tmp_path / "doctor.pt", doctor()), doctor())
    assert isinstance(agent, MaskedAgent)
    for allowed in range(15):
        mask = np.arange(15) == allowed
        assert agent.act(np.full(18, 0.5, np.float32), explore=False, mask=mask) == allowed


@pytest.mark.parametrize("spaces", [doctor(), season(), fleet("small")], ids=lambda spaces: spaces.id)
def test_a_federations_weights_act_where_they_were_trained_and_nowhere_else(tmp_path: Path, spaces: Spaces) -> None:
    trained = make_agent("ppo", seed=3, spaces=spaces)
    path = tmp_path / "global_weights.safetensors"
    path.write_bytes(checkpoint.dumps(trained.weights()))
    loaded = load_agent(path, spaces)
    assert {name: each.tobytes() for name, each in loaded.weights().items()} == {
        name: each.tobytes() for name, each in trained.weights().items()
    }
    for other in (CLUSTER, fleet("large")):
        with pytest.raises(AgentError, match="made for states of"):
            load_agent(path, other)


@pytest.mark.parametrize(
    ("name", "learned", "asked"),
    [("ppo", "doctor", "cluster"), ("ppo", "cluster", "doctor"), ("dqn", "cluster", "doctor")],
)
def test_an_agent_of_another_environment_is_refused_in_one_line(
    name: str, learned: str, asked: str, tmp_path: Path
) -> None:
    spaces = {"doctor": doctor(), "cluster": CLUSTER}
    path = saved(tmp_path / "agent.pt", spaces[learned], name)
    with pytest.raises(AgentError) as raised:
        load_agent(path, spaces[asked])
    assert str(raised.value) == (
        f"checkpoint {path}: its agent has learned '{spaces[learned].id}', and cannot act in {spaces[asked].id}"
    )


def test_an_agent_that_knows_one_environment_only_is_made_for_no_other() -> None:
    with pytest.raises(AgentError, match="agent 'dqn': acts in SimArena/Cluster-v0 only; SimArena/Doctor-v0 takes ppo"):
        make_agent("dqn", seed=0, spaces=doctor())
