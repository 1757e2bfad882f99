"""What a job is made of, read from the bucket by its content hash: traces and starting weights."""

from __future__ import annotations

from env.problems.scenario import Scenario
from env.trace.document import read_trace
from protocol.learners.inputs import TRACE_BYTES, scenario_of
from protocol.wire import keys
from protocol.wire.bucket import WEIGHTS_BYTES, Bucket
from protocol.wire.job_documents import Manifest


class Scenarios:
    """The scenarios of the last manifest's traces, kept because a worker often runs several members of a federation."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._of: tuple[object, ...] | None = None
        self._kept: list[Scenario] = []

    def read(self, manifest: Manifest) -> list[Scenario]:
        """The scenarios of a manifest.

        Raises:
            BadDocument: a trace is gone, or is not what its hash says.
            TraceError, ScenarioError: it cannot be used.
        """
        wanted = manifest.training
        workload = (wanted.workload_kind, wanted.deploy, wanted.namespace)
        problems = (wanted.traces, workload, wanted.target, wanted.nodes, wanted.duration_s)
        if problems != self._of:
            self._kept = [
                scenario_of(read_trace(body, keys.trace(sha256)), sha256[:12], wanted)
                for sha256 in wanted.traces
                for body in (self.bucket.content(keys.trace, sha256, TRACE_BYTES),)
            ]
            self._of = problems
        return self._kept


def read_weights(bucket: Bucket, sha256: str) -> bytes:
    """Weights by their content hash; BadDocument if they are gone or not what the hash says."""
    return bucket.content(keys.weights, sha256, WEIGHTS_BYTES)
