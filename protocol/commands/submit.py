"""`dispatch submit`: checks what a user wants, uploads its inputs, queues it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from env.words import count
from protocol.commands.options import BucketChoice
from protocol.commands.submit_options import EpochsChoice, FederationChoice, JobChoice
from protocol.wire.choices import Closers
from runner.commands.console import err, note, out, print_json
from runner.options.agents import EpisodeChoice
from runner.options.flatten import flattened
from runner.options.output import OutputChoice
from runner.options.workload import WorkloadChoice

if TYPE_CHECKING:
    from protocol.jobs.submit import Submitted
    from protocol.wire.bucket import Bucket


@flattened
def submit(
    where: BucketChoice,
    job: JobChoice,
    episode: EpisodeChoice,
    workload: WorkloadChoice,
    epochs: EpochsChoice,
    federation: FederationChoice,
    output: OutputChoice,
) -> None:
    """Queue a job, or all members of a federation."""
    from protocol.commands.buckets import open_bucket
    from protocol.commands.submission import draft, queue, upload
    from protocol.wire.probe import probe

    submission = draft(job, episode, workload, federation, epochs)
    place = open_bucket(where.bucket)
    probe(place)
    submitted = queue(place, upload(place, submission))
    if output.as_json:
        print_json({"bucket": place.name, **asdict(submitted)})
    else:
        _report(place, submitted, federation)


def _report(bucket: Bucket, submitted: Submitted, federation: FederationChoice) -> None:
    existed = len(submitted.job_ids) - submitted.created
    if submitted.group is None:
        out.print(f"job {submitted.job_ids[0]} queued in {bucket.name}", highlight=False)
        note("next: worker --run-once on any machine that reaches the bucket")
        return
    already = f", {existed} {'was' if existed == 1 else 'were'} there already" if existed else ""
    out.print(f"federation {submitted.group}: {count(submitted.created, 'job')} queued{already}", highlight=False)
    server = "a sync-server and " if federation.barrier is Closers.SYNC_SERVER else ""
    workers = count(federation.round_size, "worker")
    err.print(f"next: start {server}{workers}; then: dispatch status {submitted.group} --watch")
