"""`sim-arena`: the gym without S3, the demo, and an S3 endpoint for this machine. One table of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.commands.program import Commands, Entry, program
from runner.commands.table import BENCHMARKS
from runner.commands.table import COMMANDS as RUNNER

if TYPE_CHECKING:
    from env.simkube.traces import TraceStore

COMMANDS: Commands = {
    **RUNNER,
    **BENCHMARKS,
    "bench federation": Entry(
        "infra.bench.federation.commands:federation", "Measure what more members are worth, and what bad ones cost."
    ),
    "bench season-federated": Entry(
        "infra.bench.season.commands:season_federated",
        "Measure what a federation is worth to members whose workloads differ.",
    ),
    "bench flower": Entry(
        "infra.bench.flower.commands:flower",
        "Measure a federation of the learner digits beside Flower's, on this machine.",
    ),
    "bench protocol": Entry(
        "infra.bench.protocol.commands:protocol", "Count requests, dollars and waiting of federations."
    ),
    "demo": Entry("infra.local.demo_command:demo", "Train a federation on this machine, with nothing to set up."),
    "chaos": Entry("infra.proof.chaos.commands:chaos", "Kill real processes; the weights must be the same."),
    "simulate": Entry("infra.proof.simulation.commands:simulate", "Run the protocol in virtual time under faults."),
    "policy": Entry("infra.access.commands:policy", "Print the IAM policy of a role, or the bucket's own."),
    "workers": Entry("", "Workers on machines that you have."),
    "workers job": Entry("infra.kubernetes.commands:job", "Print a Kubernetes Job of workers."),
    "s3": Entry("infra.local.s3_commands:serve", "Serve an S3 endpoint from this machine's memory."),
    "s3 check": Entry(
        "infra.proof.conformance.commands:check", "Tell whether an endpoint gives what the protocol needs."
    ),
}


def _open_trace_bucket(url: str) -> TraceStore:
    from protocol.learners.trace_bucket import open_trace_bucket

    return open_trace_bucket(url)


app = program(
    "A gym and a federated trainer for agents that fix Kubernetes pods' CPU, memory and replicas.",
    COMMANDS,
    _open_trace_bucket,
)
