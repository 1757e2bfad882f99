"""The CloudFormation stack of a bucket in a region: read it, make it, remove it.

CloudFormation goes on by itself once it was asked, so whatever is under way, by whomever, is waited for first:

    no stack              create
    complete              update; "No updates are to be performed" is fine
    rolled back, deleting failed, never executed     nothing in it is of use: delete, then create
    update rolled back badly                         only a person can help
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Any

from env.errors import SimArenaError, one_line
from infra.ec2.aws import Aws, AwsError
from infra.ec2.fleet import PROJECT, Tag
from infra.ec2.stack.own_bucket import region_of
from infra.ec2.stack.template import template
from protocol.wire.errors import UsageError

POLL_S = 3.0

_BEGINNINGS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
_BEGUN = ("AlreadyExistsException", "TokenAlreadyExistsException")
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
class Seen:
    """A stack as CloudFormation describes it."""

    id: str
    name: str
    status: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]

    @property
    def under_way(self) -> bool:
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"


class Change(Enum):
    """What `make` came to."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


class Step(Enum):
    """What a stack needs next to become as it should be."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    HELP = "help"


_STEPS = {
    "REVIEW_IN_PROGRESS": Step.DELETE,
    "CREATE_FAILED": Step.DELETE,
    "ROLLBACK_COMPLETE": Step.DELETE,
    "ROLLBACK_FAILED": Step.DELETE,
    "DELETE_FAILED": Step.DELETE,
    "UPDATE_ROLLBACK_FAILED": Step.HELP,
    "IMPORT_ROLLBACK_FAILED": Step.HELP,
}


@dataclass(frozen=True)
class Teller:
    """How a person follows what goes on.

    Attributes:
        say: a line that stays.
        show: what CloudFormation does right now.
        pause: waits so many seconds.
    """

    say: Callable[[str], None]
    show: Callable[[str], None] = lambda line: None
    pause: Callable[[float], None] = time.sleep


class StackFailed(SimArenaError):
    """CloudFormation could not do it; the message names the resources and why."""


def stack_name(bucket: str) -> str:
    """The name of a bucket's stack: the same in all regions. Dots, which it may not have, become a hash."""
    told_apart = f"-{sha256(bucket.encode()).hexdigest()[:8]}" if "." in bucket else ""
    return f"sim-arena-{bucket.replace('.', '-')}{told_apart}"


def read(aws: Aws, bucket: str) -> Stack:
    """A bucket's stack in a region.

    Raises:
        SimArenaError: there is none, or it is not whole.
        AwsError: it cannot be read.
    """
    name = stack_name(bucket)
    advice = f"run: ec2-workers setup --bucket {bucket} --region {aws.region}"
    seen = look(aws, name)
    if seen is None:
        raise SimArenaError(f"no stack {name} in {aws.region}; {advice}")
    if seen.status.startswith("DELETE"):  # it still tells its outputs, of which some are gone
        raise SimArenaError(f"stack {name} in {aws.region} is {seen.status}; {advice}")
    outputs = seen.outputs
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
            f"stack {name} in {aws.region} is {seen.status} and has no {error.args[0]}; {advice}"
        ) from None


def look(aws: Aws, name: str) -> Seen | None:
    """A stack by its name, or by its id, which also finds one that was deleted; None if there is none."""
    try:
        row = aws.ask("cloudformation", "describe_stacks", StackName=name)["Stacks"][0]
    except AwsError as error:
        if error.code == "ValidationError" and "does not exist" in str(error):
            return None
        raise
    return Seen(
        id=row["StackId"],
        name=row["StackName"],
        status=row["StackStatus"],
        parameters={each["ParameterKey"]: each["ParameterValue"] for each in row.get("Parameters", ())},
        outputs={each["OutputKey"]: each["OutputValue"] for each in row.get("Outputs", ())},
    )


def next_step(seen: Seen | None) -> Step:
    """What to do with a stack that nobody is working on."""
    if seen is None or seen.status == "DELETE_COMPLETE":
        return Step.CREATE
    return _STEPS.get(seen.status, Step.UPDATE)


def make(aws: Aws, bucket: str, *, vpc: str | None, closes_rounds: bool, teller: Teller) -> tuple[Seen, Change]:
    """Make a bucket's stack in a region, or bring it up to date.

    Args:
        vpc: None takes the region's default VPC, of an existing stack the one it has.

    Raises:
        StackFailed: CloudFormation could not do it.
        SimArenaError: the bucket is somebody else's, or gone although the stack is there.
        UsageError: there is no default VPC.
        AwsError: AWS refused.
    """
    name, body = stack_name(bucket), json.dumps(template(closes_rounds=closes_rounds), separators=(",", ":"))
    tried: Change | None = None
    while True:
        seen = settled(aws, name, teller)
        step = next_step(seen)
        if seen is not None and step is Step.HELP:
            raise StackFailed(_stuck(aws, seen))
        if seen is not None and step is Step.DELETE:
            teller.say(f"stack {name} is {seen.status}, of no use as it is: deleting it, to make it again")
            remove(aws, seen, teller)
            continue
        if seen is None or step is Step.CREATE:
            wanted, parameters = Change.CREATED, _first_parameters(aws, bucket, vpc)
            teller.say(f"creating stack {name} in {aws.region}: about two minutes")
        else:
            wanted, parameters = Change.UPDATED, _kept_parameters(aws, bucket, vpc)
        asked = _ask(aws, wanted, name, body, parameters)
        if asked is Change.UNCHANGED and seen is not None:
            return seen, tried or asked
        if asked is not None:
            return _whole(aws, _until_settled(aws, name, teller), name), asked
        tried = wanted


