"""The loop of `sim-arena train`: episodes, evaluations, checkpoints, logs and curves in a run folder."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from agents.kinds import agent_kind, make_agent
from agents.saved import pt_file
from agents.saved.files import write_atomic
from env.errors import SimArenaError
from env.interrupt import Stopped
from env.printable import LineFormatter
from runner.episode import StepRecord
from runner.training.json_lines import JsonLines, records
from runner.training.metrics import read_metrics
from runner.training.run_folder import RunFolder
from runner.training.snapshot import Actions, q_summary
from runner.training.summary import about, episode_means, summarise
from runner.training.tensorboard import AddScalars, tensorboard
from runner.training.training import MAX_EPISODES, Summary, Training
from runner.training.validation import BASELINES, StopRule, Validation, best

log = logging.getLogger("runner.training.loop")
SAVE_EVERY_S = 10.0
REPORTS = 100
"""Lines about episodes in the log of a run, and points of its curves in TensorBoard, at most."""
_SHARE_OF_SAVING = 20
"""Saving takes at most one part in so many of the time."""


@dataclass(frozen=True)
class LoopPlan:
    """When a training is looked at; in episodes.

    Attributes:
        evaluate_every: Evaluations come after every so many; 0: none at all.
        checkpoint_every: Checkpoints that are kept, and pictures, come after every so many.
        stop: When it ends early.
    """

    evaluate_every: int
    checkpoint_every: int
    stop: StopRule = field(default_factory=StopRule)

    @property
    def snapshot_every(self) -> int:
        """Episodes between two points of the pictures of Q-values and actions."""
        return max(1, self.checkpoint_every // 10)


def train(
    training: Training,
    run: RunFolder,
    plan: LoopPlan,
    validation: Validation | None = None,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    on_episode: Callable[[Summary], None] = lambda summary: None,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Run the episodes that are left, and leave everything in the run folder; the summary of the run.

    `checkpoint_latest.pt` is replaced every `SAVE_EVERY_S`, so a kill costs some seconds and the episode it hits. What
    is in the folder after a stop and a restart is, to the bit, what it would be without, but for clock times.

    Args:
        training: As new, or restored; records and metrics of later episodes are dropped from the folder.
        run: Where everything goes.
        plan: When to evaluate, keep and end.
        validation: What evaluations are made on; None: there are none.
        should_stop: Asked before every step.
        on_episode: Gets the summary of every episode.
        clock: Seconds, from anywhere.

    Raises:
        Stopped: `should_stop` turned true; `checkpoint_latest.pt` is the state after the last whole episode.
        ClusterError: the cluster could not be observed; `checkpoint_latest.pt` is a state to go on from.
    """
    with ExitStack() as stack:
        stack.enter_context(_logging_to(run.path / "train.log"))
        loop = _Loop(training, run, plan, validation, should_stop, clock, stack)
        log.info("episodes %d to %d in %s", training.done + 1, training.config.episodes, run.path)
        try:
            return loop.run(on_episode)
        except Stopped:
            loop.save_if_needed()
            log.info("stopped after episode %d", training.done)
            raise
        except SimArenaError as error:
            log.error("after episode %d: %s", training.done, error)
            raise


