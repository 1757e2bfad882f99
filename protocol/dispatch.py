"""`dispatch`: submit jobs and federations, watch them, end them, fetch what came out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live

from env.cli import Exit, err, fail, new_app, out, parse_set, print_json, run
from protocol import jobs, keys, schemas, tables
from protocol.bucket import Bucket
from protocol.console import BucketOption, JsonOption, LeaseOption, open_bucket
from protocol.lease import LEASE_TTL_S
from protocol.probe import probe
from protocol.schedule import DEFAULT_ROUNDS, default_per_round
from protocol.schemas import (
    ROBUST_SIZE,
    Closers,
    Ending,
    Federation,
    JobType,
    Nodes,
    Status,
    Strategy,
    TensorSpec,
    Training,
)
from protocol.submit import Submitted, new_id, submit_federation, submit_job

app = new_app("Submit training jobs and federations to a bucket, watch them, end them, fetch what came out.")

Name = Annotated[str, typer.Argument(metavar="JOB|GROUP", help="A job id or a federation's group.")]


_BARRIER = Closers.SYNC_SERVER


@app.command()
def submit(
    bucket: BucketOption,
    trace: Annotated[
        list[str] | None,
        typer.Option(
            help="A trace file, a folder of traces, or s3://BUCKET/KEY. May be given again. "
            "Default: every episode generates a fresh problem."
        ),
    ] = None,
    agent: Annotated[
        str, typer.Option(help="dqn, greedy, random, noop, heuristic, autoscaler, bump_cpu, bump_mem, scale_replicas.")
    ] = "dqn",
    episodes: Annotated[int, typer.Option(min=1, help="Episodes; in a federation those of each member.")] = 20,
    steps: Annotated[int, typer.Option(min=1, help="At most so many environment steps an episode.")] = 100,
    federation_size: Annotated[
        int | None,
        typer.Option(min=1, max=keys.MAX_MEMBERS, help="Members that share one model. Without it: a single job."),
    ] = None,
    episodes_per_round: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Episodes of each member between two averages; the last round may be shorter. "
            f"Default: as few as make at most {DEFAULT_ROUNDS} rounds.",
        ),
    ] = None,
    heterogeneous: Annotated[
        bool,
        typer.Option(
            "--heterogeneous",
            help="Each member sees its own share only: of N members every N-th trace, else one kind of problem.",
        ),
    ] = False,
    group: Annotated[
        str | None,
        typer.Option(
            "--group", "--federation-group", help="The federation's name; the same again completes a cut-off submit."
        ),
    ] = None,
    per_episode_sync: Annotated[
        bool,
        typer.Option(
            help="A single job whose weights pass through sync-server after every episode: a federation of one."
        ),
    ] = False,
    weights: Annotated[
        str | None, typer.Option(help="Start from these weights: a .pt file or s3://BUCKET/KEY.")
    ] = None,
    job_type: Annotated[
        JobType, typer.Option(help="Train, or run episodes and keep their transitions.")
    ] = JobType.TRAINING,
    reward: Annotated[str, typer.Option(help="base, shaped, max_punish or cost_aware_v2.")] = "shaped",
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same weights.")] = 0,
    deploy: Annotated[str | None, typer.Option(help="The Deployment to fix, where a trace holds several.")] = None,
    namespace: Annotated[str | None, typer.Option(help="Its namespace in the trace.")] = None,
    target: Annotated[int | None, typer.Option(min=1, max=100, help="Pods that should be ready.")] = None,
    nodes: Annotated[int | None, typer.Option(min=1, help="Virtual nodes. Default: the trace's own, else 3.")] = None,
    node_cpu: Annotated[str, typer.Option(help="Each node's CPU (with --nodes).")] = "16",
    node_memory: Annotated[str, typer.Option(help="Each node's memory (with --nodes).")] = "32Gi",
    node_pods: Annotated[int, typer.Option(min=1, help="Pods a node takes (with --nodes).")] = 110,
    duration: Annotated[float | None, typer.Option(help="Replay only so many seconds of each trace.")] = None,
    strategy: Annotated[
        Strategy, typer.Option(help="How updates are averaged; trimmed-mean and median withstand members that lie.")
    ] = Strategy.FEDAVG,
    barrier: Annotated[
        Closers,
        typer.Option(help="Who closes rounds: a sync-server, or the workers among themselves, without any server."),
    ] = _BARRIER,
    min_participants: Annotated[
        int | None,
        typer.Option(
            min=1, help=f"Updates a round needs at least. Default: 1; with trimmed-mean and median {ROBUST_SIZE}."
        ),
    ] = None,
    round_timeout: Annotated[
        float, typer.Option(min=1, help="Seconds after a round's first update when it closes without the missing ones.")
    ] = 3600.0,
    max_attempts: Annotated[int, typer.Option(min=1, help="Attempts without progress before a job fails.")] = 10,
    episode_timeout: Annotated[float, typer.Option(min=1, help="Seconds one episode may take.")] = 3600.0,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="An agent's setting, e.g. learning_rate=0.001."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Queue a job, or all members of a federation."""
    from env.quantity import parse_cpu, parse_memory
    from env.reward import REWARDS
    from protocol import inputs

    federated = federation_size is not None or group is not None or per_episode_sync
    if reward not in REWARDS:
        fail(f"--reward {reward}: choose from {', '.join(REWARDS)}", Exit.USAGE)
    if federated:
        _check_federation(agent, job_type, federation_size or 1, min_participants or 1)
    elif episodes_per_round is not None or heterogeneous or (strategy, barrier) != (Strategy.FEDAVG, _BARRIER):
        fail("--episodes-per-round, --heterogeneous, --strategy and --barrier need --federation-size", Exit.USAGE)
    if per_episode_sync and (federation_size or 1, episodes_per_round or 1) != (1, 1):
        fail("--per-episode-sync is a federation of one with a round for each episode; leave it out", Exit.USAGE)
    chosen = inputs.with_strategy(parse_set(settings or []), strategy)
    inputs.check_agent(agent, chosen)
    if weights and agent != "dqn":
        fail(f"--weights: agent {agent!r} has none; only dqn has", Exit.USAGE)
    pool = None
    if nodes:
        cpu_m, memory_bytes = parse_cpu(node_cpu), parse_memory(node_memory)
        pool = schemas.build(Nodes, count=nodes, cpu_m=cpu_m, memory_bytes=memory_bytes, pods=node_pods)
    problem = inputs.Problem(deploy, namespace, target, pool, duration)
    if not trace:
        inputs.check_generated(problem)
    draft = schemas.build(
        Training,
        job_type=job_type,
        traces=(),  # until they are uploaded: whatever else is wrong is said before that
        deploy=deploy,
        namespace=namespace,
        target=target,
        nodes=pool,
        duration_s=duration,
        agent=agent,
        agent_settings=chosen,
        reward=reward,
        episodes=episodes,
        steps=steps,
        seed=seed,
        max_attempts=max_attempts,
        episode_timeout_s=episode_timeout,
    )
    federation = None
    if federated:
        federation = schemas.build(
            Federation,
            group=keys.valid_group(group or new_id("fed")),
            created_at=schemas.timestamp(),
            size=federation_size or 1,
            training=draft,
            episodes_per_round=1 if per_episode_sync else episodes_per_round or default_per_round(episodes),
            heterogeneous=heterogeneous,
            strategy=strategy,
            barrier=barrier,
            min_participants=min_participants or strategy.min_participants,
            round_timeout_s=round_timeout,
            model=_model(draft),
        )
    place = open_bucket(bucket)
    probe(place)
    uploaded = {
        "traces": inputs.upload_traces(place, trace or (), problem, (federation_size or 1) if heterogeneous else 0),
        "weights": inputs.upload_weights(place, weights) if weights else None,
    }
    training = schemas.build(Training, **{**dict(draft), **uploaded})
    if federation is None:
        _report(place, submit_job(place, training), as_json, barrier)
    else:
        submitted = submit_federation(place, federation.model_copy(update={"training": training}))
        _report(place, submitted, as_json, barrier)


