"""Rules, searches and the planner on the same problems of Fleet-v0, beside the best that is known and a bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.ppo.agent import PPO
from agents.ppo.memory import nothing, remembered, told
from env.fleet import exact
from env.fleet.bound import volume_bound
from env.fleet.kept import kept
from env.fleet.planner import REPLAYS, plan
from env.fleet.rules import MARGIN, RULES, best_rule, configurations, with_vpa
from env.fleet.search import search
from env.fleet.variants import ACTIONS, Variant
from env.fleet.vector_env import FleetVectorEnv
from env.interrupt import stop_if_asked
from runner.evaluation.fleet_suite import fleet_fingerprint
from runner.evaluation.intervals import Estimate, excess, mean, share

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Masks = NDArray[np.bool_]

BEST_KNOWN, BOUND = "best known", "bound"
VPA = "VPA"
"""How its rows' names begin. Its requests are not of the steps that others' are, so the best known is without them:
the bound holds for requests of these steps."""
NOISES = (0.0, 0.02, 0.05)
"""Of what the planner measures."""
_ANNEALED, _ANNEALINGS = 10_000, 2
_MANY = 1000


@dataclass(frozen=True)
class FleetScore:
    """How one did on all problems, with 95 % intervals.

    Attributes:
        agent: Who played.
        replays: How many of each problem; None of rules, which know what pods use, and of bounds.
        n: Problems.
        nodes: On which all was Ready.
        above: By which share they are above the best that is known.
        best: The share of problems in which there are no more of them.
    """

    agent: str
    replays: int | None
    n: int
    nodes: Estimate | None
    above: Estimate | None
    best: Estimate | None

    def document(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


@dataclass(frozen=True)
class Outcome:
    """The nodes that one came to on n problems, int64 (n,), and replays as in `FleetScore`."""

    nodes: Ints
    replays: int | None = None


class Walk(NamedTuple):
    """Episodes in the environment: the fewest nodes after each step, (steps, n), and sums of rewards, (n,)."""

    nodes: Ints
    returns: NDArray[np.float64]


def by_rules(problems: NDArray[Any], tuned_on: NDArray[Any]) -> dict[str, Outcome]:
    """Services as they are, with VPA's requests, and with the replicas of the rule that is best elsewhere."""
    start, best = problems["start"], best_rule(tuned_on)
    return {
        "as it is": Outcome(search(problems, start).nodes),
        VPA: Outcome(search(with_vpa(problems, MARGIN), start).nodes),
        f"{VPA} without margin": Outcome(search(with_vpa(problems, 1.0), start).nodes),
        f"best tuned rule: {best.name}": Outcome(search(problems, configurations(best, problems)).nodes),
    }


def by_search(problems: NDArray[Any], variant: Variant) -> dict[str, Outcome]:
    """Searches that know nothing but how a configuration went: as many replays as an episode has, and others."""
    found = {f"random walk, {variant.steps}": Outcome(random_walk(problems, variant).nodes[-1], variant.steps)}
    for replays in (REPLAYS, variant.steps, _MANY):
        stop_if_asked()
        found[f"hill climbing, {replays}"] = Outcome(search(problems, problems["start"], replays).nodes, replays)
    return found


def by_models(agents: Mapping[str, PPO], problems: NDArray[Any], variant: Variant) -> dict[str, Outcome]:
    """Models over an episode, by their likeliest actions, and by actions that are drawn from their policies."""
    found = {}
    for name, agent in agents.items():
        for how, seed in (("", None), (", drawn", 0)):
            walk = by_model(agent, problems, variant, seed)
            for replays in (REPLAYS, variant.steps):
                found[f"{name}{how}, {replays}"] = Outcome(walk.nodes[replays - 1], replays)
    return found


def by_planner(problems: NDArray[Any]) -> dict[str, Outcome]:
    """The planner, whose measurements have some noise or none."""
    return {
        f"planner, {REPLAYS}, noise {100 * noise:.0f} %": Outcome(plan(problems, REPLAYS, noise)[-1], REPLAYS)
        for noise in NOISES
    }


