"""Train a doctor: PPO on many of Doctor-v0's clusters at a time, in epochs; each leaves a state to go on from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agents.ppo.agent import PPO
from agents.ppo.settings import PPOSettings
from agents.ppo.vector import train as train_vector
from agents.saved import pt_file
from agents.saved.fields import check_equal, count, mapping
from agents.saved.files import write_atomic
from agents.saved.formats import read_state
from agents.settings import as_mapping, parse_settings
from agents.spaces import doctor as doctor_spaces
from env.doctor.vector_env import DoctorVectorEnv
from env.errors import ConfigError
from env.interrupt import stop_if_asked, stopping_when
from runner.rl.exam import EXAM_SEED, HELD_OUT, LARGE, Score, examine, of_agent, table
from runner.training.json_lines import JsonLines
from runner.training.tensorboard import tensorboard

EPOCH_STEPS = 1 << 16
LATEST, MODEL, METRICS, EXAM = "checkpoint_latest.pt", "doctor.pt", "metrics.jsonl", "exam.json"
EXAM_EPISODES = 1000
_LOOKS = 20
"""How often a training is looked at, at most."""
_LOOK_EPISODES = 200


@dataclass(frozen=True)
class DoctorTraining:
    """What a training is; everything random follows from `seed`.

    Attributes:
        epochs: How many.
        max_steps: Steps after which an episode is truncated.
        environments: Clusters that are stepped together.
        settings: Of PPO.
        epoch_steps: Environment steps of an epoch, of all environments together.
    """

    epochs: int
    max_steps: int
    seed: int
    environments: int
    settings: PPOSettings = field(default_factory=PPOSettings)
    epoch_steps: int = EPOCH_STEPS

    def identity(self) -> dict[str, Any]:
        """What must be equal for a training to be gone on with."""
        return {**asdict(self), "settings": as_mapping(self.settings)}


def doctor_settings(epochs: int, changed: Mapping[str, Any] | None = None) -> PPOSettings:
    """Settings of PPO for this environment, chosen by hand and not tuned; step size and entropy fall to the end.

    Args:
        epochs: Of the training.
        changed: Others than these, by name.

    Raises:
        AgentError: A setting out of range.
    """
    given: dict[str, Any] = {
        "hidden": (128, 128),
        "rollout_steps": 1 << 14,
        "minibatch_size": 1 << 11,
        "learning_rate": 2e-3,
        "anneal_steps": epochs * EPOCH_STEPS,
        "gamma": 0.99,
        **(changed or {}),
    }
    return parse_settings(PPOSettings, {**given, "learning_rate_end": min(1e-4, given["learning_rate"])})


def train(
    plan: DoctorTraining,
    folder: Path,
    *,
    episodes: int = EXAM_EPISODES,
    optimal: int,
    should_stop: Callable[[], bool] = lambda: False,
    on_epoch: Callable[[int, Mapping[str, float]], None] = lambda epoch, metrics: None,
) -> list[Score]:
    """Run the epochs that are left, write the model, and examine it on problems that no training draws.

    A kill costs the epoch that it hits; what is in the folder in the end is, to the bit, what it would be without.

    Args:
        plan: If the folder has a state, it must be one of this plan.
        folder: It exists. Everything ends up in it.
        episodes: Of the exam, for each kind of problems.
        optimal: Those of the optimum; 0: it is left out.
        should_stop: Asked after every update.
        on_epoch: Gets the number of each epoch, and what it measured.

    Returns:
        The exam.

    Raises:
        ConfigError: The folder's state is of another plan.
        Stopped: `should_stop` turned true; the state after the last whole epoch is in the folder.
    """
    agent = PPO(seed=plan.seed, settings=plan.settings, spaces=doctor_spaces())
    latest = folder / LATEST
    done = _restore(agent, plan, latest) if latest.is_file() else 0
    with ExitStack() as stack:
        stack.enter_context(stopping_when(should_stop))
        metrics = stack.enter_context(JsonLines(folder / METRICS, done))
        add_scalars = stack.enter_context(tensorboard(folder / "tensorboard", done))
        for epoch in range(done + 1, plan.epochs + 1):
            measured = _epoch(agent, plan, epoch)
            metrics.add({"episode": epoch, **measured})
            add_scalars("doctor", measured, epoch)
            metrics.flush()
            write_atomic(latest, pt_file.dumps(_state(agent, plan, epoch)))
            on_epoch(epoch, measured)
        return examined(agent, plan, folder, episodes=episodes, optimal=optimal)


def examined(
    agent: PPO, plan: DoctorTraining, folder: Path, *, episodes: int, optimal: int, trainer: str = PPO.name
) -> list[Score]:
    """Write the model, examine it, and write the exam."""
    agent.save(folder / MODEL)
    scores = table(agent, episodes=episodes, optimal=optimal, max_steps=plan.max_steps)
    exam = {"training": {**plan.identity(), "trainer": trainer}, "scores": [score.document() for score in scores]}
    write_atomic(folder / EXAM, json.dumps(exam, indent=2).encode() + b"\n")
    return scores


def _epoch(agent: PPO, plan: DoctorTraining, epoch: int) -> dict[str, float]:
    """Train an epoch; the last update's metrics, and now and then what a look at validation problems shows."""
    metrics: dict[str, float] = {}

    def keep(update: Mapping[str, float]) -> None:
        metrics.update(update)
        stop_if_asked()

    envs = DoctorVectorEnv(plan.environments, max_steps=plan.max_steps)
    train_vector(agent, envs, plan.epoch_steps, seed=_seed(plan, epoch), on_update=keep)
    if epoch % max(1, plan.epochs // _LOOKS) == 0 or epoch == plan.epochs:
        for problems, name in ((HELD_OUT, "held_out"), (LARGE, "large")):
            score = examine(
                of_agent(agent),
                "ppo",
                problems,
                episodes=_LOOK_EPISODES,
                max_steps=plan.max_steps,
                seed=EXAM_SEED + EXAM_EPISODES,
            )
            if score.mean_return is not None and score.solved_rate is not None:
                metrics |= {f"{name}_return": score.mean_return.value, f"{name}_solved": score.solved_rate.value}
    return metrics


def _seed(plan: DoctorTraining, epoch: int) -> int:
    """Of an epoch's first episodes: none of another epoch, and far from those of exams."""
    return (plan.seed * 1009 + epoch) * plan.environments % EXAM_SEED


def _state(agent: PPO, plan: DoctorTraining, epoch: int) -> dict[str, Any]:
    return {"training": {"epoch": epoch, "plan": json.dumps(plan.identity())}, "agent": agent.state_dict()}


def _restore(agent: PPO, plan: DoctorTraining, path: Path) -> int:
    """Go on from a state; the number of its epoch."""
    what = str(path)
    state = read_state(path)
    training = mapping(state, "training", what)
    found = training.get("plan")
    if found != json.dumps(plan.identity()):
        raise ConfigError(f"{path}: is of another training; give it the same options, or name another folder with --to")
    check_equal(mapping(state, "agent", what), {"agent": PPO.name}, what)
    agent.load_state_dict(mapping(state, "agent", what))
    return count(training, "epoch", what)
