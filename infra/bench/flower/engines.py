"""A federation of the learner `digits` by each engine: ours, Flower's deployment and Flower's simulation.

Each gives when its rounds ended and how the global model did. All start from the same weights, with the same shares
and the same seed of every epoch.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from env.errors import SimArenaError
from infra.bench.flower.environment import program
from infra.bench.flower.measure import marked, peak_of
from infra.local.processes import Processes, clean_environment, command

BUCKET, GROUP = "sim-arena-bench", "digits"
LOOK_S = 0.05
PORT = 8000  # of Flower's SuperLink, by default
STUCK_S = 180.0
"""An engine that closes no round for so long is given up."""


@dataclass(frozen=True)
class Work:
    """What every engine does."""

    members: int
    rounds: int
    seed: int


@dataclass
class Measured:
    """What an engine did.

    Attributes:
        ended: When each round ended, seconds after the first one began.
        accuracy: Of the global model after each round.
        peak_bytes: Of all its processes together.
        happened: What was done to it.
        trouble: Why it did not come to its end.
    """

    engine: str
    ended: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    processes: int = 0
    happened: str = ""
    trouble: str | None = None

    @property
    def seconds_a_round(self) -> float | None:
        """The median; the first round, which waits for processes to start, is not in it."""
        lasted = sorted(after - before for before, after in zip(self.ended, self.ended[1:], strict=False))
        return lasted[len(lasted) // 2] if lasted else None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "seconds_a_round": self.seconds_a_round}


During = Callable[[Processes, int], None]
"""Called with the processes and the rounds closed, again and again: a place to kill."""


def nothing(processes: Processes, closed: int) -> None:
    """Disturbs nothing."""


def training_s(work: Work) -> float:
    """Seconds of CPU that the training of a round takes, of one member after the other: the median of some rounds."""
    from protocol.learners.catalogue import learner_kind
    from protocol.learners.learner import Task
    from protocol.learners.named import seed_of

    members = [
        learner_kind("digits").make({}, Task(seed_of(work.seed), member, work.members, work.rounds))
        for member in range(work.members)
    ]
    took = []
    for number in range(1, 8):
        began = time.process_time()
        for member, learner in enumerate(members):
            learner.train(number, seed_of(work.seed, member, number), lambda: None)
        took.append(time.process_time() - began)
    return sorted(took)[len(took) // 2]


# -- ours --------------------------------------------------------------------------------------------


def ours(work: Work, folder: Path, barrier: str, during: During = nothing) -> Measured:
    """A bucket on this machine, and a worker for each member; with a sync-server, or with workers that close rounds."""
    found = Measured(f"sim-arena, --barrier {barrier}")
    processes, mark = _processes(folder)
    with peak_of(mark) as peak:
        try:
            added = processes.start_s3(BUCKET)
            processes.environment = {**processes.environment, **added, "SIM_ARENA_LEASE_TTL": "6"}
            options = ["--federation-size", work.members, "--epochs", work.rounds, "--episodes-per-round", 1]
            options += ["--seed", work.seed, "--group", GROUP, "--barrier", barrier, "--bucket", BUCKET]
            processes.run(command("dispatch", "submit", "--learner", "digits", *map(str, options)))
            if barrier == "sync-server":
                processes.start("sync-server", command("sync-server", "--bucket", BUCKET))
            for number in range(work.members):
                processes.start(f"worker-{number}", command("worker", "--bucket", BUCKET))
            _follow(work, processes, found, during)
        except SimArenaError as error:
            found.trouble = str(error)
        finally:
            processes.stop_all()
    found.peak_bytes, found.processes = peak.bytes, peak.processes
    return found


def _follow(work: Work, processes: Processes, found: Measured, during: During) -> None:
    from agents.saved import checkpoint
    from protocol.commands.buckets import open_bucket
    from protocol.learners.catalogue import learner_kind
    from protocol.learners.learner import Task
    from protocol.learners.named import seed_of
    from protocol.wire import keys
    from protocol.wire.bucket import WEIGHTS_BYTES

    environment = clean_environment(processes.environment)
    os.environ.clear()
    os.environ.update(environment)
    bucket = open_bucket(BUCKET, "bench")
    judge: Any = learner_kind("digits").make({}, Task(seed_of(work.seed), 0, work.members, work.rounds))
    bodies = []
    for number in range(1, work.rounds + 1):
        until = time.monotonic() + STUCK_S
        while (body := bucket.get(keys.global_weights(GROUP, number), WEIGHTS_BYTES)) is None:
            during(processes, number - 1)
            if time.monotonic() > until:
                found.trouble = f"round {number} did not close in {STUCK_S:.0f} s"
                break
            time.sleep(LOOK_S)
        if body is None:
            break
        found.ended.append(time.monotonic())
        bodies.append(body)
    for body in bodies:
        weights = checkpoint.loads(body, "weights")
        judge.load_weights({name: array.copy() for name, array in weights.items()})
        found.accuracy.append(judge.accuracy())
    found.ended = [at - found.ended[0] for at in found.ended]


# -- Flower's ----------------------------------------------------------------------------------------


def deployment(work: Work, folder: Path, flower: Path, during: During = nothing) -> Measured:
    """A SuperLink and a SuperNode for each member, on loopback, with the shortest interval that can be set."""
    return _flower(work, folder, flower, "Flower, deployment", during, deployed=True)


def simulation(work: Work, folder: Path, flower: Path) -> Measured:
    """Flower's simulation engine, which runs clients in Ray's processes."""
    return _flower(work, folder, flower, "Flower, simulation", nothing, deployed=False)


def _flower(work: Work, folder: Path, flower: Path, name: str, during: During, *, deployed: bool) -> Measured:
    found, (processes, mark) = Measured(name), _processes(folder)
    log = folder / "rounds.jsonl"
    app = _app(folder, log, work)
    processes.environment = {
        **processes.environment,
        "FLWR_HOME": str(folder / "home"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.01",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_raylet_start_wait_time_s": "300",
        "PATH": f"{flower / 'bin'}:{os.environ['PATH']}",
    }
    _check_port()
    with peak_of(mark) as peak:
        try:
            start_superlink(processes, flower, folder, simulated=not deployed)
            for number in range(work.members if deployed else 0):
                start_supernode(processes, flower, number, work.members)
            config = [] if deployed else ["--federation-config", f"num-supernodes={work.members}"]
            _submit(processes, [program(flower, "flwr"), "run", str(app), "bench", *config], folder)
            _read(work, processes, found, log, during)
        except SimArenaError as error:
            found.trouble = str(error)
        finally:
            processes.stop_all()
            for pid in marked(mark):  # Flower leaves processes whose parents were killed
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    found.peak_bytes, found.processes = peak.bytes, peak.processes
    return found


def _check_port() -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            raise SimArenaError(f"port {PORT}: another program listens there, where Flower's SuperLink would; end it")


def start_superlink(processes: Processes, flower: Path, folder: Path, *, simulated: bool = False) -> None:
    """Start the server; what it keeps is in a database, so that another one finds it."""
    kept = [] if simulated else ["--database", str(folder / "superlink.db")]
    options = ["--insecure", *(["--simulation"] if simulated else []), *kept]
    processes.start("superlink", [program(flower, "flower-superlink"), *options])


def start_supernode(processes: Processes, flower: Path, number: int, members: int) -> None:
    """Start a client."""
    config = f"partition-id={number} num-partitions={members}"
    options = ["--insecure", "--superlink", f"127.0.0.1:{PORT}", "--port", str(9094 + number), "--node-config", config]
    processes.start(f"supernode-{number}", [program(flower, "flower-supernode"), *options])


def _submit(processes: Processes, run: list[str], folder: Path) -> None:
    home = folder / "home"
    home.mkdir(exist_ok=True)
    bench = f'[superlink.bench]\naddress = "127.0.0.1:{PORT}"\ninsecure = true\n'
    config = f'[superlink]\ndefault = "bench"\n\n{bench}'
    (home / "config.toml").write_text(config, encoding="utf-8")
    until = time.monotonic() + 300
    while True:
        try:
            processes.run(run)
            return
        except SimArenaError:
            if time.monotonic() > until:
                raise
            time.sleep(1.0)


def _read(work: Work, processes: Processes, found: Measured, log: Path, during: During) -> None:
    rows: list[Mapping[str, Any]] = []
    until = time.monotonic() + STUCK_S
    while len(rows) <= work.rounds:  # the first line is of the weights before any round
        text = log.read_text(encoding="utf-8") if log.exists() else ""
        before = len(rows)
        rows = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        if len(rows) > before:
            until = time.monotonic() + STUCK_S
        during(processes, len(rows) - 1)
        if time.monotonic() > until:
            found.trouble = f"round {max(1, len(rows))} did not close in {STUCK_S:.0f} s"
            break
        time.sleep(LOOK_S)
    rounds = [row for row in rows if row["round"] > 0]
    found.ended = [row["at"] - rounds[0]["at"] for row in rounds]
    found.accuracy = [row["accuracy"] for row in rounds]


def _app(folder: Path, log: Path, work: Work) -> Path:
    """The Flower app in a folder of its own, as `flwr run` takes it."""
    app = folder / "app"
    shutil.copytree(Path(__file__).parent / "digits_app", app / "digits_app")
    config = {**asdict(work), "log": str(log)}
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in config.items())
    text = f"""[project]
name = "digits"
version = "1.0.0"
license = "Apache-2.0"
dependencies = ["flwr>=1.42"]

[tool.flwr.app]
publisher = "sim-arena"

[tool.flwr.app.components]
serverapp = "digits_app.server:app"
clientapp = "digits_app.client:app"

[tool.flwr.app.config]
{lines}"""
    tomllib.loads(text)
    (app / "pyproject.toml").write_text(text, encoding="utf-8")
    return app


def _processes(folder: Path) -> tuple[Processes, str]:
    """Children whose environment has a mark, by which they and what they start are found."""
    (folder / "logs").mkdir(parents=True)
    mark = f"SIM_ARENA_BENCH={folder}"
    return Processes(folder / "logs", {"SIM_ARENA_BENCH": str(folder), "OMP_NUM_THREADS": "1"}), mark
