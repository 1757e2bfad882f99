"""A bucket's CloudFormation stack in a region, as AWS describes it: outputs, status, and why a change failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from env.errors import SimArenaError, one_line
from infra.ec2.aws import Aws, AwsError

_BEGINNINGS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")


_MOST_REASONS = 4


@dataclass(frozen=True)
class Stack:
    """What launching needs to know of it."""

    name: str
    bucket: str
    vpc: str
    security_group: str
    instance_profile_arn: str
    worker_role_arn: str


@dataclass(frozen=True)
class StackDescription:
    """A stack as CloudFormation describes it."""

    id: str
    name: str
    status: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]

    @property
    def under_way(self) -> bool:
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"


def stack_name(bucket: str) -> str:
    """The name of a bucket's stack: the same in all regions. Dots, which it may not have, become a hash."""
    told_apart = f"-{sha256(bucket.encode()).hexdigest()[:8]}" if "." in bucket else ""
    return f"sim-arena-{bucket.replace('.', '-')}{told_apart}"


def read_stack(aws: Aws, bucket: str) -> Stack:
    """A bucket's stack in a region.

    Raises:
        SimArenaError: there is none, or it is not whole.
        AwsError: it cannot be read.
    """
    name = stack_name(bucket)
    advice = f"run: ec2-workers setup --bucket {bucket} --region {aws.region}"
    stack = describe(aws, name)
    if stack is None:
        raise SimArenaError(f"no stack {name} in {aws.region}; {advice}")
    if stack.status.startswith("DELETE"):  # it still tells its outputs, of which some are gone
        raise SimArenaError(f"stack {name} in {aws.region} is {stack.status}; {advice}")
    outputs = stack.outputs
    try:
        return Stack(
            name=name,
            bucket=outputs["Bucket"],
            vpc=outputs["VpcId"],
            security_group=outputs["SecurityGroupId"],
            instance_profile_arn=outputs["InstanceProfileArn"],
            worker_role_arn=outputs["WorkerRoleArn"],
        )
    except KeyError as error:
        raise SimArenaError(
            f"stack {name} in {aws.region} is {stack.status} and has no {error.args[0]}; {advice}"
        ) from None


def describe(aws: Aws, name: str) -> StackDescription | None:
    """A stack by its name, or by its id, which also finds one that was deleted; None if there is none."""
    try:
        row = aws.ask("cloudformation", "describe_stacks", StackName=name)["Stacks"][0]
    except AwsError as error:
        if error.code == "ValidationError" and "does not exist" in str(error):
            return None
        raise
    return StackDescription(
        id=row["StackId"],
        name=row["StackName"],
        status=row["StackStatus"],
        parameters={each["ParameterKey"]: each["ParameterValue"] for each in row.get("Parameters", ())},
        outputs={each["OutputKey"]: each["OutputValue"] for each in row.get("Outputs", ())},
    )


def reasons(aws: Aws, stack: StackDescription) -> str:
    """Why the last change of a stack failed: the resources, and what AWS said of them."""
    failed = [row for row in last_events(aws, stack) if row["ResourceStatus"].endswith("_FAILED")]
    # What was given up because something else had failed tells nothing.
    told = [row for row in failed if "cancelled" not in row.get("ResourceStatusReason", "cancelled")]
    lines = [
        f"{row['LogicalResourceId']} ({row['ResourceType']}): {row['ResourceStatusReason']}" for row in reversed(told)
    ]
    return one_line("; ".join(lines[:_MOST_REASONS])) or "CloudFormation does not say why"


def last_events(aws: Aws, stack: StackDescription) -> Iterator[Any]:
    """The events of the last change, newest first."""
    for row in aws.pages("cloudformation", "describe_stack_events", "StackEvents", StackName=stack.id):
        yield row
        if row.get("PhysicalResourceId") == stack.id and row["ResourceStatus"] in _BEGINNINGS:
            return
