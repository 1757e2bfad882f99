"""Many environments in one: a batch of ClusterEnv that steps in one compiled loop.

envs = gymnasium.make_vec("env:SimArena/Cluster-v0", num_envs=1024)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from env.actions import MOST, NO_CEILING, Action, apply_action
from env.embedded.closed_form import PlainWorkload, observe_plain, plain_workload
from env.embedded.cluster import EmbeddedCluster
from env.errors import ConfigError
from env.gym.checks import check_problem, chosen_scenario
from env.gym.features import STATE_DIM
from env.gym.line import line
from env.gym.reward import check_reward, finite, reward_plugin
from env.gym.scenarios import Paths, chosen_scenarios
from env.gym.scene import plain_picture, replayed_picture
from env.gym.seen_table import AS_RECORDED, SeenTable
from env.gym.vector_kernel import ANY_KIND, COUNTS, FLAGS, LANE, NOTHING, WORKLOAD, Results, compiled
from env.observation import Observation
from env.problems.draw import PROBLEMS
from env.problems.generate import generate_scenario
from env.problems.nodes import NodePool
from env.problems.scenario import Scenario, ceiling_of
from env.settings import (
    SEEDS,
    VECTOR_RENDER_MODES,
    action_numbers,
    check_autoreset_mode,
    check_keywords,
    check_num_envs,
    check_render_mode,
    seed_number,
    seeds_of,
    steps_within,
)
from env.workload import Resources

_FIELDS = tuple(field.name for field in fields(PlainWorkload))
_ONE_BY_ONE = (
    f"the vector environment generates {', '.join(PROBLEMS)}; for others give it `scenarios`, or step single ones: "
    'gymnasium.make_vec(…, vectorization_mode="sync")'
)

VectorStep = tuple[
    NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, NDArray[Any]]
]


class ClusterVectorEnv(VectorEnv[NDArray[np.float32], NDArray[np.int64], NDArray[Any]]):
    """`num_envs` of `env.gym.cluster_env.ClusterEnv`, with the same numbers to the last bit.

    It is what `gymnasium.vector.SyncVectorEnv` would make of them: `reset(seed=s)` seeds environment i with s + i, and
    after an episode's last step the next step of that environment is its reset (AutoresetMode.NEXT_STEP): the action
    is ignored, the reward is 0. All are stepped in compiled code. What plain scenarios
    (`env.embedded.closed_form`) look like is computed; others are replayed once for everything that is asked for.

    `info` holds an array for each of `is_success`, `target`, `ready`, `pending`, `total`, `cpu_m`, `memory_bytes`,
    `replicas`, `blocked` and `broken`, each with its mask `_key` as in Gymnasium.

    Args:
        num_envs: 1 to 2^20.
        scenarios, reward, max_steps, trace, filename: As in ClusterEnv.
        problem: What is generated, one of `env.problems.draw.PROBLEMS`; None: any of them.
        render_mode: "ansi" makes `render` return a line of text for each environment, "rgb_array" a picture for each.
        max_episode_steps: As in `gymnasium.make`: episodes are truncated after so many steps, or after `max_steps`.
        autoreset_mode: NEXT_STEP, or None, which is the same.
        disable_env_checker: As in `gymnasium.make`; there is none for vector environments.

    Raises:
        ConfigError: A setting out of range, or one that there is not.
    """

    metadata = {  # noqa: RUF012  (Gymnasium has no ClassVar here)
        "render_modes": VECTOR_RENDER_MODES,
        "render_fps": 4,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        scenarios: Sequence[Scenario] | None = None,
        reward: str = "shaped",
        max_steps: int = 100,
        render_mode: str | None = None,
        problem: str | None = None,
        trace: Paths | None = None,
        filename: Paths | None = None,
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str | None = None,
        disable_env_checker: bool | None = None,
        **unknown: object,
    ) -> None:
        check_keywords(unknown, type(self))
        check_num_envs(num_envs)
        chosen = chosen_scenarios(scenarios, trace, filename)
        check_reward(reward)
        check_render_mode(render_mode, VECTOR_RENDER_MODES)
        check_autoreset_mode(autoreset_mode)
        check_problem(chosen, problem)
        if problem is not None and problem not in PROBLEMS:
            raise ConfigError(f"problem {problem!r}: {_ONE_BY_ONE}")
        self._problem = problem
        self._max_steps = steps_within(max_steps, max_episode_steps)
        self.num_envs = num_envs = int(num_envs)
        self.render_mode = render_mode
        self.single_observation_space = spaces.Box(-1.0, 1.0, (STATE_DIM,), np.float32)
        self.single_action_space = spaces.Discrete(len(Action))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._scenarios = chosen
        self._reward = reward
        self._lanes = np.zeros(num_envs, LANE)
        self._kind = NOTHING if chosen is not None else ANY_KIND if problem is None else PROBLEMS.index(problem)
        self._is_seeded = False
        self._workloads = _drawn_later(num_envs) if chosen is None else _workloads(chosen)
        self._step_lanes = compiled(reward)
        self._cluster = EmbeddedCluster()
        self._table = SeenTable()
        self._mask = np.ones(num_envs, np.bool_)
        self._mask.flags.writeable = False

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:
        """Start an episode in every environment.

        Args:
            seed: Environment i gets seed + i; or one for each, None for those that go on with theirs.
            options: With "scenario": every environment takes the scenario of that number.

        Raises:
            ConfigError: Not one seed for each, no such scenario, or a "reset_mask", which is for vector environments
                that do not reset by themselves.
            ClusterError: A workload could not be observed.
        """
        if options and "reset_mask" in options:
            raise ConfigError("options['reset_mask']: environments start their next episodes by themselves here")
        number = chosen_scenario(options, None if self._scenarios is None else len(self._scenarios))
        seed = seed if isinstance(seed, Sequence | np.ndarray) else seed_number(seed)
        super().reset(seed=seed if isinstance(seed, int) else None)
        self._seed(seed)
        self._lanes["ended"] = True
        states, _, _, _, info = self._stepped(np.zeros(self.num_envs, np.int64), -1 if number is None else number)
        return states, info

    def step(self, actions: NDArray[np.int64]) -> VectorStep:
        """Step every environment; one whose episode has ended starts the next.

        Args:
            actions: Indices of `env.actions.Action`, shape (num_envs,).

        Returns:
            States float32 (num_envs, STATE_DIM); rewards float64, terminated and truncated bool (num_envs,); info.

        Raises:
            ConfigError: Not one action for each environment, or no such action.
            ClusterError: A workload could not be observed.
        """
        if not self._is_seeded:
            raise gymnasium.error.ResetNeeded("call reset first")
        return self._stepped(action_numbers(actions, self.num_envs, len(Action)), -1)

    def render(self) -> tuple[str, ...] | tuple[NDArray[np.uint8], ...] | None:
        """For each environment where its episode stands: a line in mode "ansi", a picture in mode "rgb_array"."""
        if self.render_mode is None or not self._is_seeded:
            return None
        if self.render_mode == "ansi":
            return tuple(map(self._line, range(self.num_envs)))
        return tuple(map(self._picture, range(self.num_envs)))

    def scenario(self, number: int) -> Scenario:
        """The scenario of environment `number`'s running episode."""
        row = int(self._lanes[number]["scenario"])
        if self._scenarios is not None:
            return self._scenarios[row]
        return generate_scenario(self._problem, int(self._workloads[row]["seed"]))

    def observation(self, number: int) -> Observation:
        """What environment `number` has seen last."""
        plain, lane = self._plain(number), self._lanes[number]
        if plain is None:
            return self._cluster.observe(self.scenario(number), _asked_anew(lane))
        return observe_plain(plain, _asked(lane))

    def close_extras(self, **kwargs: Any) -> None:
        """Close the cluster."""
        self._cluster.close()

    def _seed(self, seed: int | Sequence[int | None] | None) -> None:
        if seed is None and self._is_seeded:
            return
        if seed is None:
            seeds: list[int | None] = self.np_random.integers(SEEDS, size=self.num_envs).tolist()
        else:
            seeds = seeds_of(seed, self.num_envs)
        given = np.array([each is not None for each in seeds])
        fresh = given if self._is_seeded else np.ones_like(given)
        keys = [int(self.np_random.integers(SEEDS)) if each is None else each % SEEDS for each in seeds]
        self._lanes["key"][fresh] = np.array(keys, np.int64)[fresh]
        self._lanes["episodes"][fresh] = 0
        self._is_seeded = True

    def _stepped(self, wanted: NDArray[np.int64], chosen: int) -> VectorStep:
        n = self.num_envs
        ends, counts, flags = (
            np.empty((2, n), np.bool_),
            np.empty((len(COUNTS), n), np.int64),
            np.empty((2, n), np.bool_),
        )
        results = Results(np.empty((n, STATE_DIM), np.float32), np.empty(n), ends[0], ends[1], counts, flags)
        if self._step(wanted, chosen, results, again=False):
            self._replay_waiting()
            self._step(wanted, chosen, results, again=True)
        if reward_plugin(self._reward) and not np.isfinite(results.rewards).all():
            finite(self._reward, float(results.rewards[~np.isfinite(results.rewards)][0]))
        info: dict[str, NDArray[Any]] = {}
        for name, values in zip((*COUNTS, *FLAGS), (*counts, *flags), strict=True):
            info[name], info["_" + name] = values, self._mask
        return results.states, results.rewards, results.terminated, results.truncated, info

    def _step(self, wanted: NDArray[np.int64], chosen: int, results: Results, *, again: bool) -> int:
        """Fill in the results; how many environments wait for a replay."""
        table = self._table
        of = (self._lanes, self._workloads, table.slots, table.rows)
        return self._step_lanes(*of, self._kind, chosen, wanted, self._max_steps, again, *results)

    def _replay_waiting(self) -> None:
        """Replay what environments wait for, each once."""
        lanes, scenarios = self._lanes[self._lanes["waits"]], self._scenarios or ()
        self._table.make_room(len(lanes))
        for number, asked in {(int(lane["scenario"]), _asked(lane)): None for lane in lanes}:
            scenario = scenarios[number]
            seen = self._cluster.observe(scenario, None if asked == AS_RECORDED else asked)
            self._table.add(number, scenario, asked, seen)

    def _plain(self, number: int) -> PlainWorkload | None:
        """The numbers of environment `number`'s scenario, if it is plain."""
        workload = self._workloads[self._lanes[number]["scenario"]]
        return PlainWorkload(*(int(workload[name]) for name in _FIELDS)) if workload["plain"] else None

    def _picture(self, number: int) -> NDArray[np.uint8]:
        plain, scenario = self._plain(number), self.scenario(number)
        if plain is not None:
            return plain_picture(self._line(number), plain, self.observation(number))
        objects = self._cluster.objects(scenario, _asked_anew(self._lanes[number]))
        return replayed_picture(self._line(number), scenario, objects)

    def _line(self, number: int) -> str:
        lane, scenario, seen = self._lanes[number], self.scenario(number), self.observation(number)
        action = None if lane["action"] < 0 else Action(int(lane["action"]))
        reason = None
        if action is not None and lane["blocked"]:
            ceiling = NO_CEILING if self._scenarios is None else ceiling_of(scenario)
            reason = apply_action(_asked(lane), action, ceiling).reason
        return line(scenario.name, int(lane["steps"]), action, reason, seen, scenario.target)


