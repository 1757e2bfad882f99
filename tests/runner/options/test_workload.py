"""What is to be solved, as options say it."""

from __future__ import annotations

import pytest

from env.errors import ConfigError
from runner.options.workload import ReplayChoice, WorkloadChoice


def test_what_only_a_trace_can_answer_needs_one() -> None:
    WorkloadChoice().check_needed()
    with pytest.raises(ConfigError, match="--duration: needs --trace"):
        WorkloadChoice(replay=ReplayChoice(duration=5.0)).check_needed()


def test_there_is_one_environment_today() -> None:
    with pytest.raises(ConfigError, match="--env clutser: unknown; did you mean 'cluster'"):
        WorkloadChoice(env="clutser")
