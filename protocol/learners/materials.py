"""What a job is made of, read from the bucket by its content hash: traces and starting weights."""

from __future__ import annotations

from env.problems.scenario import Scenario, scenario_from_trace
from env.trace.document import read_trace
from protocol.learners.inputs import TRACE_BYTES, node_pool
from protocol.wire import keys
from protocol.wire.bucket import WEIGHTS_BYTES, Bucket
from protocol.wire.job_documents import Manifest, Nodes

Problems = tuple[tuple[str, ...], str | None, str | None, int | None, Nodes | None, float | None]


class Scenarios:
    """The scenarios of the last manifest's traces, kept because a worker often runs several members of a federation."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._of: Problems | None = None
        self._kept: list[Scenario] = []

    def read(self, manifest: Manifest) -> list[Scenario]:
        """The scenarios of a manifest.

        Raises:
            BadDocument: a trace is gone, or is not what its hash says.
            TraceError, ScenarioError: it cannot be used.
        """
        wanted = manifest.training
        problems = (wanted.traces, wanted.deploy, wanted.namespace, wanted.target, wanted.nodes, wanted.duration_s)
        if problems != self._of:
            self._kept = [self._read_one(sha256, manifest) for sha256 in wanted.traces]
            self._of = problems
        return self._kept

    def _read_one(self, sha256: str, manifest: Manifest) -> Scenario:
        wanted = manifest.training
        return scenario_from_trace(
            read_trace(self.bucket.content(keys.trace, sha256, TRACE_BYTES), keys.trace(sha256)),
            name=sha256[:12],
            deploy=wanted.deploy,
            namespace=wanted.namespace,
            target=wanted.target,
            nodes=node_pool(wanted.nodes),
            duration_s=wanted.duration_s,
        )


def read_weights(bucket: Bucket, sha256: str) -> bytes:
    """Weights by their content hash; BadDocument if they are gone or not what the hash says."""
    return bucket.content(keys.weights, sha256, WEIGHTS_BYTES)
