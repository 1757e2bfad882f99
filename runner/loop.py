"""The loop of `sim-arena train`: episodes, checkpoints, logs and curves in a run folder."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agents.agent import Agent
from agents.files import write_atomic
from env.errors import SimArenaError
from runner.run_folder import RunFolder
from runner.training import Summary, Training

log = logging.getLogger("runner.loop")
LAST = 50  # episodes that "last" in a summary means


def train(
    training: Training,
    run: RunFolder,
    *,
    checkpoint_every: int,
    should_stop: Callable[[], bool] = lambda: False,
    on_episode: Callable[[Summary], None] = lambda summary: None,
) -> dict[str, Any]:
    """Run the episodes that are left, and leave everything in the run folder; the summary of the run.

    After each episode `checkpoint_latest.pt` is replaced, so a kill costs the episode it hits and no more.

    Raises:
        Stopped: `should_stop` turned true; `checkpoint_latest.pt` is the state to go on from.
        ClusterError: the cluster could not be observed; likewise.
    """
    run.drop_steps_after(training.done)
    write_atomic(run.latest, training.state())
    with _logging_to(run.path / "train.log"), _tensorboard(run.path / "tensorboard", training.done) as add_scalars:
        log.info("episodes %d to %d in %s", training.done + 1, training.config.episodes, run.path)
        for episode in range(training.done + 1, training.config.episodes + 1):
            _run_episode(training, run, episode, should_stop)
            training.forget_records()  # they are in step.jsonl
            _keep(training, run, checkpoint_every)
            log.info("%s", _line(training.history[-1]))
            add_scalars(training.history[-1])
            on_episode(training.history[-1])
        return _finish(training, run)


def summarise(history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Totals of a training, and means over its last `LAST` episodes; None where there are none."""
    last = history[-LAST:]
    return {
        "episodes": len(history),
        "env_steps": sum(summary["steps"] for summary in history),
        "solved": sum(summary["solved"] for summary in history),
        "last_episodes": len(last),
        "last_solved_rate": _mean([float(summary["solved"]) for summary in last]),
        "last_mean_steps": _mean([float(summary["steps"]) for summary in last]),
        "last_mean_return": _mean([summary["reward"] for summary in last]),
    }


def log_lines(history: Sequence[Mapping[str, Any]]) -> str:
    """One line per episode, for people."""
    return "".join(_line(summary) + "\n" for summary in history)


def _run_episode(training: Training, run: RunFolder, episode: int, should_stop: Callable[[], bool]) -> None:
    try:
        training.run_episode(episode, should_stop, run.add_step)
    except SimArenaError as error:
        log.error("episode %d: %s", episode, error)
        raise


def _keep(training: Training, run: RunFolder, checkpoint_every: int) -> None:
    state = training.state()
    write_atomic(run.latest, state)
    if training.done % checkpoint_every == 0:
        write_atomic(run.path / f"checkpoint_ep{training.done}.pt", state)


def _finish(training: Training, run: RunFolder) -> dict[str, Any]:
    """Write the agent, the curves and the summary."""
    from runner.plots import learning_curve

    final = run.path / f"checkpoint_final{_suffix(training.agent)}"
    training.agent.save(final)
    learning_curve(training.history, run.path / "learning_curve.png", title=training.config.agent)
    summary = {
        "agent": training.config.agent,
        "seed": training.config.seed,
        **summarise(training.history),
        "state_sha256": hashlib.sha256(training.state()).hexdigest(),
        "weights_sha256": hashlib.sha256(training.weights()).hexdigest() if training.config.agent == "dqn" else None,
        "checkpoint": str(final),
    }
    run.write_json("summary.json", summary)
    log.info("finished: %d of %d episodes solved", summary["solved"], summary["episodes"])
    return summary


def _suffix(agent: Agent) -> str:
    return ".pt" if agent.name == "dqn" else ".json"


def _line(summary: Mapping[str, Any]) -> str:
    numbers = {"loss": summary["loss"], "q": summary["q_mean"], "epsilon": summary["epsilon"]}
    known = "".join(f" {name} {value:.3f}" for name, value in numbers.items() if value is not None)
    end = f"{'solved' if summary['solved'] else 'not solved'} in {summary['steps']}"
    return f"episode {summary['episode']} {summary['scenario']}: {end}, return {summary['reward']:.2f}{known}"


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Everything that is logged goes to `path` too."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = log.level
    root.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        log.setLevel(level)
        handler.close()


@contextmanager
def _tensorboard(folder: Path, done: int) -> Iterator[Callable[[Summary], None]]:
    """Scalars of each episode for TensorBoard, where that is installed."""
    if find_spec("tensorboard") is None:
        yield lambda summary: None
        return
    from torch.utils.tensorboard import SummaryWriter

    names = ("reward", "steps", "solved", "loss", "q_mean", "epsilon")

    def add(summary: Summary) -> None:
        for name in names:
            if summary[name] is not None:
                writer.add_scalar(f"episode/{name}", float(summary[name]), summary["episode"])

    with SummaryWriter(str(folder), purge_step=done + 1) as writer:
        yield add