def _check_federation(agent: str, job_type: JobType, size: int, min_participants: int) -> None:
    if agent != "dqn" or job_type is not JobType.TRAINING:
        fail("only the training of a dqn has weights to average; leave out --federation-size", Exit.USAGE)
    if min_participants > size:
        fail(f"--min-participants {min_participants}: the federation has {size} members", Exit.USAGE)


def _model(training: Training) -> tuple[TensorSpec, ...]:
    from agents.network import layout

    return tuple(TensorSpec(name=name, shape=shape) for name, shape in layout(training.agent_settings).items())


def _report(bucket: Bucket, submitted: Submitted, as_json: bool, barrier: Closers) -> None:
    if as_json:
        print_json({"bucket": bucket.name, **asdict(submitted)})
        return
    existed = len(submitted.job_ids) - submitted.created
    if submitted.group is None:
        out.print(f"job {submitted.job_ids[0]} queued in {bucket.name}", highlight=False)
        err.print("next: worker --run-once on any machine that reaches the bucket")
        return
    already = f", {existed} were there already" if existed else ""
    out.print(f"federation {submitted.group}: {submitted.created} jobs queued{already}", highlight=False)
    server = "sync-server and " if barrier is Closers.SYNC_SERVER else ""
    err.print(f"next: {server}{len(submitted.job_ids)} × worker; then: dispatch status {submitted.group} --watch")


