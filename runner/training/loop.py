"""The loop of `sim-arena train`: units of a training, evaluations, checkpoints, logs and curves in a run folder."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from agents.agent import WeightedAgent
from agents.saved import checkpoint, pt_file
from agents.saved.evaluation import EvaluationRow
from agents.saved.files import write_atomic
from env.errors import SimArenaError
from env.interrupt import Stopped
from runner.episode import StepRecord
from runner.training.json_lines import JsonLines, records
from runner.training.log_file import log, logging_to
from runner.training.metrics import read_metrics
from runner.training.model_file import evaluation_rows, save_model
from runner.training.run_folder import RunFolder
from runner.training.snapshot import Actions, q_summary
from runner.training.summary import episode_means
from runner.training.tensorboard import AddScalars, tensorboard
from runner.training.trainee import Evaluator, Exam, Summary, Trainee
from runner.training.validation import StopRule, best

SAVE_EVERY_S = 10.0
REPORTS = 100
"""Lines about units in the log of a run, and points of its curves in TensorBoard, at most."""
KEPT_STATES = 3
"""How many of the states that `checkpoint_every` asks for stay: a DQN's holds its replay buffer, which is megabytes."""
_SHARE_OF_SAVING = 20
"""Saving takes at most one part in so many of the time."""


@dataclass(frozen=True)
class LoopPlan:
    """When a training is looked at; in its units, episodes or epochs.

    Attributes:
        evaluate_every: Evaluations come after every so many; 0: none at all.
        checkpoint_every: Checkpoints, of which the last `KEPT_STATES` stay, and pictures come after every so many.
        stop: When it ends early.
    """

    evaluate_every: int
    checkpoint_every: int
    stop: StopRule = field(default_factory=StopRule)

    @property
    def snapshot_every(self) -> int:
        """Units between two points of the pictures of Q-values and actions."""
        return max(1, self.checkpoint_every // 10)


def train(
    training: Trainee,
    run: RunFolder,
    plan: LoopPlan,
    evaluator: Evaluator | None = None,
    exam: Exam | None = None,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    on_unit: Callable[[Summary], None] = lambda summary: None,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Run what is left of a training, and leave everything in the run folder; the summary of the run.

    `checkpoint_latest.pt` is replaced every `SAVE_EVERY_S`, so a kill costs some seconds and the unit it hits. What
    is in the folder after a stop and a restart is, to the bit, what it would be without, but for clock times.

    Args:
        training: As new, or restored; records and metrics of later units are dropped from the folder.
        run: Where everything goes.
        plan: When to evaluate, keep and end.
        evaluator: What evaluations are made on; None: there are none.
        exam: Examines the agent in the end; its table goes into the agent's file.
        should_stop: Asked before every step.
        on_unit: Gets the summary of every unit.
        clock: Seconds, from anywhere.

    Raises:
        Stopped: `should_stop` turned true; `checkpoint_latest.pt` is the state after the last whole unit.
        ClusterError: the cluster could not be observed; `checkpoint_latest.pt` is a state to go on from.
    """
    with ExitStack() as stack:
        stack.enter_context(logging_to(run.path / "train.log"))
        loop = _Loop(training, run, plan, evaluator, exam, should_stop, clock, stack)
        log.info("%ss %d to %d in %s", training.unit, training.done + 1, training.total, run.path)
        try:
            return loop.run(on_unit)
        except Stopped:
            loop.save_if_needed()
            log.info("stopped after %s %d", training.unit, training.done)
            raise
        except SimArenaError as error:
            log.error("after %s %d: %s", training.unit, training.done, error)
            raise


class _Loop:
    """One call of `train`."""

    def __init__(
        self,
        training: Trainee,
        run: RunFolder,
        plan: LoopPlan,
        evaluator: Evaluator | None,
        exam: Exam | None,
        should_stop: Callable[[], bool],
        clock: Callable[[], float],
        stack: ExitStack,
    ) -> None:
        self._training, self._run, self._plan, self._evaluator, self._exam = training, run, plan, evaluator, exam
        self._should_stop, self._clock = should_stop, clock
        run.begin()
        self._forget_a_best_of_later()
        self._known = read_metrics(run.metrics, training.done)
        self._metrics = stack.enter_context(JsonLines(run.metrics, training.done))
        self._steps = stack.enter_context(JsonLines(run.steps, training.done, at_once=True))
        self._add_scalars: AddScalars = stack.enter_context(tensorboard(run.path / "tensorboard", training.done))
        since = self._known.snapshots[-1]["episode"] if self._known.snapshots else 0
        left = (record for record in records(run.steps) if record["episode"] > since)
        self._actions = Actions(len(training.actions), left)
        self._probes = evaluator.probes() if evaluator else np.empty((0, 0), np.float32)
        self._report_every = -(-training.total // REPORTS)
        self._end = plan.stop.reason(self._known.evaluations)
        self._saved = -1
        self._save_at = 0.0
        self._began = clock()
        self._env_steps_before = training.env_steps

    def run(self, on_unit: Callable[[Summary], None]) -> dict[str, Any]:
        training = self._training
        self._save()
        self._add_baselines()
        if training.done:
            self._look()  # what a stop has cut off after the last whole unit
        while training.done < training.total and self._end is None:
            self._run_next()
            self._look()
            self._report()
            on_unit(training.history[-1])
            if self._clock() >= self._save_at:
                self._save()
        return self._finish()

    def save_if_needed(self) -> None:
        """Save the state after the last whole unit, if it is not."""
        if self._saved != self._training.done:
            self._save()

    def _run_next(self) -> None:
        if self._should_stop():
            raise Stopped
        training = self._training
        # A unit that is cut short cannot be saved any more, so one is only where the state before it is saved.
        # Long ones find it so: there each is saved.
        saved = self._saved == training.done
        training.run_next(lambda: saved and self._should_stop(), self._add_step)
        training.forget_records()  # they are in step.jsonl
        self._metrics.add({"kind": training.unit, **training.history[-1]})

    def _add_step(self, record: StepRecord) -> None:
        self._steps.add(record)
        self._actions.add(record)

    def _look(self) -> None:
        """Do what is due after the last whole unit; what was done before is not done again."""
        done, plan = self._training.done, self._plan
        if done % plan.snapshot_every == 0 and not _has(self._known.snapshots, done):
            actions, values = self._actions.taken(), q_summary(self._training.agent, self._probes)
            if values or any(actions):
                self._add(self._known.snapshots, {"kind": "snapshot", "episode": done, "actions": actions, **values})
        if self._evaluator and done % plan.evaluate_every == 0 and not _has(self._known.evaluations, done):
            self._evaluate(self._evaluator)
        if done % plan.checkpoint_every == 0:
            write_atomic(self._run.kept_state(done), self._save())
            self._run.remove_kept_states(done - KEPT_STATES * plan.checkpoint_every)
            self._draw()

    def _evaluate(self, evaluator: Evaluator) -> None:
        """On a copy: the training's own agent and its generator are as they would be without."""
        training = self._training
        score = evaluator.score(training.copy_of_agent(), self._should_stop)
        row = {"kind": "evaluation", "episode": training.done, "env_steps": training.env_steps, **score}
        self._add(self._known.evaluations, row)
        self._add_scalars("evaluation", _numbers(score), training.done)
        log.info("evaluation after %s %d: %s", training.unit, training.done, _score_line(score))
        if best(self._known.evaluations) is row:
            self._metrics.flush()
            save_model(training.agent, self._run.checkpoint("best", training.kind), self._measured())
            log.info("the best so far")
        self._end = self._plan.stop.reason(self._known.evaluations)

    def _add_baselines(self) -> None:
        for name in self._evaluator.baselines if self._evaluator else ():
            if self._evaluator and not any(row["agent"] == name for row in self._known.baselines):
                score = self._evaluator.baseline(name, self._should_stop)
                self._add(self._known.baselines, {"kind": "baseline", "episode": 0, "agent": name, **score})
                log.info("baseline %s: %s", name, _score_line(score))

    def _add(self, rows: list[dict[str, Any]], row: dict[str, Any]) -> None:
        rows.append(row)
        self._metrics.add(row)

    def _report(self) -> None:
        done = self._training.done
        if done % self._report_every == 0:
            latest = self._training.history[-self._report_every :]
            log.info("%s", self._training.about(latest))
            self._add_scalars(self._training.unit, episode_means(latest), done)

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
        title = f"{training.kind}, seed {training.seed}"
        optimum = self._evaluator.optimal_shares() if self._evaluator else None
        try:
            from runner.training import pictures  # matplotlib, which wants a folder to write to

            pictures.draw(self._run.path, title, training, self._known, optimum)
        except Exception as error:
            log.warning("no pictures: %s: %s", type(error).__name__, error)

    def _measured(self) -> list[EvaluationRow]:
        """The last evaluation, if it is of the agent as it is now, and those who played the same problems."""
        if not _has(self._known.evaluations, self._training.done):
            return []
        return evaluation_rows([{**self._known.evaluations[-1], "agent": self._training.kind}, *self._known.baselines])

    def _finish(self) -> dict[str, Any]:
        """Write the agent, the pictures and the summary."""
        training, run = self._training, self._run
        wall_s = self._clock() - self._began
        final, best_path = run.checkpoint("final", training.kind), run.checkpoint("best", training.kind)
        state = self._save()
        self._draw()
        rows = self._exam(training.copy_of_agent(), self._should_stop) if self._exam else self._measured()
        save_model(training.agent, final, rows)
        top = best(self._known.evaluations) if self._known.evaluations else {}
        agent = training.agent
        weights = checkpoint.dumps(agent.weights()) if isinstance(agent, WeightedAgent) else None
        summary = {
            "agent": training.kind,
            "seed": training.seed,
            **training.totals(),
            "stopped_early": self._end if training.done < training.total else None,
            "best_episode": top.get("episode"),
            "best_solved_rate": top.get("solved_rate"),
            "counts_as_solved": self._evaluator.solved if self._evaluator else None,
            "best_mean_steps": top.get("mean_steps"),
            "wall_s": wall_s,
            "env_steps_per_s": (training.env_steps - self._env_steps_before) / wall_s if wall_s > 0 else None,
            "state_sha256": hashlib.sha256(state).hexdigest(),
            "weights_sha256": hashlib.sha256(weights).hexdigest() if weights is not None else None,
            "evaluation": [asdict(row) for row in rows],
            "checkpoint": str(final),
            "best_checkpoint": str(best_path) if best_path.is_file() else None,
        }
        run.end(summary)
        log.info("finished: %s", training.about(training.history) if training.history else "nothing was to be done")
        return summary

    def _forget_a_best_of_later(self) -> None:
        """An earlier state was loaded: the best agent that came after it comes again, if the run gets there."""
        rows = read_metrics(self._run.metrics).evaluations
        if rows and best(rows)["episode"] > self._training.done:
            self._run.checkpoint("best", self._training.kind).unlink(missing_ok=True)


def _has(rows: Sequence[Mapping[str, Any]], episode: int) -> bool:
    return bool(rows) and rows[-1]["episode"] == episode


def _score_line(score: Mapping[str, Any]) -> str:
    solved = f"{100 * score['solved_rate']:.1f} % of {score['n']} solved"
    return f"{solved}, {score['mean_steps']:.2f} steps, return {score['mean_return']:.2f}"


def _numbers(score: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in score.items() if isinstance(value, int | float)}
