"""`rl train --trainer pufferlib`: PufferLib's trainer, in a process of its own environment's Python.

It gets one JSON object on stdin, answers with a line of JSON an epoch, and leaves the networks as safetensors. Nothing
of what it says is trusted: lines are bounded, and the weights must fit the networks that were asked for.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from math import isfinite
from pathlib import Path
from typing import IO, Any, cast

from agents.ppo.agent import PPO
from agents.saved.formats import read_state
from agents.spaces import doctor as doctor_spaces
from env.errors import ConfigError, SimArenaError
from env.interrupt import Stopped
from env.printable import one_line
from runner.rl.config import PufferConfig, environment_folder
from runner.rl.install import clean_environment, environment_python, examine, is_ours
from runner.rl.train import DoctorTraining
from runner.training.json_lines import JsonLines
from runner.training.tensorboard import tensorboard

METRICS, WEIGHTS = "metrics.jsonl", "weights.safetensors"
_PROGRAM = ("-I", "-m", "runner.rl.puffer_trainer")
_LONGEST_LINE = 1 << 16
_LOOK_S = 0.2
_END_S = 10.0


def trainer_python(config: PufferConfig) -> Path:
    """The Python that PufferLib's trainer works in.

    Raises:
        ConfigError: There is none; it says what is missing and what to do.
    """
    folder, what = environment_folder(config), "--trainer pufferlib"
    if not is_ours(folder):
        raise ConfigError(f"{what}: there is no {folder}; run: sim-arena rl setup --cuda")
    try:
        missing = examine(environment_python(folder))["trainer"]
    except SimArenaError as error:
        missing = str(error)
    if missing:
        raise ConfigError(
            f"{what}: does not work in {folder} ({missing}); run: sim-arena rl setup --cuda --force, or leave "
            "--trainer out"
        )
    return environment_python(folder)


def train(
    plan: DoctorTraining,
    folder: Path,
    *,
    python: Path,
    should_stop: Callable[[], bool] = lambda: False,
    on_epoch: Callable[[int, Mapping[str, float]], None] = lambda epoch, metrics: None,
) -> PPO:
    """Train with PufferLib's trainer; one that was stopped begins anew.

    Args:
        plan: Settings that PufferLib does not have, such as those of schedules, are left out.
        folder: It exists and has no training. Metrics and weights end up in it.
        python: That of PufferLib's environment, see `trainer_python`.

    Raises:
        ConfigError: The folder has a training.
        SimArenaError: The trainer failed.
        Stopped: `should_stop` turned true.
    """
    if (folder / METRICS).exists():
        raise ConfigError(f"{folder}: has a training, and PufferLib's cannot be gone on with; name another folder")
    request = {"epochs": plan.epochs, **plan.identity(), "weights": str((folder / WEIGHTS).resolve())}
    with ExitStack() as stack:
        metrics = stack.enter_context(JsonLines(folder / METRICS, 0))
        add_scalars = stack.enter_context(tensorboard(folder / "tensorboard", 0))
        for epoch, line in enumerate(conversation([str(python), *_PROGRAM], request, should_stop), start=1):
            measured = _measured(line)
            metrics.add({"episode": epoch, **measured})
            metrics.flush()
            add_scalars("doctor", measured, epoch)
            on_epoch(epoch, measured)
    agent = PPO(seed=plan.seed, settings=plan.settings, spaces=doctor_spaces())
    agent.load_weights(read_state(folder / WEIGHTS))
    return agent


def conversation(
    command: Sequence[str], request: Mapping[str, Any], should_stop: Callable[[], bool]
) -> Iterator[Mapping[str, Any]]:
    """Run a program that gets one JSON object, and yield the objects it answers with, a line each.

    Raises:
        SimArenaError: It cannot be run, says something else, or fails.
        Stopped: `should_stop` turned true; the program is ended.
    """
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as errors:
        asked.write(json.dumps(request).encode())
        asked.seek(0)
        try:
            process = subprocess.Popen(  # noqa: S603  (a list of arguments, and no shell)
                command,
                stdin=asked,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=clean_environment(),
                start_new_session=True,  # Ctrl-C is for us
            )
        except OSError as error:
            raise SimArenaError(f"{command[0]}: cannot be run ({error.strerror})") from error
        with cast(IO[bytes], process.stdout) as stdout:
            try:
                for line in _lines(stdout, should_stop):
                    yield _object(line)
                code = process.wait()
            finally:
                _end(process)
        if code != 0:
            raise SimArenaError(f"PufferLib's trainer failed ({code}): {_last(errors)}")


def _lines(stdout: IO[bytes], should_stop: Callable[[], bool]) -> Iterator[bytes]:
    held = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while True:
            if should_stop():
                raise Stopped
            if not selector.select(_LOOK_S):
                continue
            read = os.read(stdout.fileno(), _LONGEST_LINE)
            *lines, held = (held + read).split(b"\n")
            yield from lines
            if len(held) > _LONGEST_LINE:
                raise SimArenaError(f"PufferLib's trainer: a line of more than {_LONGEST_LINE} bytes")
            if not read:
                return


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise SimArenaError(f"PufferLib's trainer: {one_line(line.decode(errors='replace'), 200)!r} is no JSON object")
    return found


def _measured(line: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of an epoch; NaN, which JSON does not have, is left out."""
    numbers = {name: float(value) for name, value in line.items() if isinstance(value, int | float)}
    return {name: value for name, value in numbers.items() if isfinite(value) and name != "epoch"}


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _last(errors: IO[bytes]) -> str:
    """The last lines of what it said."""
    errors.seek(max(0, errors.seek(0, os.SEEK_END) - 4096))
    lines = [line.strip() for line in errors.read().decode(errors="replace").splitlines() if line.strip()]
    return one_line(" | ".join(lines[-3:]), 800) or "it said nothing"
