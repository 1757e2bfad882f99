"""What the runner's tests share: a small agent's settings and a handful of scenarios."""

from __future__ import annotations

from typing import Any

import pytest

from env.generate import generate_scenario
from env.scenario import Scenario


@pytest.fixture(scope="session")
def scenarios() -> list[Scenario]:
    """Two small problems of different kinds."""
    return [generate_scenario("cpu", 38), generate_scenario("replica-deficit", 1)]


@pytest.fixture
def small() -> dict[str, Any]:
    """DQN settings under which a few dozen steps hold all that matters: gradient steps, target updates, a full ring."""
    return {"hidden": [16], "batch_size": 8, "learning_starts": 8, "replay_size": 60, "target_every": 5}
