"""`sim-arena workers job`: prints what `kubectl apply -f -` makes workers of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from env.errors import UsageError
from protocol.commands.options import BucketChoice, LeaseChoice, OwnerChoice
from runner.commands.console import note, print_lines
from runner.options.flatten import flattened

if TYPE_CHECKING:
    from infra.ec2.launch.code import Code


@dataclass(frozen=True, kw_only=True)
class PodChoice:
    """How many workers, and what they run."""

    panel: ClassVar[str] = "Pods"

    count: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="So many pods, each with one worker.")]
    name: Annotated[str, typer.Option(metavar="NAME", help="Of the Job and its ServiceAccount.")] = "sim-arena-workers"
    namespace: Annotated[
        str | None, typer.Option(metavar="NAME", help="Default: none is named, so kubectl's own is used.")
    ] = None
    run_once: Annotated[
        bool, typer.Option("--run-once", help="Each pod runs one job. Default: until no job is unfinished.")
    ] = False
    max_hours: Annotated[
        float, typer.Option(metavar="HOURS", min=0.1, max=8760, help="After so many hours the Job ends its pods.")
    ] = 12.0
    image: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGE", help="An image with Sim-Arena in it. Default: a plain Python, and this code as a wheel."
        ),
    ] = None
    source: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Code to run: a checkout, or a wheel beside its requirements.lock. Default: this one."
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class CredentialsChoice:
    """Where pods get the bucket's credentials; none is ever in the manifest."""

    panel: ClassVar[str] = "Credentials"

    role_arn: Annotated[str | None, typer.Option(metavar="ARN", help="On EKS: the IAM role that pods take (IRSA).")] = (
        None
    )
    secret: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Elsewhere: a Secret with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, …"),
    ] = None
    region: Annotated[
        str | None, typer.Option(metavar="NAME", help="The bucket's region. Default: what IRSA or the Secret says.")
    ] = None


@flattened
def job(
    where: BucketChoice, owner: OwnerChoice, pods: PodChoice, credentials: CredentialsChoice, lease: LeaseChoice
) -> None:
    """Print a Kubernetes Job of workers; without --image, put this code into the bucket for them to install."""
    from infra.ec2.launch import code
    from infra.kubernetes.job import BASE_IMAGE, JobSpec, text

    if pods.image is not None and pods.source is not None:
        raise UsageError("--source: an image of --image has its own code; leave one out")
    given: dict[str, Any] = {
        "bucket": where.bucket,
        "bucket_owner": owner.bucket_owner,
        "count": pods.count,
        "name": pods.name,
        "namespace": pods.namespace,
        "run_once": pods.run_once,
        "max_hours": pods.max_hours,
        "lease_ttl": lease.lease_ttl,
        **vars(credentials),
    }
    if pods.image is not None:
        print_lines(text(JobSpec(**given, image=pods.image)))
        note(f"the credentials need: sim-arena policy worker --bucket {where.bucket}")
        return
    JobSpec(**given)  # refused before anything is uploaded
    source = pods.source or code.HERE
    code.check(source)
    found = _upload(where.bucket, owner.bucket_owner, source)
    lock = ((source.parent if source.is_file() else source) / "requirements.lock").read_text(encoding="utf-8")
    print_lines(text(JobSpec(**given, image=BASE_IMAGE, code=found, lock=lock)))
    note(f"in the bucket: {found.wheel.key}", whole=True)
    note(f"the credentials need: sim-arena policy machine --bucket {where.bucket}")


def _upload(bucket: str, owner: str | None, source: Path) -> Code:
    from infra.ec2.launch.code import upload
    from protocol.commands.buckets import open_bucket

    return upload(open_bucket(bucket, "workers", owner), source)
