"""A whole federated training on this machine, with the real commands as processes of their own."""

from __future__ import annotations

import json
import os
import shlex
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from env.errors import ConfigError, SimArenaError
from env.words import count
from infra.local import conclusion
from infra.local.demo_command import EPISODES_PER_ROUND
from infra.local.processes import Processes, clean_environment, command
from runner.commands.console import err, note

if TYPE_CHECKING:
    from env.problems.scenario import Scenario
    from protocol.commands.status import FederationSummary
    from protocol.report.record import Record
    from protocol.wire.bucket import Bucket

BUCKET = "sim-arena-demo"
GROUP = "demo"
LEASE_TTL_S = 6.0  # short, so that a killed worker's job is taken over while one watches
LOOK_S = 1.0
REPLACEMENTS = 20  # workers that may die before the demo gives up


@dataclass(frozen=True)
class DemoSettings:
    """What the demo is to do."""

    members: int
    workers: int
    rounds: int
    steps: int
    seed: int
    learner: str | None
    traces: tuple[str, ...]
    deploy: str | None
    target: int | None
    folder: Path

    @property
    def per_round(self) -> int:
        """Episodes of a member in a round, or epochs of a learner."""
        return 1 if self.learner else EPISODES_PER_ROUND

    @property
    def of_agents(self) -> dict[str, int | str | None]:
        """Options that a learner has not."""
        return {"--steps": self.steps, "--deploy": self.deploy, "--target": self.target}

    @property
    def command(self) -> str:
        """What makes the same federation again."""
        options = {"--members": self.members, "--rounds": self.rounds, "--seed": self.seed}
        own = {"--learner": self.learner} if self.learner else self.of_agents
        traces = [part for source in self.traces for part in ("--trace", source)]
        return shlex.join(["sim-arena", "demo", *_flags({**options, **own}), *traces])


def _flags(options: Mapping[str, object]) -> list[str]:
    """Options as arguments, but for those that are None."""
    return [part for name, value in options.items() if value is not None for part in (name, str(value))]


