"""What tests of `ec2-workers setup` and `teardown` share: the commands in this process, and stacks to start from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from double import ACCOUNT
from typer.testing import CliRunner

from infra.access.policies import Role, role_policy
from infra.ec2.aws import Aws
from infra.ec2.commands.main import app
from infra.ec2.fleet import launch_tags
from infra.ec2.stack import changes
from infra.ec2.stack.changes import Change, Reporter
from infra.ec2.stack.description import StackDescription, describe
from infra.ec2.stack.template import template
from infra.local import s3

BUCKET, NAME, ARN = "the-bucket", "sim-arena-the-bucket", "arn:aws:s3:::the-bucket"


@dataclass
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str


def run(command: str, *options: str) -> Done:
    """A command, in this process; errors that `ec2-workers` would print are raised."""
    done = CliRunner().invoke(app, [command, "--bucket", BUCKET, *options], catch_exceptions=False)
    return Done(done.exit_code, done.stdout, done.stderr)


@cache
def aws(region: str = s3.REGION) -> Aws:
    return Aws(region)


def make(**changed: Any) -> tuple[StackDescription, Change]:
    """What `setup` does, without its command line."""
    settings = {"vpc": None, "closes_rounds": True, "reporter": Reporter(lambda line: None), **changed}
    return changes.deploy(aws(), BUCKET, **settings)


def stand_in(region: str = s3.REGION) -> None:
    """A bucket, and a stack as setup makes it, but with next to nothing in it, which takes moto less time."""
    policy = {"PolicyDocument": role_policy(Role.READER, ARN)}
    least = {"Something": {"Type": "AWS::IAM::ManagedPolicy", "Properties": policy}}
    outputs = {"SomethingPolicyArn": {"Value": {"Ref": "Something"}}}
    body = json.dumps({**template(), "Conditions": {}, "Resources": least, "Outputs": outputs})
    values = {"Bucket": BUCKET, "CreateBucket": "false", "Vpc": "vpc-1"}
    rows = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
    aws(region).ask("cloudformation", "create_stack", StackName=NAME, TemplateBody=body, Parameters=rows)
    aws().ask("s3", "create_bucket", Bucket=BUCKET)


def setup(*options: str) -> Any:
    done = run("setup", "--json", *options)
    assert done.code == 0
    return json.loads(done.out)


def teardown(*options: str) -> Done:
    return run("teardown", "--yes", *options)


def seen() -> StackDescription:
    found = describe(aws(), NAME)
    assert found is not None
    return found


def has_stack(region: str = s3.REGION) -> bool:
    return describe(aws(region), NAME) is not None


def launch(region: str = s3.REGION, bucket: str = BUCKET) -> str:
    """A machine of the bucket's; its id."""
    image = aws(region).ask("ec2", "describe_images", Owners=["amazon"])["Images"][0]["ImageId"]
    tags = [{"ResourceType": "instance", "Tags": launch_tags("fleet-1", bucket, "me", 0.0, None)}]
    count = {"MinCount": 1, "MaxCount": 1}
    answer = aws(region).ask(
        "ec2", "run_instances", ImageId=image, InstanceType="m5.large", TagSpecifications=tags, **count
    )
    return str(answer["Instances"][0]["InstanceId"])


def put(*keys_: str) -> None:
    for key in keys_:
        aws().ask("s3", "put_object", Bucket=BUCKET, Key=key, Body=b"{}")


def create_bucket(region: str = s3.REGION) -> None:
    place = {} if region == s3.REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    aws(region).ask("s3", "create_bucket", Bucket=BUCKET, **place)


def backend() -> Any:
    from moto.cloudformation.models import cloudformation_backends

    return cloudformation_backends[ACCOUNT][s3.REGION]


def moto_stack() -> Any:
    [found] = [each for each in backend().stacks.values() if each.name == NAME]
    return found


def event(name: str, kind: str, status: str, reason: str | None = None) -> None:
    """What CloudFormation says of a resource; moto says it of whole stacks only."""
    from moto.cloudformation.models import Event

    made = moto_stack()
    physical = made.stack_id if kind == "AWS::CloudFormation::Stack" else "physical"
    row = Event(made.stack_id, NAME, name, physical, kind, status, reason, None)
    row.timestamp = datetime.now(UTC)
    made.events.append(row)
