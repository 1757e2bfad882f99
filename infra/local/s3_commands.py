"""`sim-arena s3`: an S3 endpoint for this machine, and whether another one is fit for the protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from infra.local import s3
from infra.local.guard import is_loopback
from runner.commands.console import err, note, out
from runner.options.flatten import flattened
from runner.options.output import OutputChoice


@flattened
def serve(
    context: typer.Context,
    output: OutputChoice,
    host: Annotated[str, typer.Option(metavar="HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="0 takes a free port.")] = 5055,
    bucket: Annotated[str, typer.Option(metavar="NAME", help="A bucket to create at once.")] = "sim-arena",
    log: Annotated[Path | None, typer.Option(metavar="FILE", help="Append one JSON line for each request.")] = None,
) -> None:
    """Serve an S3 endpoint from this machine's memory, one request at a time. Its objects end with it.

    With the command `check`: tell whether an endpoint gives what the protocol needs.
    """
    if context.invoked_subcommand is not None:
        return
    if not is_loopback(host):
        note(f"{host} is reached from other machines, without TLS: who sees the key in a request may use the endpoint")
    with s3.serving(host, port, log) as endpoint:
        s3.create_bucket(endpoint, bucket)
        settings = {**s3.environment(endpoint), "SIM_ARENA_BUCKET": bucket}
        if output.as_json:
            typer.echo(json.dumps({"endpoint": endpoint, "environment": settings}))
        else:
            for name, value in settings.items():
                out.print(f"export {name}={value}", highlight=False)
            err.print("paste these lines into the shells of dispatch, sync-server and worker; Ctrl-C ends the endpoint")
        s3.until_stopped()
