"""The Gymnasium environment: an agent changes a workload's requests and replicas until `target` pods are ready.

env = gymnasium.make("env:SimArena/Cluster-v0", reward="cost_aware_v2")
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from env.actions import Action, ActionOutcome, apply_action
from env.cluster import Cluster
from env.embedded import EmbeddedCluster
from env.errors import ConfigError
from env.generate import generate_scenario
from env.observation import STATE_DIM, Observation, state_vector
from env.quantity import format_cpu, format_memory
from env.reward import check_reward, goal, reward
from env.scenario import Scenario


class ClusterEnv(gymnasium.Env[NDArray[np.float32], np.int64]):
    """One episode is one scenario; every step replays its trace with what the agent has made of the workload.

    Observations are `env.observation.state_vector`: float32 of shape (STATE_DIM,) within [-1, 1]. Actions are the
    indices of `env.actions.Action`. A step's `info` holds the whole `observation`, the `outcome` of the action (None
    after reset), the `scenario`'s name, its `problem` and `target`, and `is_success`.

    Args:
        scenarios: Each reset draws one, or takes number i with `options={"scenario": i}`. None: each reset generates
            a new one.
        reward: One of `env.reward.REWARDS`.
        max_steps: Steps after which an episode is truncated.
        cluster: Where traces are replayed; None: an embedded cluster. A cluster that is given is not closed here.
        render_mode: "ansi" makes `render` return one line of text.

    Raises:
        ConfigError: A setting out of range.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012  (Gymnasium has no ClassVar here)

    def __init__(
        self,
        scenarios: Sequence[Scenario] | None = None,
        reward: str = "shaped",
        max_steps: int = 100,
        cluster: Cluster | None = None,
        render_mode: str | None = None,
    ) -> None:
        _check_settings(scenarios, reward, max_steps, render_mode)
        self.observation_space = spaces.Box(-1.0, 1.0, (STATE_DIM,), np.float32)
        self.action_space = spaces.Discrete(len(Action))
        self.render_mode = render_mode
        self._scenarios = None if scenarios is None else tuple(scenarios)
        self._reward = reward
        self._max_steps = max_steps
        self._owns_cluster = cluster is None
        self._cluster: Cluster = EmbeddedCluster() if cluster is None else cluster
        self._scenario: Scenario | None = None
        self._observation: Observation | None = None
        self._outcome: ActionOutcome | None = None
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode with the workload as recorded.

        Raises:
            ConfigError: `options["scenario"]` is not the number of a scenario.
            ClusterError: The workload could not be observed.
        """
        super().reset(seed=seed)
        self._scenario = self._next_scenario((options or {}).get("scenario"))
        self._outcome = None
        self._steps = 0
        self._observation = self._cluster.observe(self._scenario, None)
        return self._state(), self._info()

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Apply the action, replay, observe; the reward is this action's.

        Raises:
            ConfigError: No such action.
            ClusterError: The workload could not be observed.
        """
        scenario, before = self._current()
        if not self.action_space.contains(action):
            raise ConfigError(f"action {action!r:.80}: must be a whole number from 0 to {len(Action) - 1}")
        outcome = apply_action(before.resources, Action(int(action)))
        observation = self._cluster.observe(scenario, outcome.resources)
        self._observation, self._outcome = observation, outcome
        self._steps += 1
        value = reward(self._reward, observation, scenario.target, outcome)
        solved = goal(observation, scenario.target)
        return self._state(), value, solved, self._steps >= self._max_steps, self._info()

    def render(self) -> str | None:
        """One line about where the episode stands, in mode "ansi"."""
        if self.render_mode is None or self._scenario is None or self._observation is None:
            return None
        o, r = self._observation, self._observation.resources
        done = self._outcome.action.name.lower() if self._outcome else "reset"
        blocked = f" (blocked: {self._outcome.reason})" if self._outcome and self._outcome.blocked else ""
        asked = f"{r.replicas} x {format_cpu(r.cpu_m)}, {format_memory(r.memory_bytes)}"
        pods = f"{o.ready} ready, {o.pending} pending, target {self._scenario.target}"
        return f"{self._scenario.name} step {self._steps}: {done}{blocked} -> {asked}: {pods}"

    def close(self) -> None:
        """Close the cluster, unless it was given."""
        if self._owns_cluster:
            self._cluster.close()

    def _next_scenario(self, number: int | None) -> Scenario:
        if self._scenarios is None:
            if number is not None:
                raise ConfigError("options['scenario']: this environment generates its scenarios")
            return generate_scenario(None, int(self.np_random.integers(2**63)))
        if number is None:
            number = int(self.np_random.integers(len(self._scenarios)))
        if not 0 <= number < len(self._scenarios):
            raise ConfigError(f"options['scenario'] {number}: there are {len(self._scenarios)} scenarios, from 0")
        return self._scenarios[number]

    def _state(self) -> NDArray[np.float32]:
        scenario, observation = self._current()
        return state_vector(observation, scenario.target)

    def _info(self) -> dict[str, Any]:
        scenario, observation = self._current()
        return {
            "observation": observation,
            "outcome": self._outcome,
            "scenario": scenario.name,
            "problem": scenario.problem,
            "target": scenario.target,
            "is_success": goal(observation, scenario.target),
        }

    def _current(self) -> tuple[Scenario, Observation]:
        """The running episode's scenario and latest observation."""
        if self._scenario is None or self._observation is None:
            raise gymnasium.error.ResetNeeded("call reset first")
        return self._scenario, self._observation


def _check_settings(
    scenarios: Sequence[Scenario] | None, reward_name: str, max_steps: int, render_mode: str | None
) -> None:
    check_reward(reward_name)
    if scenarios is not None and not scenarios:
        raise ConfigError("scenarios: must hold at least one; None generates them")
    if max_steps < 1:
        raise ConfigError(f"max_steps {max_steps}: must be at least 1")
    if render_mode not in (None, "ansi"):
        raise ConfigError(f"render_mode {render_mode!r}: must be None or 'ansi'")
