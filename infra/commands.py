"""`sim-arena`: the gym without S3, the demo, and an S3 endpoint for this machine."""

from __future__ import annotations

from infra.access import commands as policy
from infra.bench.federation import commands as bench_federation
from infra.bench.protocol import commands as bench_protocol
from infra.local import demo, s3_commands
from infra.proof.chaos import commands as chaos
from infra.proof.simulation import commands as simulate
from protocol.learners.trace_bucket import open_trace_bucket
from runner.bench import commands as bench
from runner.commands import doctor, fidelity, truth
from runner.commands.console import new_app, run
from runner.commands.episode import register

app = new_app("A gym and a federated trainer for agents that fix Kubernetes pods' CPU, memory and replicas.")
register(app, open_trace_bucket)
fidelity.register(app)
doctor.register(app)
app.add_typer(truth.app, name="truth")
app.add_typer(bench.app, name="bench")
bench_federation.register(bench.app)
bench_protocol.register(bench.app)
demo.register(app)
chaos.register(app)
simulate.register(app)
policy.register(app)
app.add_typer(s3_commands.app, name="s3")


def main() -> None:
    run(app)
