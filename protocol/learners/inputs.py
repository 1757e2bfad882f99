"""What `dispatch submit` takes from its user: traces, weights and settings, checked before anything is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from env.errors import ConfigError, UsageError
from env.problems.scenario import Scenario, scenario_from_trace
from env.trace.document import Trace, read_trace, trace_files
from env.words import count
from protocol.learners.nodes import read_nodes
from protocol.strategies.table import Strategy
from protocol.wire import keys
from protocol.wire.bucket import WEIGHTS_BYTES, Bucket
from protocol.wire.job_documents import TrainingSpec
from protocol.wire.store import S3Store
from runner.commands.console import progress

TRACE_BYTES = 64 << 20


def upload_traces(bucket: Bucket, sources: Sequence[str], training: TrainingSpec, shares: int) -> tuple[str, ...]:
    """Check every trace, then store each under its content hash.

    Args:
        sources: files, folders of traces, or s3:// URIs.
        training: says which workload of each trace is to be fixed, and where it runs.
        shares: among how many members they are shared out; 0 if all members see all.

    Returns:
        The hashes, in the order given.

    Raises:
        TraceError, ScenarioError: a trace that cannot be read, or does not hold the workload asked for.
        UsageError: too few for each member to have one.
    """
    bodies: dict[bytes, None] = {}
    for source in sources:
        for name, body in read_sources(bucket, source):
            scenario_of(read_trace(body, name), name, training)  # raises here what a worker would raise later
            bodies[body] = None
    if bodies and len(bodies) < shares:
        raise UsageError(
            f"--heterogeneous: {count(len(bodies), 'different trace')} for {count(shares, 'member')}; "
            f"each needs its own"
        )
    return tuple(bucket.upload(keys.trace, body) for body in progress(list(bodies), "uploading traces"))


def scenario_of(trace: Trace, name: str, training: TrainingSpec) -> Scenario:
    """The scenario of a job's trace; ScenarioError if the trace does not hold the workload asked for."""
    return scenario_from_trace(
        trace,
        name=name,
        kind=training.workload_kind,
        deploy=training.deploy,
        namespace=training.namespace,
        target=training.target,
        nodes=read_nodes(training.nodes),
        duration_s=training.duration_s,
    )


def read_sources(bucket: Bucket, source: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of the trace, or of each trace in the folder, that `source` names."""
    if source.startswith("s3://"):
        yield source, read_s3(bucket, source, TRACE_BYTES)
        return
    for path in trace_files(source):
        yield str(path), read_file(path, TRACE_BYTES)


def upload_weights(bucket: Bucket, source: str, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Store starting weights under their content hash, as safetensors.

    Args:
        source: a .pt file, or an s3:// URI of one or of a safetensors file; of weights, an agent or a training.
        shapes: of the tensors that the agent has, by name.

    Raises:
        AgentError: it cannot be read safely, or holds other tensors.
    """
    from agents.saved import checkpoint
    from agents.saved.formats import parse_state
    from runner.training.training import weights_in

    from_s3 = source.startswith("s3://")
    body = read_s3(bucket, source, WEIGHTS_BYTES) if from_s3 else read_file(Path(source), WEIGHTS_BYTES)
    found = checkpoint.tensors(weights_in(parse_state(body, source)), shapes, source)
    return bucket.upload(keys.weights, checkpoint.write(found))


def read_s3(bucket: Bucket, uri: str, max_bytes: int) -> bytes:
    """The object behind an s3:// URI, whichever bucket it is in."""
    name, _, key = uri.removeprefix("s3://").partition("/")
    if not name or not key:
        raise ConfigError(f"{uri}: expected s3://BUCKET/KEY")
    place = (
        bucket if f"s3://{name}" == bucket.name else Bucket(S3Store(name), bucket.clock, patience_s=bucket.patience_s)
    )
    body = place.get(key, max_bytes)
    if body is None:
        raise ConfigError(f"{uri}: no such object")
    return body


def read_file(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            body = file.read(max_bytes + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    if len(body) > max_bytes:
        raise ConfigError(f"{path}: larger than {max_bytes >> 20} MiB")
    return body


def with_strategy(settings: dict[str, Any], strategy: Strategy) -> dict[str, Any]:
    """The agent's settings, and those that the strategy asks of members (fedprox: `proximal`) unless they are given."""
    return {**strategy.settings, **settings}
