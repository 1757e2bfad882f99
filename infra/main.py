"""`sim-arena`: the gym without S3, the demo, and an S3 endpoint for this machine."""

from __future__ import annotations

from env.cli import new_app, run
from infra import demo, federation_bench_cli, policies_cli, s3_cli
from infra.chaos import cli as chaos
from infra.protocol_bench import cli as protocol_bench_cli
from infra.simulation import cli as simulate
from protocol.trace_bucket import open_trace_bucket
from runner import bench_cli, doctor_cli, fidelity_cli, truth_cli
from runner.cli import register

app = new_app("A gym and a federated trainer for agents that fix Kubernetes pods' CPU, memory and replicas.")
register(app, open_trace_bucket)
fidelity_cli.register(app)
doctor_cli.register(app)
app.add_typer(truth_cli.app, name="truth")
app.add_typer(bench_cli.app, name="bench")
federation_bench_cli.register(bench_cli.app)
protocol_bench_cli.register(bench_cli.app)
demo.register(app)
chaos.register(app)
simulate.register(app)
policies_cli.register(app)
app.add_typer(s3_cli.app, name="s3")


def main() -> None:
    run(app)
