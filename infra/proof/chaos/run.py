"""A federation trained twice with the same seed, by the real commands as processes: undisturbed, then with faults."""

from __future__ import annotations

import os
import secrets
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from env.errors import ConfigError
from env.words import count
from infra.local.processes import Processes, clean_environment, command
from infra.proof.chaos import check
from infra.proof.chaos.journal import Journal
from infra.proof.chaos.network import Network, plain_address
from infra.proof.chaos.schedule import (
    SUBMIT,
    SYNC_SERVERS,
    PlannedSignal,
    fault_schedule,
    names,
    role_of,
    signal_schedule,
)
from infra.proof.chaos.supervisor import Slot, Supervisor
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.choices import Closers
from protocol.wire.federation_documents import OutcomeStatus

LEASE_TTL_S = 6.0  # short, so that what a dead worker leaves is soon taken over; a busy machine needs no less
TRAINING = ("--steps", "40", "--set", "hidden=[16,16]", "--set", "learning_starts=10", "--set", "batch_size=8")
EPISODES_PER_ROUND = 2
TICK_S = 0.05
LOOK_S = 0.5  # between questions to the bucket, which takes one request at a time
STALL_S = 180.0  # without a closed round or a signal: more than any fault, time-out and take-over in a row explain
CLEAR_S = 90.0  # after the end, until the last marks must have been swept away
EMBEDDED_BUCKET = "sim-arena-chaos"


@dataclass(frozen=True)
class ChaosSettings:
    """What a chaos run is to do; `bucket` None: on an embedded S3 of its own."""

    kills: int
    seed: int
    members: int
    workers: int
    rounds: int
    closers: Closers
    bucket: str | None
    folder: Path


@dataclass
class Trial:
    """One federation as it went: when it began, each round closed, and it ended; seconds of `time.monotonic`."""

    group: str
    began: float = field(default_factory=time.monotonic)
    closed: list[float] = field(default_factory=list)
    ended: float = 0.0
    supervisor: Supervisor | None = None

    @property
    def seconds(self) -> float:
        return round(self.ended - self.began, 1)

    @property
    def findings(self) -> list[str]:
        return self.supervisor.findings if self.supervisor else []


