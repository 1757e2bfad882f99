"""How good a training is by now: greedy episodes on fixed problems that it never trains on, and what follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from agents.agent import Agent
from agents.kinds import make_agent
from env.actions import Action
from env.cluster import Cluster
from env.embedded.closed_form import plain_workload
from env.gym.cluster_env import ClusterEnv
from env.gym.rooms import make_scenario
from env.gym.search import solved_plain
from env.problems.scenario import Scenario, ceiling_of
from runner.evaluation.compare import OPTIMUM, follow
from runner.evaluation.evaluate import TOTAL, Score, evaluate, score

SEED = 1 << 40
"""Of the first validation problem; the others follow."""
PROBLEMS = 200
BASELINES = ("random", "autoscaler", "reactive", "heuristic")
PROBES = 64

Row = Mapping[str, Any]


@dataclass(frozen=True)
class StopRule:
    """When a training ends before its last episode; None: never for that reason.

    Attributes:
        solved: An evaluation solves this share.
        patience: So many evaluations in a row were not the best so far.
    """

    solved: float | None = None
    patience: int | None = None

    def reason(self, evaluations: Sequence[Row]) -> str | None:
        """Why to end after these evaluations; None to go on."""
        if not evaluations:
            return None
        rate = evaluations[-1]["solved_rate"]
        if self.solved is not None and rate >= self.solved:
            return f"an evaluation solved {100 * rate:.1f} %, {100 * self.solved:g} % were asked for"
        since = len(evaluations) - 1 - evaluations.index(best(evaluations))
        if self.patience is not None and since >= self.patience:
            return f"{since} evaluations without a better one"
        return None


def best(evaluations: Sequence[Row]) -> Row:
    """The one that solved most; of those the one with the fewest steps; of those the first."""
    return max(evaluations, key=lambda row: (row["solved_rate"], -row["mean_steps"]))


@dataclass(frozen=True)
class Validation:
    """The problems of an evaluation and how they are played.

    Attributes:
        scenarios: One greedy episode is played on each.
        max_steps: Steps of an episode.
        reward: One of `env.gym.reward.REWARDS`.
        cluster: Where traces are replayed; None: the embedded one.
    """

    solved: ClassVar[str] = "as many pods Ready as wanted"

    scenarios: Sequence[Scenario]
    max_steps: int
    reward: str
    cluster: Cluster | None = None

    @property
    def baselines(self) -> Sequence[str]:
        """Who plays them too: rules, and the optimum where it is known of all."""
        return BASELINES if self._solutions is None else (*BASELINES, OPTIMUM)

    def score(self, agent: Agent, should_stop: Callable[[], bool]) -> dict[str, Any]:
        """Results of one evaluation as a metric has them. It draws from `agent`'s generator.

        Raises:
            ClusterError: the cluster could not be observed.
            Stopped: `should_stop` turned true.
        """
        total = evaluate(
            agent,
            self.scenarios,
            self.max_steps,
            SEED,
            reward=self.reward,
            cluster=self.cluster,
            should_stop=should_stop,
        )[-1]
        return _as_row(total)

    def baseline(self, name: str, should_stop: Callable[[], bool]) -> dict[str, Any]:
        """`score` of one of `baselines`."""
        if name != OPTIMUM:
            return self.score(make_agent(name, seed=0), should_stop)
        env = ClusterEnv(self.scenarios, reward=self.reward, max_steps=self.max_steps, cluster=self.cluster)
        solutions = enumerate(self._solutions or ())
        return _as_row(score(TOTAL, [follow(env, number, actions, should_stop) for number, actions in solutions]))

    def probes(self) -> npt.NDArray[np.float32]:
        """First states of up to `PROBES` of the scenarios, float32 (n, STATE_DIM)."""
        env = ClusterEnv(self.scenarios, reward=self.reward, cluster=self.cluster)
        shown = range(min(PROBES, len(self.scenarios)))
        return np.stack([env.reset(seed=0, options={"scenario": number})[0] for number in shown])

    def optimal_shares(self) -> list[float] | None:
        """Share of each action in the shortest solutions; None unless all are known in closed form.

        Where the start is the goal already, noop is the shortest.
        """
        if self._solutions is None:
            return None
        counts: Counter[Action] = Counter()
        for actions in self._solutions:
            counts.update(actions or [Action.NOOP])
        return [counts[action] / counts.total() for action in Action]

    @cached_property
    def _solutions(self) -> list[list[Action]] | None:
        """A shortest solution of each scenario; None unless all are known in closed form."""
        solutions = []
        for scenario in self.scenarios:
            plain = plain_workload(scenario)
            actions = solved_plain(*plain, scenario.target, ceiling_of(scenario).most) if plain is not None else None
            if actions is None:
                return None
            solutions.append(actions)
        return solutions


def _as_row(total: Score) -> dict[str, Any]:
    return {
        "n": total.n,
        "solved_rate": total.solved_rate,
        "mean_steps": total.mean_steps,
        "mean_return": total.mean_return,
    }


def validation_problems(problem: str | None) -> list[Scenario]:
    """The fixed problems of a training without traces, of the kind `problem` if it trains on one only.

    Raises:
        ScenarioError: no such kind.
    """
    return [make_scenario(problem, SEED + number) for number in range(PROBLEMS)]
