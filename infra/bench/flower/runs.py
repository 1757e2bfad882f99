"""Which federations are run: undisturbed ones, and those in which a client or a server is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from infra.bench.flower.engines import (
    BUCKET,
    Measured,
    Work,
    deployment,
    ours,
    simulation,
    start_superlink,
    start_supernode,
)
from infra.local.processes import Processes, command


@dataclass(frozen=True)
class Run:
    """One federation by one engine."""

    engine: str
    run: Callable[[], Measured]

    def __call__(self) -> Measured:
        return self.run()


def all_runs(work: Work, folder: Path, flower: Path) -> Iterator[Run]:
    """One of each engine."""
    for barrier in ("workers", "sync-server"):
        yield Run(f"sim-arena, --barrier {barrier}", partial(ours, work, folder / barrier, barrier))
    yield Run("Flower, deployment", partial(deployment, work, folder / "deployment", flower))
    yield Run("Flower, simulation", partial(simulation, work, folder / "simulation", flower))


def kills(work: Work, folder: Path, flower: Path) -> Iterator[Run]:
    """A client, then a server, killed by SIGKILL after a third of the rounds; another is started at once."""

    def worker(processes: Processes) -> None:
        processes.start("worker-again", command("worker", "--bucket", BUCKET))

    def sync_server(processes: Processes) -> None:
        processes.start("sync-again", command("sync-server", "--bucket", BUCKET))

    def supernode(processes: Processes) -> None:
        start_supernode(processes, flower, 0, work.members)

    def superlink(processes: Processes) -> None:
        start_superlink(processes, flower, folder / "superlink-killed")

    def killed(name: str, again: Callable[[Processes], None], run: Callable[..., Measured]) -> Measured:
        killing = Killing(name, again, max(1, work.rounds // 3))
        found = run(during=killing)
        found.happened = f"{name} killed after round {killing.at}" if killing.done else "nothing was killed"
        return found

    sync = partial(ours, work, folder / "sync-server-killed", "sync-server")
    members = partial(ours, work, folder / "worker-killed", "workers")
    node = partial(deployment, work, folder / "supernode-killed", flower)
    link = partial(deployment, work, folder / "superlink-killed", flower)
    yield Run("sim-arena, a worker killed", partial(killed, "worker-0", worker, members))
    yield Run("sim-arena, the sync-server killed", partial(killed, "sync-server", sync_server, sync))
    yield Run("Flower, a SuperNode killed", partial(killed, "supernode-0", supernode, node))
    yield Run("Flower, the SuperLink killed", partial(killed, "superlink", superlink, link))


@dataclass
class Killing:
    """Kills a process once so many rounds are closed, and starts another."""

    name: str
    again: Callable[[Processes], None]
    at: int
    done: bool = False

    def __call__(self, processes: Processes, closed: int) -> None:
        if self.done or closed < self.at:
            return
        self.done = True
        child = processes.running.pop(self.name)
        child.kill()
        child.wait()
        self.again(processes)