@app.command("list")
def list_(
    bucket: BucketOption,
    last: Annotated[int, typer.Option(min=0, help="How many finished jobs to show.")] = 20,
    lease_ttl: LeaseOption = LEASE_TTL_S,
    as_json: JsonOption = False,
) -> None:
    """Show unfinished jobs and the newest finished ones."""
    from protocol.status import all_jobs

    rows = all_jobs(open_bucket(bucket), lease_ttl, last)
    if as_json:
        print_json([asdict(row) for row in rows])
    elif rows:
        out.print(tables.jobs_table(rows))
    else:
        err.print("no jobs")


@app.command()
def status(
    bucket: BucketOption,
    group: Annotated[str, typer.Argument(help="A federation's group.")],
    watch: Annotated[bool, typer.Option("--watch", help="Go on until the federation has ended.")] = False,
    rounds: Annotated[int, typer.Option(min=0, help="How many of the last rounds to show.")] = 10,
    lease_ttl: LeaseOption = LEASE_TTL_S,
    as_json: JsonOption = False,
) -> None:
    """Show a federation's members and rounds. With --watch, exit code 1 if it failed."""
    from protocol.status import group_status

    place = open_bucket(bucket)
    now = group_status(place, keys.valid_group(group), lease_ttl, recent=rounds)
    if not watch:
        print_json(now.as_json()) if as_json else out.print(tables.group_table(now))
        return
    with Live(tables.group_table(now), console=err, auto_refresh=False, transient=as_json) as live:
        while now.outcome is None:
            place.machine.sleep(2.0)
            now = group_status(place, group, lease_ttl, recent=rounds, closed_before=now.closed)
            live.update(tables.group_table(now), refresh=True)
    if as_json:
        print_json(now.as_json())
    if now.outcome == Ending.FAILED:
        fail(f"federation {group}: {now.reason}")


