"""`dispatch submit`: checks what a user wants, uploads its inputs, queues it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import typer

from agents.kinds import DEFAULT, KINDS, agent_kind, with_weights
from env.gym.reward import REWARDS
from protocol.commands.console import BucketOption, JsonOption, open_bucket
from protocol.jobs.submit import Submitted, new_id, submit_federation, submit_job
from protocol.wire import documents, ids, keys
from protocol.wire.bucket import Bucket
from protocol.wire.federation_documents import ROBUST_SIZE, Federation, Strategy, TensorSpec
from protocol.wire.job_documents import Closers, JobType, Nodes, Training
from protocol.wire.probe import probe
from protocol.wire.schedule import DEFAULT_ROUNDS, default_per_round
from runner.commands.console import Exit, err, fail, out, parse_set, print_json

_BARRIER = Closers.SYNC_SERVER
_ROUND_TIMEOUT_S = 3600.0


def submit(
    bucket: BucketOption,
    trace: Annotated[
        list[str] | None,
        typer.Option(
            help="A trace file, a folder of traces, or s3://BUCKET/KEY. May be given again. "
            "Default: every episode generates a fresh problem."
        ),
    ] = None,
    agent: Annotated[str, typer.Option(help=f"{', '.join(KINDS)}.")] = DEFAULT,
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
    reward: Annotated[str, typer.Option(help=f"{', '.join(REWARDS)}.")] = "shaped",
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
    ] = _ROUND_TIMEOUT_S,
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
    from protocol.learners import inputs

    federated = federation_size is not None or group is not None or per_episode_sync
    if reward not in REWARDS:
        fail(f"--reward {reward}: choose from {', '.join(REWARDS)}", Exit.USAGE)
    if federated:
        _check_federation(agent, job_type, federation_size or 1, min_participants or 1)
    else:
        _refuse_federation_options(
            {
                "--episodes-per-round": episodes_per_round is not None,
                "--heterogeneous": heterogeneous,
                "--strategy": strategy is not Strategy.FEDAVG,
                "--barrier": barrier is not _BARRIER,
                "--min-participants": min_participants is not None,
                "--round-timeout": round_timeout != _ROUND_TIMEOUT_S,
            }
        )
    if per_episode_sync and (federation_size or 1, episodes_per_round or 1) != (1, 1):
        fail("--per-episode-sync is a federation of one with a round for each episode; leave it out", Exit.USAGE)
    chosen = inputs.with_strategy(parse_set(settings or []), strategy)
    kind = agent_kind(agent)
    kind.filled(chosen)
    if weights and not kind.has_weights:
        fail(f"--weights: agent {agent!r} has none; only {with_weights()} has", Exit.USAGE)
    pool = None
    if nodes:
        cpu_m, memory_bytes = parse_cpu(node_cpu), parse_memory(node_memory)
        pool = documents.build(Nodes, count=nodes, cpu_m=cpu_m, memory_bytes=memory_bytes, pods=node_pods)
    problem = inputs.Problem(deploy, namespace, target, pool, duration)
    if not trace:
        inputs.check_generated(problem)
    draft = documents.build(
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
        federation = documents.build(
            Federation,
            group=ids.valid_group(group or new_id("fed")),
            created_at=documents.timestamp(),
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
    training = documents.build(Training, **{**dict(draft), **uploaded})
    if federation is None:
        _report(place, submit_job(place, training), as_json, barrier)
    else:
        submitted = submit_federation(place, federation.model_copy(update={"training": training}))
        _report(place, submitted, as_json, barrier)


def _refuse_federation_options(given: Mapping[str, bool]) -> None:
    """A job of its own has no rounds that these could be about."""
    for flag in (flag for flag, is_given in given.items() if is_given):
        fail(f"{flag}: needs --federation-size", Exit.USAGE)


def _check_federation(agent: str, job_type: JobType, size: int, min_participants: int) -> None:
    if not agent_kind(agent).has_weights or job_type is not JobType.TRAINING:
        fail(f"only the training of {with_weights()} has weights to average; leave out --federation-size", Exit.USAGE)
    if min_participants > size:
        fail(f"--min-participants {min_participants}: the federation has {size} members", Exit.USAGE)


def _model(training: Training) -> tuple[TensorSpec, ...]:
    tensors = agent_kind(training.agent).tensors(training.agent_settings)
    return tuple(TensorSpec(name=name, shape=shape) for name, shape in tensors.items())


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
