"""Create, update and delete the CloudFormation stack of a bucket in a region.

CloudFormation continues by itself once it was asked, so a change that is under way is waited for first:

    no stack              create
    complete              update; "No updates are to be performed" is fine
    rolled back, deleting failed, never executed     nothing in it is of use: delete, then create
    update rolled back badly                         only a person can help
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from env.errors import SimArenaError, UsageError
from infra.ec2.aws import Aws, AwsError
from infra.ec2.fleet import PROJECT, Tag
from infra.ec2.stack.description import StackDescription, describe, last_events, reasons, stack_name
from infra.ec2.stack.own_bucket import region_of
from infra.ec2.stack.template import template

POLL_S = 3.0


_BEGUN = ("AlreadyExistsException", "TokenAlreadyExistsException")


class Change(Enum):
    """What `deploy` did to the stack."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


class StackAction(Enum):
    """What a stack needs next to become as it should be."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    HELP = "help"


_ACTIONS = {
    "REVIEW_IN_PROGRESS": StackAction.DELETE,
    "CREATE_FAILED": StackAction.DELETE,
    "ROLLBACK_COMPLETE": StackAction.DELETE,
    "ROLLBACK_FAILED": StackAction.DELETE,
    "DELETE_FAILED": StackAction.DELETE,
    "UPDATE_ROLLBACK_FAILED": StackAction.HELP,
    "IMPORT_ROLLBACK_FAILED": StackAction.HELP,
}


@dataclass(frozen=True)
class Reporter:
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


def next_action(stack: StackDescription | None) -> StackAction:
    """What to do with a stack that no operation is changing."""
    if stack is None or stack.status == "DELETE_COMPLETE":
        return StackAction.CREATE
    return _ACTIONS.get(stack.status, StackAction.UPDATE)


def deploy(
    aws: Aws, bucket: str, *, vpc: str | None, closes_rounds: bool, reporter: Reporter
) -> tuple[StackDescription, Change]:
    """Make a bucket's stack in a region, or bring it up to date.

    Args:
        vpc: None takes the region's default VPC, of an existing stack the one it has.

    Raises:
        StackFailed: CloudFormation could not do it.
        SimArenaError: the bucket belongs to another account, or is gone although the stack is there.
        UsageError: there is no default VPC.
        AwsError: AWS refused.
    """
    name, body = stack_name(bucket), json.dumps(template(closes_rounds=closes_rounds), separators=(",", ":"))
    tried: Change | None = None
    while True:
        stack = wait_for_others(aws, name, reporter)
        action = next_action(stack)
        if stack is not None and action is StackAction.HELP:
            raise StackFailed(_stuck(aws, stack))
        if stack is not None and action is StackAction.DELETE:
            reporter.say(f"stack {name} is {stack.status}, of no use as it is: deleting it, to make it again")
            delete(aws, stack, reporter)
            continue
        if stack is None or action is StackAction.CREATE:
            wanted, parameters = Change.CREATED, _first_parameters(aws, bucket, vpc)
            reporter.say(f"creating stack {name} in {aws.region}: about two minutes")
        else:
            wanted, parameters = Change.UPDATED, _kept_parameters(aws, bucket, vpc)
        asked = _ask(aws, wanted, name, body, parameters)
        if asked is Change.UNCHANGED and stack is not None:
            return stack, tried or asked
        if asked is not None:
            return _whole(aws, _wait(aws, name, reporter), name), asked
        tried = wanted


def delete(aws: Aws, stack: StackDescription, reporter: Reporter) -> None:
    """Delete a stack and wait until it is gone; what its template keeps, stays.

    Raises:
        StackFailed: something in it cannot be deleted.
        AwsError: AWS refused.
    """
    aws.ask("cloudformation", "delete_stack", StackName=stack.id, ClientRequestToken=uuid.uuid4().hex)
    left = _wait(aws, stack.id, reporter)
    if left is not None and left.status != "DELETE_COMPLETE":
        raise StackFailed(f"stack {left.name} in {aws.region} is {left.status}: {reasons(aws, left)}")


def wait_for_others(aws: Aws, name: str, reporter: Reporter) -> StackDescription | None:
    """The stack, once another process's operation on it is over; None if there is none."""
    stack = describe(aws, name)
    if stack is None or not stack.under_way:
        return stack
    reporter.say(f"stack {name} is {stack.status} already; waiting for that to end")
    return _wait(aws, name, reporter)


def _wait(aws: Aws, name: str, reporter: Reporter) -> StackDescription | None:
    while (stack := describe(aws, name)) and stack.under_way:
        reporter.show(_newest(aws, stack))
        reporter.pause(POLL_S)
    return stack


def _newest(aws: Aws, stack: StackDescription) -> str:
    row = next(iter(last_events(aws, stack)), None)
    return f"{row['LogicalResourceId']} {row['ResourceStatus']}" if row else stack.status


def _ask(aws: Aws, change: Change, name: str, body: str, parameters: list[dict[str, Any]]) -> Change | None:
    """Ask for a stack; None if another process was faster, so that it has to be described again."""
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


def _whole(aws: Aws, stack: StackDescription | None, name: str) -> StackDescription:
    if stack is None:
        raise StackFailed(f"stack {name} in {aws.region}: it was deleted meanwhile")
    if stack.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise StackFailed(f"stack {name} in {aws.region} ended as {stack.status}: {reasons(aws, stack)}")
    return stack


def _stuck(aws: Aws, stack: StackDescription) -> str:
    line = f"stack {stack.name} in {aws.region} is {stack.status}: {reasons(aws, stack)}"
    cure = f"aws cloudformation continue-update-rollback --stack-name {stack.name} --region {aws.region}"
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
    found = [row["VpcId"] for row in aws.pages("ec2", "describe_vpcs", "Vpcs", filters={"is-default": ["true"]})]
    if not found:
        raise UsageError(f"{aws.region} has no default VPC: pass --vpc ID (aws ec2 describe-vpcs shows them)")
    return str(found[0])
