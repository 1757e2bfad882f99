"""`sim-arena s3 check`: whether an S3 endpoint gives what the protocol needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from protocol.commands.options import BucketChoice
from runner.commands.console import fail, out, print_json, progress
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from protocol.wire.probe import Finding
    from runner.commands.fitted import FittedTable

_STYLES = {"ok": "green", "warn": "yellow", "failed": "bold red", "skipped": "dim"}


@flattened
def check(
    where: BucketChoice,
    output: OutputChoice,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only the eight requests that worker, sync-server and dispatch make too.")
    ] = False,
) -> None:
    """Tell whether an endpoint gives what the protocol needs: a table of checks, and exit code 1 if any failed.

    Without --quick it uploads 360 MB in 600 requests. It deletes what it has written.
    """
    from infra.proof.conformance import run as conformance
    from infra.proof.conformance.endpoint import Endpoint
    from protocol.commands.buckets import INTERACTIVE_PATIENCE_S
    from protocol.wire.clock import system_clock

    endpoint = Endpoint(where.bucket, system_clock(), INTERACTIVE_PATIENCE_S)
    findings = conformance.examine(endpoint, quick=quick, each=partial(progress, what="checking"))
    fit = conformance.fit(findings)
    if output.as_json:
        rows = [asdict(finding) for finding in findings]
        print_json({"bucket": where.bucket, "endpoint": endpoint.store.endpoint, "fit": fit, "findings": rows})
    else:
        out.print(_table(findings))
    if not fit:
        failed = ", ".join(finding.check for finding in findings if finding.verdict == "failed")
        fail(f"{endpoint.bucket.name} at {endpoint.store.endpoint} is unfit: {failed}")


def _table(findings: Sequence[Finding]) -> FittedTable:
    from rich.markup import escape

    from runner.commands.fitted import FittedTable

    table = FittedTable("check", "verdict", "")
    for finding in findings:
        table.add_row(finding.check, f"[{_STYLES[finding.verdict]}]{finding.verdict}[/]", escape(finding.detail))
    return table
