"""`sim-arena policy`: prints what to give to IAM and to the bucket."""

from __future__ import annotations

import difflib
import json
from typing import Annotated

import typer

from env.cli import err, print_json
from infra import policies
from infra.policies import Partition, Role
from protocol.console import BucketOption
from protocol.errors import UsageError

BUCKET = "bucket"  # the policy of the bucket itself, beside those of the roles


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(policy)


def policy(
    role: Annotated[
        str, typer.Argument(metavar="|".join([*Role, BUCKET]), help="Whose policy; 'bucket': the bucket's own.")
    ],
    bucket: BucketOption,
    job: Annotated[str | None, typer.Option(help="Confine a worker to this job, which `worker --job` runs.")] = None,
    closes_rounds: Annotated[
        bool, typer.Option("--closes-rounds", help="For workers of federations submitted with --barrier workers.")
    ] = False,
    partition: Annotated[Partition, typer.Option(help="The part of AWS that the bucket is in.")] = Partition.AWS,
) -> None:
    """Print the IAM policy of a role, or the bucket's own policy, as JSON."""
    arn = policies.bucket_arn(bucket, partition)
    if role != BUCKET:
        print_json(policies.role_policy(_role(role), arn, job_id=job, closes_rounds=closes_rounds))
        return
    if job is not None or closes_rounds:
        raise UsageError("policy bucket: --job and --closes-rounds are for workers only")
    print_json(policies.bucket_policy(arn))
    block = ",".join(f"{name}={json.dumps(value)}" for name, value in policies.PUBLIC_ACCESS_BLOCK.items())
    err.print(
        f"beside it: aws s3api put-public-access-block --bucket {bucket} --public-access-block-configuration {block}",
        highlight=False,
    )


def _role(name: str) -> Role:
    try:
        return Role(name)
    except ValueError:
        known = [*(each.value for each in Role), BUCKET]
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(known)}"
        raise UsageError(f"policy {name!r}: unknown; {hint}") from None
