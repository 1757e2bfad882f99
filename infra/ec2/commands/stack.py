"""`ec2-workers setup` and `teardown`: what a bucket's fleets need of AWS, made and taken away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from env.errors import UsageError
from infra.ec2.aws import RegionOption
from protocol.commands.options import BucketChoice
from runner.commands.console import confirm, err, fail, note, nothing_to_do, out, print_json, progress
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from infra.ec2.stack.changes import Reporter
    from infra.ec2.stack.description import StackDescription


@flattened
def setup(
    where: BucketChoice,
    output: OutputChoice,
    vpc: Annotated[
        str | None, typer.Option(metavar="ID", help="Where machines will be. Default: the region's default VPC.")
    ] = None,
    closes_rounds: Annotated[
        bool,
        typer.Option(
            "--closes-rounds/--no-closes-rounds",
            help="Whether machines may close rounds, for `dispatch submit --barrier workers`.",
        ),
    ] = True,
    region: RegionOption = None,
    template_only: Annotated[
        bool, typer.Option("--template-only", help="Print the CloudFormation template, and ask AWS nothing.")
    ] = False,
) -> None:
    """Make what fleets need, as one CloudFormation stack.

    The bucket, a role for machines, a security group, policies for people.

    It may be repeated, which brings the stack up to date. A bucket that is there already is taken as it is.
    """
    from infra.access import policies

    bucket = where.bucket
    policies.bucket_arn(bucket)
    if vpc == "":
        raise UsageError("--vpc '': name one, or leave the option out")
    if template_only:
        _print_template(bucket, vpc, closes_rounds)
        return
    from infra.ec2.aws import Aws
    from infra.ec2.stack.changes import deploy
    from infra.ec2.stack.own_bucket import foreign_key, region_of, unprotected

    aws = Aws(region)
    with _reporting() as reporter:
        stack, change = deploy(aws, bucket, vpc=vpc, closes_rounds=closes_rounds, reporter=reporter)
    partition = stack.outputs["WorkerRoleArn"].split(":")[1]
    warnings = unprotected(aws, bucket, partition)
    if key := foreign_key(aws, bucket):
        who, rights = stack.outputs["WorkerRoleArn"], "kms:Decrypt and kms:GenerateDataKey"
        warnings.append(f"it is encrypted with {key}; that key's policy has to give {who} {rights}")
    bucket_region = region_of(aws, bucket)
    if bucket_region != aws.region:
        warnings.append(f"it is in {bucket_region}; machines in {aws.region} pay for what crosses regions")
    if output.as_json:
        about = {"stack": stack.name, "region": aws.region, "change": change.value, "bucket_region": bucket_region}
        print_json({**about, "outputs": dict(stack.outputs), "warnings": warnings})
        return
    out.print(f"stack {stack.name} in {aws.region}: {change.value}", highlight=False)
    _print_outputs(stack)
    for line in warnings:
        note(f"s3://{bucket}: {line}")


@flattened
def teardown(
    where: BucketChoice,
    output: OutputChoice,
    region: RegionOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take the stack away. The bucket stays, with all that is in it.

    Refused while machines of this bucket live in the region, or while the bucket has unfinished jobs. Exit code 3 if
    there is no stack.
    """
    from infra.access import policies
    from infra.ec2.aws import Aws
    from infra.ec2.launch.bake import baked_images, lone_snapshots
    from infra.ec2.stack.changes import delete, wait_for_others
    from infra.ec2.stack.description import stack_name
    from infra.ec2.stack.own_bucket import region_of
    from infra.ec2.stack.teardown import elsewhere, obstacles
    from protocol.commands.buckets import open_bucket

    bucket = where.bucket
    policies.bucket_arn(bucket)
    aws, name = Aws(region), stack_name(bucket)
    with _reporting() as reporter:
        stack = wait_for_others(aws, name, reporter)
    if stack is None or stack.status == "DELETE_COMPLETE":
        nothing_to_do(f"no stack {name} in {aws.region}: nothing to do")
    if lines := obstacles(aws, bucket, stack, open_bucket):
        for line in lines:
            note(line)
        fail(f"stack {name} in {aws.region} is still needed")
    others = elsewhere(aws, bucket, lambda regions: progress(regions, "looking into other regions"))
    for line in others.lines():
        note(line)
    images, snapshots = baked_images(aws, bucket), lone_snapshots(aws, bucket)
    kept = region_of(aws, bucket) is not None
    if not yes:
        confirm(f"Delete stack {name} in {aws.region}? The bucket stays.")
    with _reporting() as reporter:
        delete(aws, stack, reporter)
    if output.as_json:
        living = [{"id": each.id, "region": each.region} for each in others.instances]
        remains = {
            "bucket": bucket if kept else None,
            "images": [image.id for image in images],
            "snapshots": snapshots,
        }
        print_json({"stack": name, "region": aws.region, **remains, "elsewhere": living, "unseen": others.unseen})
        return
    out.print(f"stack {name} in {aws.region}: deleted", highlight=False)
    if kept:
        command = f"aws s3api delete-bucket-policy --bucket {bucket}; aws s3 rb --force s3://{bucket}"
        out.print(f"s3://{bucket} stays, with all that is in it. To delete it for good:", highlight=False)
        out.print(f"  {command}", highlight=False, soft_wrap=True)
    for image in images:
        out.print(f"image {image.id} ({image.name}) stays, and costs. To delete it:", markup=False, highlight=False)
        out.print(f"  {image.removal}", markup=False, highlight=False, soft_wrap=True)
    for snapshot in snapshots:
        command = f"aws ec2 delete-snapshot --region {aws.region} --snapshot-id {snapshot}"
        out.print(f"snapshot {snapshot}, whose image is gone, stays, and costs. To delete it:", highlight=False)
        out.print(f"  {command}", highlight=False, soft_wrap=True)


@contextmanager
def _reporting() -> Iterator[Reporter]:
    """Lines on stderr; where that is a terminal, also what CloudFormation does right now."""
    from rich.markup import escape

    from infra.ec2.stack.changes import Reporter

    with err.status("") as spinner:
        try:
            yield Reporter(
                say=note,
                show=lambda line: spinner.update(escape(line)),
            )
        except KeyboardInterrupt:
            note("CloudFormation goes on by itself; the same command again waits for it")
            raise


def _print_template(bucket: str, vpc: str | None, closes_rounds: bool) -> None:
    from infra.ec2.stack.description import stack_name
    from infra.ec2.stack.template import template

    print_json(template(closes_rounds=closes_rounds))
    line = (
        f"aws cloudformation deploy --stack-name {stack_name(bucket)} --template-file FILE"
        f" --capabilities CAPABILITY_IAM --parameter-overrides Bucket={bucket} Vpc={vpc or 'VPC'} CreateBucket=true"
    )
    note(f"to make it: {line}", whole=True)
    note("(CreateBucket=false if the bucket is there already)")


def _print_outputs(stack: StackDescription) -> None:
    width = max(map(len, stack.outputs))
    for name, value in stack.outputs.items():
        out.print(f"  {name:{width}}  {value}", markup=False, highlight=False, soft_wrap=True)