class Chaos:
    """One chaos run. `tell` is called with its progress: what, done, of how many."""

    def __init__(self, settings: ChaosSettings, tell: Callable[[str, int, int], None]) -> None:
        self.settings = settings
        self.tell = tell
        self.logs = settings.folder / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.processes = Processes(self.logs, {"SIM_ARENA_LEASE_TTL": str(LEASE_TTL_S)})
        self.bucket_name = settings.bucket or EMBEDDED_BUCKET
        self._tag = secrets.token_hex(3)

    def run(self) -> dict[str, Any]:
        """Run both federations and compare them; `findings` names everything that is not as it should be.

        Raises:
            SimArenaError: it could not even begin.
        """
        try:
            environment = _user_settings() if self.settings.bucket else self._start_s3()
            return self._run(environment)
        finally:
            self.processes.kill_all()

    def _run(self, environment: dict[str, str]) -> dict[str, Any]:
        bucket, endpoint = self._open(environment)
        with ExitStack() as stack:
            journal = Journal(self.settings.folder)
            stack.callback(journal.close)
            network = stack.enter_context(Network(endpoint, journal.exchange))
            calm, disturbed = Trial(f"calm-{self._tag}"), Trial(f"struck-{self._tag}")
            self._train(bucket, calm, [], self._supervisor(calm, environment, endpoint, journal, None), None)
            if not calm.findings:
                self._train(
                    bucket,
                    disturbed,
                    self._planned_signals(),
                    self._supervisor(disturbed, environment, endpoint, journal, network),
                    network,
                )
            return self._report(bucket, journal, calm, disturbed)

    # -- what takes part -------------------------------------------------------------------------------

    def _start_s3(self) -> dict[str, str]:
        environment = self.processes.start_s3(EMBEDDED_BUCKET)
        os.environ.update(clean_environment(environment))
        return environment

    def _open(self, environment: dict[str, str]) -> tuple[Bucket, str]:
        from protocol.wire.clock import system_clock
        from protocol.wire.store import S3Store

        store = S3Store(self.bucket_name, role="chaos")
        bucket, endpoint = Bucket(store, system_clock()), str(store.client.meta.endpoint_url)
        plain_address(endpoint)  # said before anything is asked of it
        if left := check.unfinished(bucket):
            raise ConfigError(
                f"{bucket.name}: {left[0]} is unfinished and the workers of this run would take it; use another bucket"
            )
        return bucket, endpoint

    def _supervisor(
        self,
        trial: Trial,
        environment: dict[str, str],
        endpoint: str,
        journal: Journal,
        network: Network | None,
    ) -> Supervisor:
        slots = []
        for name in [*self._victims(), SUBMIT]:
            proxy = None
            if network:
                proxy = network.proxy(name, Random(f"{self.settings.seed} faults {name}"))
                proxy.follow(fault_schedule(self.settings.seed, name, LEASE_TTL_S))
            slots.append(Slot(name, self._command(name, trial.group), proxy, daemon=name != SUBMIT))
        return Supervisor(self.processes, environment, endpoint, journal, slots)

    def _victims(self) -> list[str]:
        return names(self.settings.workers, SYNC_SERVERS if self.settings.closers is Closers.SYNC_SERVER else 0)

    def _planned_signals(self) -> list[PlannedSignal]:
        settings = self.settings
        return signal_schedule(settings.seed, settings.kills, settings.rounds, [*self._victims(), SUBMIT], LEASE_TTL_S)

    def _command(self, name: str, group: str) -> list[str]:
        bucket = ("--bucket", self.bucket_name)
        if name != SUBMIT:
            return command(role_of(name), *bucket)
        settings = self.settings
        options = {
            "--group": group,
            "--federation-size": settings.members,
            "--episodes": settings.rounds * EPISODES_PER_ROUND,
            "--episodes-per-round": EPISODES_PER_ROUND,
            "--seed": settings.seed,
            # A job may be interrupted many times before it gets any further; that is no reason to give it up.
            "--max-attempts": 1000,
        }
        given = [part for option, value in options.items() for part in (option, str(value))]
        barrier = () if settings.closers is Closers.SYNC_SERVER else ("--barrier", settings.closers.value)
        return command("dispatch", "submit", *bucket, *given, *TRAINING, *barrier)

    # -- a federation ----------------------------------------------------------------------------------

    def _train(
        self,
        bucket: Bucket,
        trial: Trial,
        planned: list[PlannedSignal],
        supervisor: Supervisor,
        network: Network | None,
    ) -> None:
        """From the first process to the last, however it ends; what went wrong is in the supervisor's findings."""
        trial.supervisor = supervisor
        due = deque(planned)
        over, look_at = False, 0.0
        while not supervisor.findings and (due or supervisor.undelivered or not over):
            supervisor.step()
            if time.monotonic() >= look_at:
                self._look(bucket, trial)
                over = self._over(bucket, trial)
                look_at = time.monotonic() + LOOK_S
            latest = trial.closed[-1] if trial.closed else trial.began
            while due and due[0].round <= len(trial.closed) and time.monotonic() - latest >= due[0].delay_s:
                supervisor.deliver([due.popleft()])
            if time.monotonic() - max([latest, *supervisor.landed]) > STALL_S:
                supervisor.findings.append(
                    f"{trial.group}: stood still for {STALL_S:.0f} s after round {len(trial.closed)}"
                )
            time.sleep(TICK_S)
        trial.ended = time.monotonic()
        self._clear_up(bucket, supervisor, network)

    def _look(self, bucket: Bucket, trial: Trial) -> None:
        what = "undisturbed" if trial.group.startswith("calm") else "under fire"
        while len(trial.closed) < self.settings.rounds and bucket.exists(
            keys.global_weights(trial.group, len(trial.closed) + 1)
        ):
            trial.closed.append(time.monotonic())
            self.tell(what, len(trial.closed), self.settings.rounds)

    def _over(self, bucket: Bucket, trial: Trial) -> bool:
        """Whether the federation has failed, or has all that it should end with."""
        assert trial.supervisor is not None  # noqa: S101 (it is being trained)
        outcome = check.outcome_of(bucket, trial.group)
        if outcome is None or outcome.status is OutcomeStatus.FAILED:
            return outcome is not None
        return trial.supervisor.submitted and all(check.results_of(bucket, trial.group, self.settings.members))

    def _clear_up(self, bucket: Bucket, supervisor: Supervisor, network: Network | None) -> None:
        """Let the network be calm, the last requests arrive and the marks be swept; then dismiss the processes."""
        if network and not network.drain(10 * LEASE_TTL_S):
            supervisor.findings.append("requests are still under way")
        ends = time.monotonic() + CLEAR_S
        while not supervisor.findings and check.unfinished(bucket) and time.monotonic() < ends:
            supervisor.step()
            time.sleep(0.5)
        supervisor.dismiss()

    # -- what came of it -------------------------------------------------------------------------------

    def _report(self, bucket: Bucket, journal: Journal, calm: Trial, disturbed: Trial) -> dict[str, Any]:
        settings, supervisor = self.settings, disturbed.supervisor
        pair = check.Pair(bucket, calm.group, disturbed.group, settings.members, settings.rounds)
        findings = [*calm.findings, *disturbed.findings, *journal.violations]
        # Where it was broken off everything is different; the reason is enough.
        findings += [] if findings else check.findings(pair)
        outcomes = [check.outcome_of(bucket, trial.group) for trial in (disturbed, calm)]
        results = check.results_of(bucket, disturbed.group, settings.members)
        recovery = recovery_s(supervisor.landed, disturbed.closed) if supervisor else []
        landed = sum(journal.signals.values())
        if landed < settings.kills and not findings:
            findings.append(f"{landed} of {count(settings.kills, 'signal')} delivered")
        return {
            "weights_sha256": outcomes[0].weights_sha256 if outcomes[0] else None,
            "undisturbed_sha256": outcomes[1].weights_sha256 if outcomes[1] else None,
            "findings": findings,
            "seed": settings.seed,
            "members": settings.members,
            "workers": settings.workers,
            "rounds": settings.rounds,
            "closed_by": settings.closers.value,
            "signals": _nested(journal.signals),
            "network_faults": dict(sorted(journal.faults.items())),
            "requests": dict(sorted(journal.requests.items())),
            "attempts_taken_over": sum(result.attempt - 1 for result in results if result),
            "processes_replaced": supervisor.restarts if supervisor else 0,
            "false_starts": supervisor.false_starts if supervisor else 0,
            "recovery_s": {
                "median": round(median(recovery), 2) if recovery else None,
                "worst": round(max(recovery), 2) if recovery else None,
            },
            "undisturbed_s": calm.seconds,
            "under_fire_s": disturbed.seconds,
            "logs": str(settings.folder),
        }


def recovery_s(landed: list[float], closed: list[float]) -> list[float]:
    """For each signal, the time until a round closed; those after the last round say nothing."""
    return [min(later) - at for at in landed if (later := [moment for moment in closed if moment > at])]


def _user_settings() -> dict[str, str]:
    """boto3's settings of this process, for the children."""
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


def _nested(signals: dict[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for (name, role), signals_sent in sorted(signals.items()):
        table.setdefault(name, {})[role] = signals_sent
    return table
