"""How well doctors do on problems of Doctor-v0 that no training draws, side by side on the same episodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.ppo.agent import PPO
from agents.ppo.memory import nothing, remembered, told
from env.doctor.doctor_env import DoctorEnv
from env.doctor.scripted import scripted
from env.doctor.vector_env import DoctorVectorEnv
from env.interrupt import stop_if_asked
from runner.evaluation.intervals import Estimate, mean, share

States = NDArray[np.float32]
Masks = NDArray[np.bool_]
Policy = Callable[[States, Masks], NDArray[np.int64]]
"""An action for each state, float32 (n, 18), with its mask, bool (n, 15)."""

HELD_OUT, LARGE = "held-out", "large"
EXAM_SEED = 2**40
"""Seeds of exams are from here on; trainings seed their environments below it."""


@dataclass(frozen=True)
class Score:
    """Of a doctor on one kind of problems; `mean_return` and `mean_steps` with 95 % intervals.

    Attributes:
        doctor, problems: Who was examined, on what.
        episodes: How many.
        solved: Those that ended mended, or with a correct report.
    """

    doctor: str
    problems: str
    episodes: int
    solved: int
    solved_rate: Estimate | None
    mean_return: Estimate | None
    mean_steps: Estimate | None

    def document(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


def examine(
    policy: Policy,
    doctor: str,
    problems: str,
    *,
    episodes: int,
    max_steps: int,
    seed: int = EXAM_SEED,
    taken: NDArray[np.int64] | None = None,
    recorded: NDArray[Any] | None = None,
) -> Score:
    """Let a policy play, greedily, one episode in each of so many environments; `taken` counts its actions by index.

    With `recorded`, which is as in DoctorEnv, `problems` is only their name.

    Raises:
        Stopped: A stop was asked for, see `env.interrupt`.
    """
    envs = DoctorVectorEnv(
        episodes, problems=problems if recorded is None else "any", max_steps=max_steps, recorded=recorded
    )
    states, info = envs.reset(seed=seed)
    returns, steps = np.zeros(episodes), np.zeros(episodes)
    solved, over = np.zeros(episodes, np.bool_), np.zeros(episodes, np.bool_)
    while not over.all():
        stop_if_asked()
        actions = policy(states, info["action_mask"])
        if taken is not None:
            taken += np.bincount(actions[~over], minlength=len(taken))
        states, rewards, terminated, truncated, info = envs.step(actions)
        returns += np.where(over, 0.0, rewards)
        steps += ~over
        solved |= ~over & info["is_success"]
        over |= terminated | truncated
    return _score(doctor, problems, returns, steps, solved)


def examine_optimum(*, episodes: int, max_steps: int, seed: int = EXAM_SEED) -> Score:
    """The best that can be done on the same held-out problems by a doctor that remembers all it has seen."""
    from env.doctor.optimum import OptimalDoctor

    doctor, env = OptimalDoctor(), DoctorEnv(problems=HELD_OUT, max_steps=max_steps)
    returns, steps, solved = np.zeros(episodes), np.zeros(episodes), np.zeros(episodes, np.bool_)
    for i in range(episodes):
        stop_if_asked()
        state, info = env.reset(seed=seed + i)
        doctor.start(state)
        is_over = False
        while not is_over:
            action = doctor.action()
            state, reward, terminated, truncated, info = env.step(np.int64(action))
            returns[i] += reward
            steps[i] += 1
            is_over = terminated or truncated
            if not is_over:
                doctor.saw(action, state)
        solved[i] = info["is_success"]
    return _score("optimum", HELD_OUT, returns, steps, solved)


def of_agent(agent: PPO) -> Policy:
    """Its likeliest actions, in one episode of each environment: what it remembers is in the policy."""
    memory = nothing(0, agent.spaces)

    def act(states: States, masks: Masks) -> NDArray[np.int64]:
        nonlocal memory
        memory = memory if len(memory) else nothing(len(states), agent.spaces)
        actions: NDArray[np.int64] = agent.logits(told(states, memory), np.array(masks)).argmax(axis=1)
        memory = remembered(memory, actions)
        return actions

    return act


def by_hand(states: States, masks: Masks) -> NDArray[np.int64]:
    """The scripted doctor."""
    return np.array([scripted(state) for state in states.tolist()])


def at_random(seed: int) -> Policy:
    """Any action that the mask allows."""
    rng = np.random.default_rng(seed)

    def draw(states: States, masks: Masks) -> NDArray[np.int64]:
        drawn: NDArray[np.int64] = np.where(masks, rng.random(masks.shape), -1.0).argmax(axis=1)
        return drawn

    return draw


def table(agent: PPO, *, episodes: int, optimal: int, max_steps: int) -> list[Score]:
    """The trained doctor beside the scripted and a random one, and beside the optimum where that is known.

    Args:
        episodes: Of each kind of problems.
        optimal: Episodes of the optimum, which takes seconds for each new problem; 0: it is left out.
    """
    scores = []
    for problems in (HELD_OUT, LARGE):
        doctors: Mapping[str, Policy] = {"ppo": of_agent(agent), "scripted": by_hand, "random": at_random(0)}
        if problems == HELD_OUT and optimal:
            scores.append(examine_optimum(episodes=optimal, max_steps=max_steps))
        scores += [
            examine(policy, name, problems, episodes=episodes, max_steps=max_steps) for name, policy in doctors.items()
        ]
    return scores


def _score(
    doctor: str, problems: str, returns: NDArray[np.float64], steps: NDArray[np.float64], solved: NDArray[np.bool_]
) -> Score:
    n, done = len(returns), int(solved.sum())
    return Score(doctor, problems, n, done, share(done, n), mean(returns.tolist()), mean(steps.tolist()))
