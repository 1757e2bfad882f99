"""`sim-arena doctor`: is this Kubernetes ready to run simulations?"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer
from rich.markup import escape

from env.errors import ClusterError, ConfigError
from env.words import count
from runner.clusters.simkube import (
    TRACE_DIR,
    KubeContext,
    SimKubeSettingsOption,
    TraceBucket,
    TraceDir,
    node_folder,
)
from runner.commands import tables
from runner.commands.console import Exit, err, fail, note, print_json
from runner.options import completion
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from env.simkube.doctor_results import ReportLine
    from env.simkube.traces import NodeFolder
    from runner.commands.fitted import FittedTable

KubeconfigOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A kubeconfig file. Default: KUBECONFIG, ~/.kube/config.",
        autocompletion=completion.files,
        rich_help_panel="Cluster",
    ),
]

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}
_REQUEST_TIMEOUT_S = 5.0


@dataclass(frozen=True, kw_only=True)
class ExaminedChoice:
    """The cluster, and what simulations on it would need beside it."""

    panel: ClassVar[str] = "Cluster"

    kubeconfig: KubeconfigOption = None
    kube_context: KubeContext = None
    trace_dir: TraceDir = TRACE_DIR
    trace_bucket: TraceBucket = None
    simkube: SimKubeSettingsOption = field(default_factory=dict)


@flattened
def doctor(
    cluster: ExaminedChoice,
    output: OutputChoice,
    fix: Annotated[
        bool,
        typer.Option(
            "--fix", help="Delete Sim-Arena's simulations, also running ones, and their traces; create missing Stages."
        ),
    ] = False,
) -> None:
    """Check whether a Kubernetes can run simulations. Exit code 1 if anything fails.

    Give --trace-dir, or --trace-bucket and --simkube driver_secrets=…, as for an episode: old traces there and S3
    credentials are checked, too.
    """
    from env.simkube.settings import SimKubeSettings

    trace_bucket = cluster.trace_bucket
    if trace_bucket is not None and not trace_bucket.startswith("s3://"):
        fail(f"--trace-bucket {trace_bucket}: must be s3://BUCKET or s3://BUCKET/PREFIX", Exit.USAGE)
    secrets = SimKubeSettings.read(cluster.simkube).driver_secrets
    folder = None if trace_bucket else node_folder(cluster.trace_dir)
    findings, done, server = _examined(cluster, secrets, folder, fix)
    failed = [name for name, finding in findings.items() if finding.level == "fail"]
    if output.as_json:
        rows = [{"check": name, **vars(finding)} for name, finding in findings.items()]
        print_json({"server": server, "fixed": done, "checks": rows})
    else:
        for line in done:
            note(line)
        tables.show(_table(findings))
    if failed:
        fail(f"{len(failed)} of {count(len(findings), 'check')} failed: {', '.join(failed)}")


def _examined(
    cluster: ExaminedChoice, driver_secrets: tuple[str, ...], folder: NodeFolder | None, fix: bool
) -> tuple[dict[str, ReportLine], list[str], str | None]:
    from env.kube.connect import connect
    from env.simkube.doctor import Patient, examine, mend
    from env.simkube.doctor_results import Level, ReportLine

    try:
        path = str(cluster.kubeconfig) if cluster.kubeconfig else None
        api = replace(connect(cluster.kube_context, kubeconfig=path), request_timeout_s=_REQUEST_TIMEOUT_S)
    except ConfigError as error:
        return {"API server": ReportLine(Level.FAIL, str(error))}, [], None
    try:
        done: list[str] = []
        refused: list[str] = []
        if fix:
            with contextlib.suppress(ClusterError):  # the first check meets it, too
                done, refused = mend(api, folder)
        with err.status("looking at the cluster"):
            patient = Patient(api, cluster.trace_bucket or "", driver_secrets, os.environ, Path.home(), folder)
            findings = examine(patient)
        fixed = {"--fix": ReportLine(Level.WARN, f"not all: {'; '.join(refused)}")} if refused else {}
        return fixed | findings, done, api.host
    finally:
        api.close()


def _table(findings: Mapping[str, ReportLine]) -> FittedTable:
    from runner.commands.fitted import FittedTable

    table = FittedTable("check", "verdict", "")
    for name, finding in findings.items():
        said = f"{finding.said}; mend: {finding.mend}" if finding.mend else finding.said
        table.add_row(escape(name), f"[{_COLOURS[finding.level]}]{finding.level}[/]", escape(said))
    return table
