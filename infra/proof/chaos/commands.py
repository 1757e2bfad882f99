"""`sim-arena chaos`: kill the real processes and break their network; the weights must be the same."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.local.processes import new_folder
from protocol.wire.choices import Closers
from runner.commands.console import Exit, err, next_steps, note, out, print_json, progress_bars
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from runner.commands.fitted import FittedTable


@flattened
def chaos(
    output: OutputChoice,
    kills: Annotated[
        int, typer.Option(metavar="N", min=0, help="Signals to deliver: SIGKILL, SIGSTOP and SIGTERM.")
    ] = 100,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="Of the training, the signals and the network's faults.")
    ] = 0,
    members: Annotated[int, typer.Option(metavar="N", min=1, help="Members of the federation.")] = 2,
    workers: Annotated[int, typer.Option(metavar="N", min=1, help="Worker processes.")] = 2,
    rounds: Annotated[int, typer.Option(metavar="N", min=1, help="Rounds over which the signals are spread.")] = 40,
    barrier: Annotated[
        Closers, typer.Option(metavar="NAME", help="Who closes the rounds: sync-server, two of them; or workers.")
    ] = Closers.SYNC_SERVER,
    bucket: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Run on this bucket of boto3's own endpoint (plain http://). Default: an embedded S3."
        ),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for logs and journals. Default: a new one below /tmp.")
    ] = None,
) -> None:
    """Kill real processes; the weights must be the same.

    A federation is trained twice, undisturbed and with faults, and every bit is compared. Faults: dispatch, workers
    and sync-servers are killed, frozen past their lease and woken, and told to stop; each sees the bucket through a
    network of its own that is cut, slow, loses answers and delivers requests late or twice. Exit code 1: something
    differs, got lost or was done twice, or a process ended without cause.
    """
    from infra.proof.chaos.run import Chaos, ChaosSettings

    folder = new_folder(to, "sim-arena-chaos-")
    settings = ChaosSettings(kills, seed, members, workers, rounds, barrier, bucket, folder)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGTERM ends the child processes too
    try:
        with _progress(quiet=output.as_json) as tell:
            report = Chaos(settings, tell).run()
    except KeyboardInterrupt:
        note(f"interrupted; logs are in {folder}")
        raise typer.Exit(int(Exit.INTERRUPTED)) from None
    print_json(report) if output.as_json else show(report)
    if report["findings"]:
        for line in report["findings"]:
            note(f"error: {line}")
        note(f"journal and logs: {report['logs']}; again: --seed {seed}")
        raise typer.Exit(int(Exit.FAILED))
    if not output.as_json:
        next_steps(
            f"sim-arena chaos --seed {seed + 1} --barrier workers   # other faults, and no sync-server",
            "sim-arena simulate   # a thousand federations under every fault, in virtual time",
        )


def show(report: dict[str, Any]) -> None:
    """The report, for people."""
    out.print(_counts(report))
    out.print(f"weights sha256: {report['weights_sha256']}", highlight=False)
    out.print(f"undisturbed:    {report['undisturbed_sha256']}", highlight=False)


def _counts(report: dict[str, Any]) -> FittedTable:
    from runner.commands.fitted import FittedTable

    table = FittedTable("what", "how many")
    for name, roles in report["signals"].items():
        detail = ", ".join(f"{role} {count}" for role, count in roles.items())
        table.add_row(name, f"{sum(roles.values())} ({detail})")
    for fault, count in report["network_faults"].items():
        table.add_row(f"network: {fault}", str(count))
    table.add_row("requests", ", ".join(f"{role} {count}" for role, count in report["requests"].items()))
    table.add_row("attempts taken over", str(report["attempts_taken_over"]))
    table.add_row("processes replaced", f"{report['processes_replaced']} ({report['false_starts']} found no network)")
    recovery = report["recovery_s"]
    if recovery["median"] is not None:
        table.add_row("signal to next closed round", f"median {recovery['median']} s, worst {recovery['worst']} s")
    table.add_row("time", f"{report['under_fire_s']} s under fire, {report['undisturbed_s']} s undisturbed")
    return table


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A function that shows how far each federation is: a bar, or a line now and then where stderr is no terminal."""
    if quiet:
        yield lambda what, done, total: None
        return
    if not err.is_terminal:
        yield _lines
        return
    with progress_bars() as tell:
        yield tell


def _lines(what: str, done: int, total: int) -> None:
    if done == total or done % 10 == 0:
        note(f"{what}: round {done}/{total}")
