"""A doctor's run at a real cluster, or at a simulated one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from env.doctor.actions import DoctorAction
from env.live.cluster import LiveCluster, LiveStep
from env.live.faults_seen import Finding
from env.live.reading import Seen
from runner.rl.doctors import Doctor


@dataclass(frozen=True)
class Diagnosis:
    """How a run ended.

    Attributes:
        steps: What was done, in order.
        found: What is wrong in the end, by a full look at the cluster.
        seen: What that look read.
    """

    steps: tuple[LiveStep, ...]
    found: tuple[Finding, ...]
    seen: Seen

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong, and nothing was refused to be read."""
        return not self.found and not self.seen.unread


def diagnose(cluster: LiveCluster, doctor: Doctor, steps: int, on_step: Callable[[LiveStep], None]) -> Diagnosis:
    """Let a doctor act, then look at everything once more, so that no report depends on what the doctor looked at.

    Args:
        cluster: The cluster, just opened.
        doctor: Who acts.
        steps: Actions at most.
        on_step: Gets each step as soon as it is taken.

    Raises:
        ClusterError: The cluster cannot be read any more.
    """
    taken: list[LiveStep] = []
    while not cluster.is_over and len(taken) < steps:
        action = doctor(cluster.state, cluster.mask)
        taken.append(cluster.step(DoctorAction(action)))
        on_step(taken[-1])
    if taken:
        cluster.look_at_all()
    return Diagnosis(tuple(taken), tuple(cluster.found), cluster.seen)


@dataclass(frozen=True)
class SimulatedStep:
    """One step in Doctor-v0: the action, the line that the environment renders, and how it stands."""

    action: DoctorAction
    line: str
    reward: float
    is_success: bool


def simulate(doctor: Doctor, steps: int, seed: int) -> Iterator[SimulatedStep]:
    """An episode of Doctor-v0."""
    from env.doctor.doctor_env import DoctorEnv

    env = DoctorEnv(max_steps=steps, render_mode="ansi")
    state, info = env.reset(seed=seed)
    done = False
    while not done:
        action = DoctorAction(doctor(state, info["action_mask"]))
        state, reward, terminated, truncated, info = env.step(np.int64(action))
        done = terminated or truncated
        yield SimulatedStep(action, str(env.render()), reward, bool(info["is_success"]))