def remove(aws: Aws, seen: Seen, teller: Teller) -> None:
    """Delete a stack and wait until it is gone; what its template keeps, stays.

    Raises:
        StackFailed: something in it cannot be deleted.
        AwsError: AWS refused.
    """
    aws.ask("cloudformation", "delete_stack", StackName=seen.id, ClientRequestToken=uuid.uuid4().hex)
    left = _until_settled(aws, seen.id, teller)
    if left is not None and left.status != "DELETE_COMPLETE":
        raise StackFailed(f"stack {left.name} in {aws.region} is {left.status}: {reasons(aws, left)}")


def settled(aws: Aws, name: str, teller: Teller) -> Seen | None:
    """The stack, once what somebody else has begun is over; None if there is none."""
    seen = look(aws, name)
    if seen is None or not seen.under_way:
        return seen
    teller.say(f"stack {name} is {seen.status} already; waiting for that to end")
    return _until_settled(aws, name, teller)


def reasons(aws: Aws, seen: Seen) -> str:
    """Why the last change of a stack failed: the resources, and what AWS said of them."""
    failed = [row for row in _last_events(aws, seen) if row["ResourceStatus"].endswith("_FAILED")]
    # What was given up because something else had failed tells nothing.
    told = [row for row in failed if "cancelled" not in row.get("ResourceStatusReason", "cancelled")]
    lines = [
        f"{row['LogicalResourceId']} ({row['ResourceType']}): {row['ResourceStatusReason']}" for row in reversed(told)
    ]
    return one_line("; ".join(lines[:_MOST_REASONS])) or "CloudFormation does not say why"


def _last_events(aws: Aws, seen: Seen) -> Iterator[Any]:
    """The events of the last change, newest first."""
    for row in aws.pages("cloudformation", "describe_stack_events", "StackEvents", StackName=seen.id):
        yield row
        if row.get("PhysicalResourceId") == seen.id and row["ResourceStatus"] in _BEGINNINGS:
            return


def _until_settled(aws: Aws, name: str, teller: Teller) -> Seen | None:
    while (seen := look(aws, name)) and seen.under_way:
        teller.show(_newest(aws, seen))
        teller.pause(POLL_S)
    return seen


def _newest(aws: Aws, seen: Seen) -> str:
    row = next(iter(_last_events(aws, seen)), None)
    return f"{row['LogicalResourceId']} {row['ResourceStatus']}" if row else seen.status


def _ask(aws: Aws, change: Change, name: str, body: str, parameters: list[dict[str, Any]]) -> Change | None:
    """Ask for a stack; None if somebody else was faster, so that it has to be looked at again."""
    try:
        aws.ask(
            "cloudformation",
            "create_stack" if change is Change.CREATED else "update_stack",
            StackName=name,
            TemplateBody=body,
            Parameters=parameters,
            Capabilities=["CAPABILITY_IAM"],
            Tags=[{"Key": Tag.PROJECT.value, "Value": PROJECT}],
            ClientRequestToken=uuid.uuid4().hex,
        )
    except AwsError as error:
        if "No updates are to be performed" in str(error):
            return Change.UNCHANGED
        if error.code in _BEGUN or "_IN_PROGRESS state" in str(error):
            return None  # or this request itself, whose first answer was lost
        raise
    return change


def _whole(aws: Aws, seen: Seen | None, name: str) -> Seen:
    if seen is None:
        raise StackFailed(f"stack {name} in {aws.region}: somebody deleted it meanwhile")
    if seen.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise StackFailed(f"stack {name} in {aws.region} ended as {seen.status}: {reasons(aws, seen)}")
    return seen


def _stuck(aws: Aws, seen: Seen) -> str:
    line = f"stack {seen.name} in {aws.region} is {seen.status}: {reasons(aws, seen)}"
    cure = f"aws cloudformation continue-update-rollback --stack-name {seen.name} --region {aws.region}"
    return f"{line}; mend that, run: {cure}, then setup again"


def _first_parameters(aws: Aws, bucket: str, vpc: str | None) -> list[dict[str, Any]]:
    creates = region_of(aws, bucket) is None
    values = {"Bucket": bucket, "CreateBucket": json.dumps(creates), "Vpc": vpc or _default_vpc(aws)}
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]


def _kept_parameters(aws: Aws, bucket: str, vpc: str | None) -> list[dict[str, Any]]:
    """Those of before: a bucket that the stack has made is there by now, and must stay part of it."""
    if region_of(aws, bucket) is None:
        where = f"--bucket {bucket} --region {aws.region}"
        raise SimArenaError(f"s3://{bucket} is gone, its stack is not; run: ec2-workers teardown {where}, then setup")
    moved = {"ParameterKey": "Vpc", "ParameterValue": vpc}
    kept = [{"ParameterKey": name, "UsePreviousValue": True} for name in ("Bucket", "CreateBucket", "Vpc")]
    return [*kept[:2], moved] if vpc else kept


def _default_vpc(aws: Aws) -> str:
    only = [{"Name": "is-default", "Values": ["true"]}]
    found = [row["VpcId"] for row in aws.pages("ec2", "describe_vpcs", "Vpcs", Filters=only)]
    if not found:
        raise UsageError(f"{aws.region} has no default VPC: pass --vpc ID (aws ec2 describe-vpcs shows them)")
    return str(found[0])