class Demo:
    """One demo: processes, and the folder in which all they leave behind is kept."""

    def __init__(self, settings: DemoSettings, *, quiet: bool) -> None:
        self.settings = settings
        self.quiet = quiet
        logs = settings.folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self.processes = Processes(logs, {})
        self._replaced = 0

    def run(self) -> dict[str, Any]:
        """Everything from the S3 endpoint to the evaluation; the results.

        Raises:
            SimArenaError: the federation failed, or its processes kept dying.
        """
        started = time.monotonic()
        try:
            self._start_s3()
            self._submit()
            self.processes.start("sync-server", command("sync-server", "--bucket", BUCKET, "--exit-when-idle"))
            for number in range(1, self.settings.workers + 1):
                self._start_worker(number)
            bucket = self._bucket()
            self._watch(bucket)
            trained = time.monotonic() - started
            self._download()
            record = self._record(bucket)
        finally:
            self.processes.stop_all()
        return self._conclude(trained, record)

    # -- processes -------------------------------------------------------------------------------------

    def _start_s3(self) -> None:
        requests = self.settings.folder / "requests.jsonl"
        environment = self.processes.start_s3(BUCKET, "--log", str(requests))
        self.processes.environment = {**environment, "SIM_ARENA_LEASE_TTL": str(LEASE_TTL_S)}
        exports = "".join(f"export {name}={value}\n" for name, value in self.processes.environment.items())
        (self.settings.folder / "env.sh").write_text(exports, encoding="utf-8")
        self._say(f"embedded S3 at {environment['AWS_ENDPOINT_URL']}; to join in from another shell:")
        self._say(f"  . {shlex.quote(str(self.settings.folder / 'env.sh'))}; worker")

    def _submit(self) -> None:
        settings = self.settings
        units = settings.rounds * settings.per_round
        of_agents = {"--episodes": units, **settings.of_agents}
        options = {
            "--bucket": BUCKET,
            "--group": GROUP,
            "--federation-size": settings.members,
            "--episodes-per-round": settings.per_round,
            "--seed": settings.seed,
            **({"--learner": settings.learner, "--epochs": units} if settings.learner else of_agents),
        }
        traces = [part for source in settings.traces for part in ("--trace", source)]
        self.processes.run(command("dispatch", "submit", *_flags(options), *traces))
        unit = "epoch" if settings.learner else "episode"
        rounds = f"{count(settings.rounds, 'round')} of {count(settings.per_round, unit)}"
        self._say(f"federation {GROUP!r}: {count(settings.members, 'member')}, {rounds}, seed {settings.seed}")

    def _start_worker(self, number: int) -> None:
        child = self.processes.start(f"worker-{number}", command("worker", "--bucket", BUCKET))
        self._say(f"worker-{number}: process {child.pid}")

    def _replace_the_dead(self) -> None:
        for name, code in self.processes.ended():
            if name == "sync-server" and code == 0:
                continue
            how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            if name == "s3" or self._replaced >= REPLACEMENTS:
                raise SimArenaError(f"{name} ended ({how}):\n{self.processes.log_tail(name)}")
            self._replaced += 1
            self._say(f"{name} ended ({how}); starting another, the lease frees its job within {LEASE_TTL_S:.0f} s")
            if name == "sync-server":
                self.processes.start(name, command("sync-server", "--bucket", BUCKET, "--exit-when-idle"))
            else:
                self._start_worker(int(name.removeprefix("worker-")))

    # -- watching --------------------------------------------------------------------------------------

    def _watch(self, bucket: Bucket) -> None:
        with _live(self.quiet) as show:
            now = self._status(bucket, 0)
            told = 0
            while now.outcome is None:
                if show:
                    show(now)
                else:
                    told = self._tell(now, told)
                self._replace_the_dead()
                time.sleep(LOOK_S)
                now = self._status(bucket, now.closed)
            self._tell(now, told)
        if now.outcome != "finished":
            raise SimArenaError(f"the federation failed: {now.reason}")
        # The last members may still be writing their results.
        while any(member.state in ("running", "free", "pending") for member in now.members):
            self._replace_the_dead()
            time.sleep(LOOK_S)
            now = self._status(bucket, now.closed)

    def _bucket(self) -> Bucket:
        from protocol.commands.buckets import open_bucket

        environment = clean_environment(self.processes.environment)
        os.environ.clear()
        os.environ.update(environment)
        return open_bucket(BUCKET, "demo")

    def _status(self, bucket: Bucket, closed: int) -> FederationSummary:
        from protocol.commands.status import federation_summary

        return federation_summary(bucket, GROUP, LEASE_TTL_S, recent=5, closed_before=closed)

    def _tell(self, status: FederationSummary, told: int) -> int:
        for row in status.recent:
            if row.round > told:
                reward = "" if row.reward is None else f", mean reward {row.reward:+.2f}"
                solved = "" if row.solved is None else f", {row.solved}/{row.episodes} episodes solved"
                self._say(
                    f"round {row.round}/{status.rounds} closed: {count(row.participants, 'member')}{solved}{reward}"
                )
        return max(told, status.closed)

    def _say(self, line: str) -> None:
        if not self.quiet:
            note(line)

    # -- results ---------------------------------------------------------------------------------------

    def _download(self) -> None:
        self.processes.run(
            command("dispatch", "download", GROUP, "--bucket", BUCKET, "--to", str(self.settings.folder / "group"))
        )

    def _record(self, bucket: Bucket) -> Record:
        from protocol.commands.status import require_federation
        from protocol.report.reader import GroupReader

        return GroupReader(bucket, require_federation(bucket, GROUP), LEASE_TTL_S).read()

    def _report(self, record: Record, played: conclusion.Played) -> Path | None:
        """The federation's page; None without the chart library, which `sim-arena` alone does not bring."""
        path = self.settings.folder / "report.html"
        try:
            conclusion.write_report(path, record, f"s3://{BUCKET}", LEASE_TTL_S, played, self.settings.command)
        except ConfigError as error:
            self._say(f"no report: {error}")
            return None
        return path

    def _conclude(self, trained_s: float, record: Record) -> dict[str, Any]:
        from runner.training.curves import federation_curve

        settings, folder = self.settings, self.settings.folder
        weights = folder / "group" / "global_weights.pt"
        rounds = conclusion.read_lines(folder / "group" / "rounds.jsonl")
        curve = folder / "learning_curve.png"
        title = f"Federation of {settings.members}, seed {settings.seed}"
        played: conclusion.Played = {}
        scored: dict[str, Any] = {}
        if settings.learner is None:
            self._say("evaluating …")
            played = conclusion.compare(weights, settings.seed, settings.steps, conclusion.unseen())
            given = conclusion.compare(weights, settings.seed, settings.steps, self._given())
            trained, *others = rows = conclusion.totals(played)
            scored = {"evaluation": rows, "evaluation_on_its_traces": conclusion.totals(given)}
            federation_curve(rounds, curve, title=title, model=trained, baselines=others)
        else:
            federation_curve(rounds, curve, title=title)
        report = self._report(record, played)
        return {
            "weights_sha256": json.loads((folder / "group" / "outcome.json").read_text())["weights_sha256"],
            "rounds_closed": len(rounds),
            "members": settings.members,
            "workers": settings.workers,
            "seed": settings.seed,
            "training_s": round(trained_s, 1),
            "reward_per_round": [row["reward"] for row in rounds],
            **scored,
            "requests": conclusion.count_requests(folder / "requests.jsonl", settings.members, settings.rounds),
            "weights": str(weights),
            "learning_curve": str(curve),
            "report": None if report is None else str(report),
            "logs": str(folder / "logs"),
        }

    def _given(self) -> list[Scenario]:
        """The scenarios of `--trace`; none where every episode generated a fresh one."""
        from env.problems.scenario import scenario_from_trace
        from env.trace.document import load_trace, trace_files

        settings = self.settings
        paths = [path for source in settings.traces for path in trace_files(source)]
        return [
            scenario_from_trace(load_trace(p), name=p.name, deploy=settings.deploy, target=settings.target)
            for p in paths
        ]


@contextmanager
def _live(quiet: bool) -> Iterator[Any]:
    """A function that shows a status in place; None where stderr is no terminal."""
    from rich.live import Live

    from protocol.commands.tables import group_table

    if quiet or not err.is_terminal:
        yield None
        return
    with Live(console=err, auto_refresh=False) as live:
        yield lambda status: live.update(group_table(status), refresh=True)