@app.command()
def cancel(bucket: BucketOption, name: Name, lease_ttl: LeaseOption = LEASE_TTL_S) -> None:
    """End a job, or a federation with all its jobs. Exit code 3 if it had ended already."""
    from protocol.ending import cancel as cancel_

    keys.valid_id(name)
    place = open_bucket(bucket)
    probe(place)  # it creates results, as a worker does
    ended = cancel_(place, name, lease_ttl)
    if not ended:
        err.print(f"{name}: had ended already")
        raise typer.Exit(int(Exit.NOTHING_TO_DO))
    for line in ended:
        out.print(line, highlight=False)


@app.command()
def retry(bucket: BucketOption, job: Annotated[str, typer.Argument(help="A failed or cancelled job.")]) -> None:
    """Queue a failed or cancelled job again under a new id; it goes on from the last state that was kept."""
    place = open_bucket(bucket)
    result = jobs.read_result(place, keys.valid_id(job))
    if result is None:
        fail(f"job {job}: has not ended; nothing to retry", Exit.NOTHING_TO_DO)
    if result.status is Status.SUCCESS:
        fail(f"job {job}: ended well; nothing to retry", Exit.NOTHING_TO_DO)
    key = keys.finished_manifest(job)
    body = place.get(key, jobs.MANIFEST_BYTES) or place.get(keys.pending_manifest(job), jobs.MANIFEST_BYTES)
    if body is None or result.status is Status.REJECTED:
        fail(f"job {job}: its manifest could never be read ({result.error}); submit it anew")
    manifest = schemas.parse(schemas.Manifest, body, key)
    if manifest.federation:
        fail(
            f"job {job}: a member has left its federation {manifest.federation.group!r} for good; "
            "submit the federation again under another --group"
        )
    probe(place)
    submitted = submit_job(place, manifest.training, retry_of=job)
    out.print(f"job {submitted.job_ids[0]} queued, goes on where {job} ended", highlight=False)


@app.command()
def inspect(
    bucket: BucketOption,
    job: Annotated[str, typer.Argument(help="A job id.")],
    steps: Annotated[bool, typer.Option("--steps", help="Print the step records (JSON Lines).")] = False,
    log: Annotated[bool, typer.Option("--log", help="Print the training log.")] = False,
    ckpt: Annotated[bool, typer.Option("--ckpt", help="Describe the newest state or checkpoint.")] = False,
    lease_ttl: LeaseOption = LEASE_TTL_S,
    as_json: JsonOption = False,
) -> None:
    """Show a job's result, or how far it is."""
    from protocol import inspection

    place = open_bucket(bucket)
    keys.valid_id(job)
    if steps or log:
        name = "steps.jsonl" if steps else "train.log"
        typer.echo(inspection.text_of(place, job, name), nl=False)
    elif ckpt:
        print_json(inspection.describe_state(place, job))
    elif as_json:
        print_json(inspection.about(place, job, lease_ttl))
    else:
        out.print(tables.facts_table(inspection.about(place, job, lease_ttl)))


@app.command()
def download(
    bucket: BucketOption,
    name: Name,
    to: Annotated[Path | None, typer.Option("--to", help="Folder; default: runs/NAME.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch a job's result and files, or a federation's weights, rounds and all its jobs'."""
    from protocol.ending import download as download_

    place = open_bucket(bucket)
    folder = to or Path("runs") / keys.valid_id(name)
    files = download_(place, keys.valid_id(name), folder)
    if as_json:
        print_json({"folder": str(folder), "files": files})
    else:
        out.print(f"{len(files)} files in {folder}", highlight=False)


@app.command()
def purge(
    bucket: BucketOption,
    group: Annotated[str, typer.Argument(help="A federation that has ended.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete what a federation that has ended left: weights, states, results. Its name stays taken."""
    from protocol.ending import purge as purge_

    place = open_bucket(bucket)
    if not yes:
        typer.confirm(f"Delete all objects of {group} in {place.name}?", abort=True, err=True)
    deleted = purge_(place, keys.valid_group(group))
    out.print(f"{deleted} objects deleted", highlight=False)


def main() -> None:
    run(app)
