"""`sim-arena policy`: prints what to give to IAM and to the bucket."""

from __future__ import annotations

import json
import re
from typing import Annotated

import typer

from env.errors import UsageError, nearest
from infra.access import accounts, policies
from infra.access.policies import Partition, Role
from protocol.commands.options import BucketChoice
from protocol.wire import ids
from runner.commands.console import note, print_json
from runner.options import completion
from runner.options.flatten import flattened

BUCKET = "bucket"  # the policy of the bucket itself, beside those of the roles
LAUNCHER, MACHINE = "launcher", "machine"  # who launches fleets on EC2, and what is launched
_WORKER_ROLE = "arn:{}:iam::*:role/{}-WorkerRole-*"
_UNCUT = 64 - len("-WorkerRole-") - 13  # of a role's 64 characters: a longer stack's name is cut, and 13 are random
_KNOWN = [*(role.value for role in Role), BUCKET, LAUNCHER, MACHINE]


@flattened
def policy(
    role: Annotated[
        str,
        typer.Argument(
            metavar="ROLE",
            help=f"Whose policy: {', '.join(_KNOWN)}. bucket: its own; launcher, machine: of fleets on EC2.",
            autocompletion=completion.of(_KNOWN),
        ),
    ],
    where: BucketChoice,
    job: Annotated[
        str | None, typer.Option(metavar="ID", help="Confine a worker to this job, which `worker --job` runs.")
    ] = None,
    closes_rounds: Annotated[
        bool,
        typer.Option(
            "--closes-rounds", help="For workers and machines of federations submitted with --barrier workers."
        ),
    ] = False,
    worker_role: Annotated[
        str | None,
        typer.Option(
            metavar="ARN",
            help="The machines' role, which a launcher passes on. Default: that of the bucket's stack, in any account.",
        ),
    ] = None,
    member: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID=WHO",
            help="Of a bucket: let another account's number, or the ARN of a role of it, work on this member's job. "
            "May be given again.",
        ),
    ] = None,
    partition: Annotated[
        Partition, typer.Option(metavar="NAME", help=f"The part of AWS that the bucket is in: {', '.join(Partition)}.")
    ] = Partition.AWS,
) -> None:
    """Print the IAM policy of a role, or the bucket's own policy, as JSON."""
    name = where.bucket
    arn = policies.bucket_arn(name, partition)
    if worker_role is not None and role != LAUNCHER:
        raise UsageError(f"policy {role}: --worker-role is for launchers only")
    if member and role != BUCKET:
        raise UsageError(f"policy {role}: --member is for the bucket's own policy only")
    if role in (BUCKET, LAUNCHER, MACHINE) and (job is not None or (closes_rounds and role != MACHINE)):
        raise UsageError(f"policy {role}: --job and --closes-rounds are for workers only")
    if role == LAUNCHER:
        print_json(_launcher(name, partition, worker_role))
    elif role == MACHINE:
        from infra.ec2.stack.permissions import machine_policy

        print_json(machine_policy(arn, closes_rounds=closes_rounds))
    elif role == BUCKET:
        _print_bucket(name, arn, _members(member or [], partition))
    else:
        print_json(policies.role_policy(_role(role), arn, job_id=job, closes_rounds=closes_rounds))


def _members(given: list[str], partition: Partition) -> dict[str, str]:
    members = {}
    for each in given:
        job_id, equals, who = each.partition("=")
        if not equals or job_id in members:
            raise UsageError(f"--member {each[:200]!r}: expected ID=WHO, each job once; shop-m0003=222222222222")
        members[ids.valid_id(job_id, "--member")] = accounts.principal_of(who, partition)
    return members


def _print_bucket(bucket: str, arn: str, members: dict[str, str]) -> None:
    print_json(accounts.shared_bucket_policy(arn, members))
    block = ",".join(f"{name}={json.dumps(value)}" for name, value in policies.PUBLIC_ACCESS_BLOCK.items())
    command = f"aws s3api put-public-access-block --bucket {bucket} --public-access-block-configuration {block}"
    note(f"beside it: {command}", whole=True)
    if members:  # else an object of theirs would be theirs, also against the bucket's owner
        rules = "Rules=[{ObjectOwnership=BucketOwnerEnforced}]"
        note(
            f"and: aws s3api put-bucket-ownership-controls --bucket {bucket} --ownership-controls {rules!r}", whole=True
        )


def _launcher(bucket: str, partition: Partition, worker_role: str | None) -> policies.Document:
    from infra.ec2.stack.description import stack_name
    from infra.ec2.stack.permissions import Scope, launcher_policy

    if worker_role is None:
        stack = stack_name(bucket)
        if len(stack) > _UNCUT:
            raise UsageError(
                f"policy launcher: the name of bucket {bucket} is too long to tell its machines' role from others'; "
                "pass --worker-role, which `ec2-workers setup` prints as WorkerRoleArn"
            )
        return launcher_policy(Scope(bucket, stack, _WORKER_ROLE.format(partition, stack), partition))
    found = re.fullmatch(rf"arn:{partition}:iam::([0-9]{{12}}):role/[\w+=,.@/-]+", worker_role)
    if found is None:
        raise UsageError(
            f"--worker-role {worker_role[:200]!r}: no role's ARN in partition {partition.value}; "
            "`ec2-workers setup` prints it as WorkerRoleArn"
        )
    return launcher_policy(Scope(bucket, stack_name(bucket), worker_role, partition, account=found[1]))


def _role(name: str) -> Role:
    try:
        return Role(name)
    except ValueError:
        raise UsageError(f"policy {name!r} is unknown; {nearest(name, _KNOWN)}") from None