class _Loop:
    """One call of `train`."""

    def __init__(
        self,
        training: Training,
        run: RunFolder,
        plan: LoopPlan,
        validation: Validation | None,
        should_stop: Callable[[], bool],
        clock: Callable[[], float],
        stack: ExitStack,
    ) -> None:
        self._training, self._run, self._plan, self._validation = training, run, plan, validation
        self._should_stop, self._clock = should_stop, clock
        self._forget_a_best_of_later()
        self._known = read_metrics(run.metrics, training.done)
        self._metrics = stack.enter_context(JsonLines(run.metrics, training.done))
        self._steps = stack.enter_context(JsonLines(run.steps, training.done, at_once=True))
        self._add_scalars: AddScalars = stack.enter_context(tensorboard(run.path / "tensorboard", training.done))
        since = self._known.snapshots[-1]["episode"] if self._known.snapshots else 0
        self._actions = Actions(record for record in records(run.steps) if record["episode"] > since)
        self._probes = validation.probes() if validation else np.empty((0, 0), np.float32)
        self._report_every = -(-training.config.episodes // REPORTS)
        self._end = plan.stop.reason(self._known.evaluations)
        self._saved = -1
        self._save_at = 0.0
        self._began = clock()
        self._env_steps_before = training.env_steps

    def run(self, on_episode: Callable[[Summary], None]) -> dict[str, Any]:
        training = self._training
        self._save()
        self._add_baselines()
        if training.done:
            self._look()  # what a stop has cut off after the last whole episode
        while training.done < training.config.episodes and self._end is None:
            self._run_episode()
            self._look()
            self._report()
            on_episode(training.history[-1])
            if self._clock() >= self._save_at:
                self._save()
        return self._finish()

    def save_if_needed(self) -> None:
        """Save the state after the last whole episode, if it is not."""
        if self._saved != self._training.done:
            self._save()

    def _run_episode(self) -> None:
        if self._should_stop():
            raise Stopped
        training = self._training
        # An episode that is cut short cannot be saved any more, so one is only where the state before it is saved.
        # Long episodes find it so: there each is saved.
        saved = self._saved == training.done
        training.run_episode(training.done + 1, lambda: saved and self._should_stop(), self._add_step)
        training.forget_records()  # they are in step.jsonl
        self._metrics.add({"kind": "episode", **training.history[-1]})

    def _add_step(self, record: StepRecord) -> None:
        self._steps.add(record)
        self._actions.add(record)

    def _look(self) -> None:
        """Do what is due after the last whole episode; what was done before is not done again."""
        done, plan = self._training.done, self._plan
        if done % plan.snapshot_every == 0 and not _has(self._known.snapshots, done):
            actions, values = self._actions.taken(), q_summary(self._training.agent, self._probes)
            self._add(self._known.snapshots, {"kind": "snapshot", "episode": done, "actions": actions, **values})
        if self._validation and done % plan.evaluate_every == 0 and not _has(self._known.evaluations, done):
            self._evaluate(self._validation)
        if done % plan.checkpoint_every == 0:
            write_atomic(self._run.path / f"checkpoint_ep{done}.pt", self._save())
            self._draw()

    def _evaluate(self, validation: Validation) -> None:
        """On a copy: the training's own agent and its generator are as they would be without."""
        training = self._training
        config = training.config
        agent = make_agent(config.agent, seed=config.seed, settings=config.agent_settings)
        agent.load_state_dict(training.agent.state_dict())
        score = validation.score(agent, self._should_stop)
        row = {"kind": "evaluation", "episode": training.done, "env_steps": training.env_steps, **score}
        self._add(self._known.evaluations, row)
        self._add_scalars("evaluation", score, training.done)
        log.info("evaluation after episode %d: %s", training.done, _score_line(score))
        if best(self._known.evaluations) is row:
            self._metrics.flush()
            training.agent.save(self._run.checkpoint("best", config.agent))
            log.info("the best so far")
        self._end = self._plan.stop.reason(self._known.evaluations)

    def _add_baselines(self) -> None:
        for name in BASELINES if self._validation else ():
            if self._validation and not any(row["agent"] == name for row in self._known.baselines):
                score = self._validation.baseline(name, self._should_stop)
                self._add(self._known.baselines, {"kind": "baseline", "episode": 0, "agent": name, **score})
                log.info("baseline %s: %s", name, _score_line(score))

    def _add(self, rows: list[dict[str, Any]], row: dict[str, Any]) -> None:
        rows.append(row)
        self._metrics.add(row)

    def _report(self) -> None:
        done = self._training.done
        if done % self._report_every == 0:
            latest = self._training.history[-self._report_every :]
            log.info("%s", about(latest))
            self._add_scalars("episode", episode_means(latest), done)

    def _save(self) -> bytes:
        """Replace the latest checkpoint; its bytes. Records and metrics are on the disk before it."""
        began = self._clock()
        self._steps.flush()
        self._metrics.flush()
        state = pt_file.dumps(self._training.state_dict())
        write_atomic(self._run.latest, state)
        self._saved = self._training.done
        now = self._clock()
        self._save_at = now + max(SAVE_EVERY_S, _SHARE_OF_SAVING * (now - began))
        return state

    def _draw(self) -> None:
        """Draw the pictures; one that cannot be drawn is not worth a training."""
        training = self._training
        title = f"{training.config.agent}, seed {training.config.seed}"
        optimum = self._validation.optimal_shares() if self._validation else None
        try:
            from runner.training import pictures  # matplotlib, which wants a folder to write to

            pictures.draw(self._run.path, title, training.history, self._known, optimum)
        except Exception as error:
            log.warning("no pictures: %s: %s", type(error).__name__, error)

    def _finish(self) -> dict[str, Any]:
        """Write the agent, the pictures and the summary."""
        training, run = self._training, self._run
        config = training.config
        wall_s = self._clock() - self._began
        final, best_path = run.checkpoint("final", config.agent), run.checkpoint("best", config.agent)
        training.agent.save(final)
        state = self._save()
        self._draw()
        top = best(self._known.evaluations) if self._known.evaluations else {}
        weights = training.weights() if agent_kind(config.agent).has_weights else None
        summary = {
            "agent": config.agent,
            "seed": config.seed,
            **summarise(training.history),
            "stopped_early": self._end if training.done < config.episodes else None,
            "best_episode": top.get("episode"),
            "best_solved_rate": top.get("solved_rate"),
            "best_mean_steps": top.get("mean_steps"),
            "wall_s": wall_s,
            "env_steps_per_s": (training.env_steps - self._env_steps_before) / wall_s if wall_s > 0 else None,
            "state_sha256": hashlib.sha256(state).hexdigest(),
            "weights_sha256": hashlib.sha256(weights).hexdigest() if weights is not None else None,
            "checkpoint": str(final),
            "best_checkpoint": str(best_path) if best_path.is_file() else None,
        }
        run.write_json("summary.json", summary)
        log.info("finished: %d of %d episodes solved", summary["solved"], summary["episodes"])
        return summary

    def _forget_a_best_of_later(self) -> None:
        """An earlier state was loaded: the best agent that came after it comes again, if the run gets there."""
        rows = read_metrics(self._run.metrics, MAX_EPISODES).evaluations
        if rows and best(rows)["episode"] > self._training.done:
            self._run.checkpoint("best", self._training.config.agent).unlink(missing_ok=True)


def _has(rows: Sequence[Mapping[str, Any]], episode: int) -> bool:
    return bool(rows) and rows[-1]["episode"] == episode


def _score_line(score: Mapping[str, Any]) -> str:
    solved = f"{100 * score['solved_rate']:.1f} % of {score['n']} solved"
    return f"{solved}, {score['mean_steps']:.2f} steps, return {score['mean_return']:.2f}"


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Everything that is logged goes to `path` too."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
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
