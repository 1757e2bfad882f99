"""The best that a doctor can do on small problems who sees the features and remembers all that it has seen.

What is hidden counts: it is a partially observed decision process, solved exactly. Actions lead from belief to belief
(`env.doctor.beliefs`); the search is depth first, with memory.
A doctor who sees everything needs no more steps than one who does not, so `env.doctor.graph` bounds each belief from
below, and the bound on the root is raised by one step until a plan is within it (Hansen & Zilberstein, "LAO*", 2001,
have the idea of such bounds; Korf, "Depth-first iterative-deepening", 1985, that of the raised one).
"""

from __future__ import annotations

import math

from env.doctor.actions import ACTIONS
from env.doctor.beliefs import Belief, State, outcomes, starts
from env.doctor.cluster import mendable, record
from env.doctor.draw import SHAPES
from env.doctor.features import DEPLOYMENTS_AT_1, NODES_AT_1
from env.doctor.graph import graph
from env.doctor.reward import SOLVED, STEP
from env.errors import ConfigError

_EQUAL = 1e-9


class Optimum:
    """An optimal doctor for one small cluster; it plans as it goes and keeps its plans.

    Args:
        shape: Index in `env.doctor.draw.SHAPES`.
    """

    def __init__(self, shape: int) -> None:
        self._graph = graph(shape)
        self._fewest = self._graph.fewest_steps()
        self._shape = shape
        self._least: dict[tuple[bytes, bytes], float] = {}
        self._exact: dict[tuple[bytes, bytes], tuple[float, int]] = {}

    def prior(self, state: State) -> Belief:
        """What may be wrong, by what a reset shows.

        Raises:
            ConfigError: No small problem looks like this.
        """
        groups = starts(self._shape)
        if state.tobytes() not in groups:
            raise ConfigError(f"no small problem of shape {self._shape} starts with this state")
        return groups[state.tobytes()]

    def after(self, belief: Belief, action: int, state: State) -> Belief:
        """What may be wrong after an action that did not end the episode.

        Raises:
            ConfigError: The action does not lead to this state.
        """
        for weight, seen, following in outcomes(belief, action):
            if seen == state.tobytes() and weight > 0:
                return following
        raise ConfigError(f"action {action}: does not lead to this state")

    def steps(self, belief: Belief) -> float:
        """The fewest steps to the end, in the mean."""
        return self._plan(belief)[0]

    def action(self, belief: Belief) -> int:
        """The first action of a best plan."""
        return self._plan(belief)[1]

    def value(self, belief: Belief) -> float:
        """The return of a best plan, in the mean."""
        kinds = [mendable(record(belief.clusters, i)) for i in range(len(belief.clusters))]
        return SOLVED - STEP * self.steps(belief) + float(belief.weights @ kinds)

    def _plan(self, belief: Belief) -> tuple[float, int]:
        limit = self._bound(belief)
        while belief.key not in self._exact:
            limit += 1
            self._search(belief, limit)
        return self._exact[belief.key]

    def _bound(self, belief: Belief) -> float:
        """At least as many steps are needed."""
        key = belief.key
        if key in self._exact:
            return self._exact[key][0]
        if key not in self._least:
            self._least[key] = float(belief.weights @ self._fewest[self._graph.rows(belief.clusters)])
        return self._least[key]

    def _search(self, belief: Belief, limit: float) -> float:
        """The fewest steps if they are below the limit; else something from the limit up that they are not below."""
        bound, key = self._bound(belief), belief.key
        if key in self._exact or bound >= limit - _EQUAL:
            return bound
        tries = []
        for action in range(ACTIONS):
            parts = [(weight, following) for weight, _, following in outcomes(belief, action)]
            bounds = [self._bound(following) for _, following in parts]
            least = 1 + sum(weight * each for (weight, _), each in zip(parts, bounds, strict=True))
            tries.append((least, action, parts, bounds))
        best, chosen = math.inf, -1
        for least, action, parts, bounds in sorted(tries, key=lambda each: each[:2]):
            most = min(best, limit)
            if least >= most - _EQUAL:
                best = min(best, least)
                break
            found = self._tried(least, parts, bounds, most)
            if found < best - _EQUAL:
                best, chosen = found, action
        if best < limit - _EQUAL:
            self._exact[key] = best, chosen
        else:
            self._least[key] = max(bound, best)
        return best

    def _tried(self, least: float, parts: list[tuple[float, Belief]], bounds: list[float], most: float) -> float:
        """The steps of an action, or as soon as they are at least `most`, so many that they are not below."""
        for (weight, following), bound in zip(parts, bounds, strict=True):
            others = least - weight * bound
            least = others + weight * self._search(following, (most - others) / weight)
            if least >= most - _EQUAL:
                break
        return least


class OptimalDoctor:
    """Plays small problems as well as can be: told each state, it says the next action.

    Its plans are kept for all episodes; the first ones of each kind take some seconds.
    """

    def __init__(self) -> None:
        self._optima: dict[int, Optimum] = {}
        self._optimum: Optimum | None = None
        self._belief: Belief | None = None

    def start(self, state: State) -> None:
        """An episode has begun with this state.

        Raises:
            ConfigError: No small problem looks like this.
        """
        shape = shape_of(state)
        if shape not in self._optima:
            self._optima[shape] = Optimum(shape)
        self._optimum = self._optima[shape]
        self._belief = self._optimum.prior(state)

    def action(self) -> int:
        """The best action now."""
        optimum, belief = self._current()
        return optimum.action(belief)

    def value(self) -> float:
        """The mean return from now on if the best is done."""
        optimum, belief = self._current()
        return optimum.value(belief)

    def saw(self, action: int, state: State) -> None:
        """The action was done and led to this state, which is not the end.

        Raises:
            ConfigError: It cannot have.
        """
        optimum, belief = self._current()
        self._belief = optimum.after(belief, action, state)

    def _current(self) -> tuple[Optimum, Belief]:
        if self._optimum is None or self._belief is None:
            raise ConfigError("the optimal doctor has seen no state yet; call start first")
        return self._optimum, self._belief


def shape_of(state: State) -> int:
    """Which small cluster a state is of, by its nodes and Deployments.

    Raises:
        ConfigError: Of none.
    """
    nodes, deployments = round(float(state[0]) * NODES_AT_1), round(float(state[8]) * DEPLOYMENTS_AT_1)
    for number, shape in enumerate(SHAPES):
        if (shape[0], shape[2]) == (nodes, deployments):
            return number
    raise ConfigError(f"{nodes} nodes with {deployments} Deployments: no small cluster, so the optimum is not known")