def _asked(lane: Any) -> Resources:
    return Resources(int(lane["cpu_m"]), int(lane["memory_bytes"]), int(lane["replicas"]))


def _asked_anew(lane: Any) -> Resources | None:
    """What the lane's workload asks for instead of what was recorded; None: as recorded."""
    return None if lane["action"] < 0 else _asked(lane)


def _drawn_later(num_envs: int) -> NDArray[Any]:
    """A row for each environment, filled in when it starts an episode."""
    workloads = np.zeros(num_envs, WORKLOAD)
    workloads["plain"] = True
    workloads["node_pods"] = NodePool().pods
    workloads["most_cpu_m"], workloads["most_memory_bytes"], workloads["most_replicas"] = MOST
    return workloads


def _workloads(scenarios: Sequence[Scenario]) -> NDArray[Any]:
    """A row for each scenario."""
    workloads = np.zeros(len(scenarios), WORKLOAD)
    for row, scenario in zip(workloads, scenarios, strict=True):
        row["most_cpu_m"], row["most_memory_bytes"], row["most_replicas"] = ceiling_of(scenario).most
        plain = plain_workload(scenario)
        row["target"] = scenario.target
        if plain is None:
            row["cpu_m"], row["memory_bytes"], row["replicas"] = AS_RECORDED
            continue
        workload, recorded = plain
        row["plain"] = True
        row["cpu_m"], row["memory_bytes"], row["replicas"] = recorded
        for name, value in zip(_FIELDS, astuple(workload), strict=True):
            row[name] = value
    return workloads
