"""The Gymnasium environment: an agent changes a workload's requests and replicas until `target` pods are ready.

env = gymnasium.make("env:SimArena/Cluster-v0", reward="cost_aware_v2")
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from env.actions import NO_CEILING, Action, ActionOutcome, Ceiling, apply_action
from env.api_objects import ApiObjects
from env.cluster import Cluster
from env.embedded.closed_form import PlainWorkload, generated_workload, observe_plain, plain_workload
from env.gym.checks import check_problem, chosen_scenario
from env.gym.features import STATE_DIM, state_vector
from env.gym.line import line
from env.gym.memory import NO_FLOORS, raised
from env.gym.reward import check_reward, goal, reward
from env.gym.scenarios import Paths, chosen_scenarios
from env.gym.scene import plain_picture, replayed_picture
from env.observation import Observation
from env.printable import one_line
from env.problems.draw import episode_words
from env.problems.generate import GeneratedProblem, draw_problem, generate_scenario, problem_plugin, problem_scenario
from env.problems.philox import below, seed_of
from env.problems.rooms.kinds import ROOMS, kind_of
from env.problems.scenario import Scenario, ceiling_of
from env.settings import (
    RENDER_MODES,
    SEEDS,
    action_number,
    check_keywords,
    check_max_steps,
    check_render_mode,
    seed_number,
)
from env.workload import Resources

_ACTIONS = tuple(Action)


class ClusterEnv(gymnasium.Env[NDArray[np.float32], np.int64]):
    """One episode is one scenario; every step replays its trace with what the agent has made of the workload.

    Unless a cluster is given, plain scenarios (`env.embedded.closed_form`) are computed instead of replayed, with the
    same result.

    Observations are `env.gym.features.state_vector`: float32 of shape (STATE_DIM,) within [-1, 1]. Actions are the
    indices of `env.actions.Action`. A step's `info` holds the whole `observation`, the `outcome` of the action
    (None after reset), the `scenario`'s name, its `problem` and `target`, `is_success`, and `broken`, the pods that
    neighbours lack.

    Args:
        scenarios: Each reset draws one, or takes number i with `options={"scenario": i}`. None: each reset generates
            a new one.
        reward: One of `env.gym.reward.REWARDS`, or a name that an installed package adds.
        max_steps: Steps after which an episode is truncated.
        cluster: Where every step is replayed; None: an embedded cluster, where needed. One given is not closed here.
        render_mode: "ansi" makes `render` return one line of text, "rgb_array" a picture, uint8 of shape
            `env.picture.SHAPE`; "human" prints the line after every reset and step.
        problem: What is generated, one of `env.problems.rooms.kinds.NAMES` or an installed package's; None: any of
            `env.problems.draw.PROBLEMS`.
        trace, filename: Files to take scenarios from instead; see `env.gym.scenarios.chosen_scenarios`.

    Raises:
        ConfigError: A setting out of range, or one that there is not.
        TraceError, ManifestError, ScenarioError: As `env.gym.scenarios.chosen_scenarios`.
    """

    metadata = {"render_modes": RENDER_MODES, "render_fps": 4}  # noqa: RUF012  (Gymnasium has no ClassVar here)

    def __init__(
        self,
        scenarios: Sequence[Scenario] | None = None,
        reward: str = "shaped",
        max_steps: int = 100,
        cluster: Cluster | None = None,
        render_mode: str | None = None,
        problem: str | None = None,
        trace: Paths | None = None,
        filename: Paths | None = None,
        **unknown: object,
    ) -> None:
        check_keywords(unknown, type(self))
        chosen = chosen_scenarios(scenarios, trace, filename)
        check_reward(reward)
        check_max_steps(max_steps)
        check_render_mode(render_mode)
        check_problem(chosen, problem)
        self._problem = problem
        self.observation_space = spaces.Box(-1.0, 1.0, (STATE_DIM,), np.float32)
        self.action_space = spaces.Discrete(len(Action))
        self.render_mode = render_mode
        self._scenarios = chosen
        self._reward = reward
        self._max_steps = max_steps
        self._owns_cluster = cluster is None
        self._cluster = cluster
        self._known: dict[int, _Episode] = {}
        self._key: int | None = None
        self._episodes = 0
        self._episode: _Episode | None = None
        self._observation: Observation | None = None
        self._floors = NO_FLOORS
        self._outcome: ActionOutcome | None = None
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode with the workload as recorded.

        Which scenario it is follows from the last seed given and the number of episodes since.

        Raises:
            ConfigError: No such option, seed or scenario.
            ClusterError: The workload could not be observed.
        """
        number = chosen_scenario(options, None if self._scenarios is None else len(self._scenarios))
        seed = seed_number(seed)
        super().reset(seed=seed)
        if seed is not None:
            self._key, self._episodes = seed % SEEDS, 0
        elif self._key is None:
            self._key = int(self.np_random.integers(SEEDS))
        self._episode = self._next_episode(self._key, number)
        self._episodes += 1
        self._outcome = None
        self._steps = 0
        self._observation = self._episode.observe(None)
        self._floors = raised(NO_FLOORS, self._observation)
        self._show()
        return self._state(), self._info()

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Apply the action, replay, observe; the reward is this action's.

        Raises:
            ConfigError: No such action.
            ClusterError: The workload could not be observed.
        """
        episode, before = self._current()
        outcome = apply_action(before.resources, _ACTIONS[action_number(action, len(_ACTIONS))], episode.ceiling)
        observation = episode.observe(outcome.resources)
        self._observation, self._outcome = observation, outcome
        self._floors = raised(self._floors, observation)
        self._steps += 1
        value = reward(self._reward, observation, episode.target, outcome)
        solved = goal(observation, episode.target)
        self._show()
        return self._state(), value, solved, self._steps >= self._max_steps, self._info()

    def render(self) -> str | NDArray[np.uint8] | None:
        """Where the episode stands: one line in mode "ansi", a picture in mode "rgb_array"; None in others.

        Raises:
            ClusterError: The cluster could not be observed.
        """
        if self._episode is None or self._observation is None or self.render_mode not in ("ansi", "rgb_array"):
            return None
        if self.render_mode == "ansi":
            return self._line()
        if self._episode.plain is not None:
            return plain_picture(self._line(), self._episode.plain, self._observation)
        return replayed_picture(self._line(), self.scenario, self.objects())

    def why(self) -> tuple[str, ...]:
        """What keeps the workload's pods from being Ready now, and which neighbours lack pods, a sentence each; see
        `env.cluster.Cluster.why`.

        Raises:
            ClusterError: The workload could not be observed.
        """
        return self._replaying().why(self.scenario, self.asked)

    def objects(self) -> ApiObjects:
        """What the cluster's API server holds now; see `env.cluster.Cluster.objects`.

        Raises:
            ClusterError: The cluster could not be observed.
        """
        return self._replaying().objects(self.scenario, self.asked)

    @property
    def scenario(self) -> Scenario:
        """What is to be solved; a generated one gets its trace when this is asked."""
        return self._current()[0].scenario()

    @property
    def observation(self) -> Observation:
        """What was observed last."""
        return self._current()[1]

    @property
    def outcome(self) -> ActionOutcome | None:
        """The outcome of the last action; None after a reset."""
        return self._outcome

    @property
    def asked(self) -> Resources | None:
        """What the workload asks for instead of what was recorded; None: as recorded."""
        return None if self._outcome is None else self._outcome.resources

    @property
    def ceiling(self) -> Ceiling:
        """The most that actions make the workload request."""
        return self._current()[0].ceiling

    @property
    def steps(self) -> int:
        """Steps of this episode so far."""
        return self._steps

    @property
    def max_steps(self) -> int:
        """Steps after which an episode is truncated."""
        return self._max_steps

    def close(self) -> None:
        """Close the cluster, unless it was given."""
        if self._owns_cluster and self._cluster is not None:
            self._cluster.close()
            self._cluster = None

    def _line(self) -> str:
        (episode, observation), outcome = self._current(), self._outcome
        action, reason = (outcome.action, outcome.reason) if outcome is not None else (None, None)
        return line(episode.name, self._steps, action, reason, observation, episode.target)

    def _show(self) -> None:
        """Print where the episode stands, in mode "human"."""
        if self.render_mode == "human":
            print(one_line(self._line()))

    def _next_episode(self, key: int, number: int | None) -> _Episode:
        first, second, _, _ = episode_words(key, self._episodes)
        if self._scenarios is None:
            seed = seed_of(first, second)
            kind = kind_of(self._problem, seed)
            if kind in ROOMS:
                return self._of_room(kind, seed)
            if kind is not None and problem_plugin(kind) is not None:
                return self._of_scenario(generate_scenario(kind, seed))
            return self._of_problem(draw_problem(kind, seed))
        if number is None:
            number = below(first, len(self._scenarios))
        if number not in self._known:
            self._known[number] = self._of_scenario(self._scenarios[number])
        return self._known[number]

    def _of_problem(self, problem: GeneratedProblem) -> _Episode:
        if not self._owns_cluster:
            return self._of_scenario(problem_scenario(problem))
        workload = generated_workload(problem)
        observe = partial(_computed, workload, problem.start)
        scenario = partial(_scenario_of, problem)
        return _Episode(problem.name, problem.kind, problem.target, observe, scenario, plain=workload)

    def _of_room(self, kind: str, seed: int) -> _Episode:
        from env.embedded.cluster import EmbeddedCluster
        from env.gym.rooms import find_room

        proves = self._replaying() if self._owns_cluster else EmbeddedCluster()
        return self._of_scenario(find_room(kind, seed, proves).scenario)

    def _of_scenario(self, scenario: Scenario) -> _Episode:
        plain = plain_workload(scenario) if self._owns_cluster else None
        observe = partial(_computed, *plain) if plain is not None else partial(self._replaying().observe, scenario)
        return _Episode(
            scenario.name,
            scenario.problem,
            scenario.target,
            observe,
            partial(_itself, scenario),
            ceiling_of(scenario),
            None if plain is None else plain[0],
        )

    def _replaying(self) -> Cluster:
        """Where traces are replayed; plain scenarios do without, and so without the compiler that it needs."""
        if self._cluster is None:
            from env.embedded.cluster import EmbeddedCluster

            self._cluster = EmbeddedCluster()
        return self._cluster

    def _state(self) -> NDArray[np.float32]:
        episode, observation = self._current()
        return state_vector(observation, episode.target, self._floors)

    def _info(self) -> dict[str, Any]:
        episode, observation = self._current()
        return {
            "observation": observation,
            "outcome": self._outcome,
            "scenario": episode.name,
            "problem": episode.problem,
            "target": episode.target,
            "is_success": goal(observation, episode.target),
            "broken": observation.broken,
        }

    def _current(self) -> tuple[_Episode, Observation]:
        """The running episode and its latest observation."""
        if self._episode is None or self._observation is None:
            raise gymnasium.error.ResetNeeded("call reset first")
        return self._episode, self._observation


@dataclass(frozen=True)
class _Episode:
    """What is to be solved, and how it is observed: with what is asked for, or None as recorded.

    `plain` are the numbers of a plain scenario. No lambdas, so that environments can be pickled.
    """

    name: str
    problem: str | None
    target: int
    observe: Callable[[Resources | None], Observation]
    scenario: Callable[[], Scenario]
    ceiling: Ceiling = NO_CEILING
    plain: PlainWorkload | None = None


@lru_cache(maxsize=64)
def _scenario_of(problem: GeneratedProblem) -> Scenario:
    """A generated problem's scenario: always the same object, as clusters know what they have replayed by its trace."""
    return problem_scenario(problem)


def _itself(scenario: Scenario) -> Scenario:
    return scenario


def _computed(workload: PlainWorkload, recorded: Resources, asked: Resources | None) -> Observation:
    return observe_plain(workload, recorded if asked is None else asked)
