"""The trained agent that comes with the package."""

from __future__ import annotations

import pytest

from agents.agent import load_agent
from agents.default_model import default_model_path
from env.errors import AgentError


def test_the_default_model_is_an_agent_that_is_trained() -> None:
    try:
        path = default_model_path()
    except AgentError:
        pytest.skip("this installation has no default model")
    assert load_agent(path).learns