def random_walk(problems: NDArray[Any], variant: Variant, seed: int = 0) -> Walk:
    """Episodes of random actions that change something."""
    rng = np.random.default_rng(seed)

    def act(states: Floats, masks: Masks) -> Ints:
        allowed = masks.copy()
        allowed[:, ::ACTIONS] = False  # keeps everything as it is
        drawn: Ints = np.where(allowed, rng.random(allowed.shape), -1.0).argmax(axis=1)
        return drawn

    return _walk(act, problems, variant)


def by_model(agent: PPO, problems: NDArray[Any], variant: Variant, drawn_from: int | None = None) -> Walk:
    """Episodes of a model.

    Args:
        agent: Of Fleet-v0 in this variant.
        problems: What is played.
        variant: Theirs.
        drawn_from: A seed, where actions are drawn from the policy; None: they are its likeliest.
    """
    memory = nothing(len(problems), agent.spaces)
    agent.seed(np.random.default_rng(drawn_from))

    def act(states: Floats, masks: Masks) -> Ints:
        nonlocal memory
        seen = told(states, memory)
        actions = agent.logits(seen, masks).argmax(axis=1) if drawn_from is None else agent.act_in_all(seen, masks)[0]
        memory = remembered(memory, actions)
        return actions

    return _walk(act, problems, variant)


def _walk(act: Callable[[Floats, Masks], Ints], problems: NDArray[Any], variant: Variant) -> Walk:
    envs = FleetVectorEnv(len(problems), variant.name, problems)
    states, info = envs.reset(seed=0, options={"problem": 0})
    nodes, returns = [], np.zeros(len(problems))
    for _ in range(variant.steps):
        stop_if_asked()
        states, rewards, _, _, info = envs.step(act(states, info["action_mask"].copy()))
        nodes.append(info["nodes"].copy())
        returns += rewards
    return Walk(np.stack(nodes), returns)


def annealed(problems: NDArray[Any], each: Callable[[Sequence[int]], Iterator[int]] = iter) -> Outcome:
    """The fewest nodes of several annealings in the engine, each from the best rule for its problem; kept on disk.

    Args:
        problems: What is solved.
        each: Goes through the numbers of the annealings; to show how far it is.
    """

    def find() -> Ints:
        starts = [configurations(rule, problems) for rule in RULES]
        needed = np.stack([search(problems, some).nodes for some in starts])
        best = np.stack(starts)[needed.argmin(axis=0), np.arange(len(problems))]
        found = [needed.min(axis=0)]
        for number in each(range(_ANNEALINGS)):
            stop_if_asked()
            found.append(search(problems, best, _ANNEALED, seed=number << 32, anneals=True).nodes)
        best_of_all: Ints = np.min(found, axis=0)
        return best_of_all

    settings = f"annealed {_ANNEALED} {_ANNEALINGS} {fleet_fingerprint(problems)}"
    nodes = kept("annealed", settings.encode(), (len(problems),), find)
    return Outcome(nodes, _ANNEALED * _ANNEALINGS)


def bounds(problems: NDArray[Any], known: Ints, each: Callable[[Sequence[int]], Iterator[int]] = iter) -> Outcome:
    """What no configuration is below; kept on disk. Sharper where OR-Tools is installed.

    Args:
        problems: What is solved.
        known: Nodes on which all is Ready, of each.
        each: Goes through the numbers of the problems; to show how far it is.
    """

    def find() -> Ints:
        found = volume_bound(problems)
        for i in each(range(len(problems))) if exact.is_installed() else ():
            stop_if_asked()
            found[i] = exact.exact_bound(problems[i : i + 1], int(found[i]), int(known[i]))
        return found

    settings = f"bound {exact.is_installed()} {fleet_fingerprint(problems)} {known.tolist()}"
    return Outcome(kept("bound", settings.encode(), (len(problems),), find))


def scores(outcomes: Mapping[str, Outcome], known: Ints) -> list[FleetScore]:
    """Everybody's scores, beside the best that is known of each problem."""
    return [
        FleetScore(
            name,
            each.replays,
            len(known),
            mean(each.nodes.tolist()),
            excess(each.nodes.tolist(), known.tolist()),
            share(int((each.nodes <= known).sum()), len(known)),
        )
        for name, each in outcomes.items()
    ]
