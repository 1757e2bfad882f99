"""`dispatch submit`: checks what a user wants, uploads its inputs, queues it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from agents.kinds import DEFAULT, KINDS
from env.words import count
from protocol.commands.options import BucketChoice
from protocol.strategies.table import Strategy
from protocol.wire.keys import MAX_MEMBERS
from protocol.wire.schedule import DEFAULT_ROUNDS
from runner.commands.console import err, out, print_json
from runner.options import completion
from runner.options.agents import EpisodeChoice, SettingsOption
from runner.options.flatten import flattened
from runner.options.output import OutputChoice
from runner.options.workload import WorkloadChoice

if TYPE_CHECKING:
    from protocol.jobs.submit import Submitted
    from protocol.wire.bucket import Bucket

JobTypeName = Literal["training", "experience_collection"]
BarrierName = Literal["sync-server", "workers"]


@dataclass(frozen=True, kw_only=True)
class JobChoice:
    """Who is trained, how long and from what.

    Attributes:
        episode_timeout: Seconds.
    """

    panel: ClassVar[str] = "Training"

    agent: Annotated[
        str, typer.Option(metavar="NAME", help=f"{', '.join(KINDS)}.", autocompletion=completion.of(KINDS))
    ] = DEFAULT
    episodes: Annotated[
        int, typer.Option(metavar="N", min=1, help="Episodes; in a federation those of each member.")
    ] = 20
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Same seed, same weights.")] = 0
    settings: SettingsOption = field(default_factory=dict)
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Start from these weights: a .pt file or s3://BUCKET/KEY.",
            autocompletion=completion.files,
        ),
    ] = None
    job_type: Annotated[
        JobTypeName,
        typer.Option(metavar="TYPE", help="training; or experience_collection: run episodes, keep their transitions."),
    ] = "training"
    max_attempts: Annotated[
        int, typer.Option(metavar="N", min=1, help="Attempts without progress before a job fails.")
    ] = 10
    episode_timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="Seconds that one episode may take.")
    ] = 3600.0


@dataclass(frozen=True, kw_only=True)
class FederationChoice:
    """Who trains together, and how updates become one model; without a size, a group or a sync: a single job.

    Attributes:
        round_timeout: Seconds.
    """

    panel: ClassVar[str] = "Federation"

    federation_size: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=MAX_MEMBERS, help="Members that share one model. Without it: a single job."
        ),
    ] = None
    group: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The federation's name; the same again completes a cut-off submit."),
    ] = None
    episodes_per_round: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Episodes of each member between two averages; the last round may be shorter. "
            f"Default: as few as make at most {DEFAULT_ROUNDS} rounds.",
        ),
    ] = None
    heterogeneous: Annotated[
        bool,
        typer.Option(
            "--heterogeneous",
            help="Each member sees its own share only: of N members every N-th trace, else one kind of problem.",
        ),
    ] = False
    per_episode_sync: Annotated[
        bool,
        typer.Option(
            "--per-episode-sync",
            help="A single job whose weights pass through sync-server after every episode: a federation of one.",
        ),
    ] = False
    strategy: Annotated[
        Strategy,
        typer.Option(
            metavar="NAME",
            help=f"How updates are averaged: {', '.join(Strategy)}. "
            f"Members that lie are withstood by {' and '.join(each for each in Strategy if each.robust)}.",
        ),
    ] = Strategy.FEDAVG
    barrier: Annotated[
        BarrierName,
        typer.Option(metavar="NAME", help="Who closes rounds: sync-server; or workers, without any server."),
    ] = "sync-server"
    min_participants: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Updates a round needs at least. Default: 1; with trimmed-mean and median 3."
        ),
    ] = None
    round_timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=1,
            help="Seconds after a round's first update when it closes without the missing ones.",
        ),
    ] = 3600.0

    @property
    def wanted(self) -> bool:
        """Whether a federation is asked for, not a single job."""
        return self.federation_size is not None or self.group is not None or self.per_episode_sync

    @property
    def size(self) -> int:
        """Members."""
        return self.federation_size or 1


@flattened
def submit(
    where: BucketChoice,
    job: JobChoice,
    episode: EpisodeChoice,
    workload: WorkloadChoice,
    federation: FederationChoice,
    output: OutputChoice,
) -> None:
    """Queue a job, or all members of a federation."""
    from protocol.commands.buckets import open_bucket
    from protocol.commands.submission import draft, queue, upload
    from protocol.wire.probe import probe

    submission = draft(job, episode, workload, federation)
    place = open_bucket(where.bucket)
    probe(place)
    submitted = queue(place, upload(place, submission))
    if output.as_json:
        print_json({"bucket": place.name, **asdict(submitted)})
    else:
        _report(place, submitted, federation.barrier)


def _report(bucket: Bucket, submitted: Submitted, barrier: BarrierName) -> None:
    existed = len(submitted.job_ids) - submitted.created
    if submitted.group is None:
        out.print(f"job {submitted.job_ids[0]} queued in {bucket.name}", highlight=False)
        err.print("next: worker --run-once on any machine that reaches the bucket")
        return
    already = f", {existed} {'was' if existed == 1 else 'were'} there already" if existed else ""
    out.print(f"federation {submitted.group}: {count(submitted.created, 'job')} queued{already}", highlight=False)
    server = "sync-server and " if barrier == "sync-server" else ""
    err.print(f"next: {server}{len(submitted.job_ids)} × worker; then: dispatch status {submitted.group} --watch")
