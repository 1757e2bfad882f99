"""`sim-arena s3`: an S3 endpoint for this machine, and whether another one is fit for the protocol."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.local import s3
from protocol.commands.console import INTERACTIVE_PATIENCE_S, BucketOption, JsonOption
from runner.commands.console import err, fail, new_app, out, print_json, progress

if TYPE_CHECKING:
    from rich.table import Table

    from protocol.wire.probe import Finding

_STYLES = {"ok": "green", "warn": "yellow", "failed": "bold red", "skipped": "dim"}

app = new_app("Serve an S3 endpoint from this machine's memory, or check whether one is fit.", no_args_is_help=False)


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free port.")] = 5055,
    bucket: Annotated[str, typer.Option(help="A bucket to create at once.")] = "sim-arena",
    log: Annotated[Path | None, typer.Option(help="Append one JSON line for each request.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the settings as one JSON document.")] = False,
) -> None:
    """Serve an S3 endpoint from this machine's memory, one request at a time. Its objects end with it.

    With the command `check`: tell whether an endpoint gives what the protocol needs.
    """
    if context.invoked_subcommand is not None:
        return
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


@app.command()
def check(
    bucket: BucketOption,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only the eight requests that worker, sync-server and dispatch make too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell whether an endpoint gives what the protocol needs: a table of checks, and exit code 1 if any failed.

    Without --quick it uploads 360 MB in 600 requests. It deletes what it has written.
    """
    from infra.proof.conformance import run as conformance
    from infra.proof.conformance.endpoint import Endpoint
    from protocol.wire.clock import system_clock

    endpoint = Endpoint(bucket, system_clock(), INTERACTIVE_PATIENCE_S)
    findings = conformance.examine(endpoint, quick=quick, each=partial(progress, what="checking"))
    fit = conformance.fit(findings)
    if as_json:
        rows = [asdict(finding) for finding in findings]
        print_json({"bucket": bucket, "endpoint": endpoint.store.endpoint, "fit": fit, "findings": rows})
    else:
        out.print(_table(findings))
    if not fit:
        failed = ", ".join(finding.check for finding in findings if finding.verdict == "failed")
        fail(f"{endpoint.bucket.name} at {endpoint.store.endpoint} is unfit: {failed}")


def _table(findings: Sequence[Finding]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table("check", "verdict", "", box=None, pad_edge=False)
    for finding in findings:
        table.add_row(finding.check, f"[{_STYLES[finding.verdict]}]{finding.verdict}[/]", escape(finding.detail))
    return table
