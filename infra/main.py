"""`sim-arena`: the gym without S3, the demo, and an S3 endpoint for this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from env.cli import err, new_app, out, run
from infra import demo, federation_bench_cli, s3
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
demo.register(app)


@app.command("s3")
def s3_(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free port.")] = 5055,
    bucket: Annotated[str, typer.Option(help="A bucket to create at once.")] = "sim-arena",
    log: Annotated[Path | None, typer.Option(help="Append one JSON line for each request.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the settings as one JSON document.")] = False,
) -> None:
    """Serve an S3 endpoint from this machine's memory, one request at a time. Its objects end with it."""
    with s3.serving(host, port, log) as endpoint:
        s3.create_bucket(endpoint, bucket)
        settings = {**s3.environment(endpoint), "SIM_ARENA_BUCKET": bucket}
        if as_json:
            typer.echo(json.dumps({"endpoint": endpoint, "environment": settings}))
        else:
            for name, value in settings.items():
                out.print(f"export {name}={value}", highlight=False)
            err.print("paste these lines into the shells of dispatch, sync-server and worker; Ctrl-C ends the endpoint")
        s3.until_stopped()


def main() -> None:
    run(app)
