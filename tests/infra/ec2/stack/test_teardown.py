"""`ec2-workers teardown` against the double."""

from __future__ import annotations

import json
import os
import pty

import pytest
from double import Double, Request
from stacks import (
    BUCKET,
    NAME,
    aws,
    backend,
    event,
    has_stack,
    launch,
    make,
    moto_stack,
    put,
    seen,
    stand_in,
    teardown,
)

from infra.ec2.aws import AwsError
from infra.ec2.commands.main import app
from infra.ec2.fleet import launch_tags
from infra.ec2.launch.bake import lone_snapshots
from infra.ec2.stack.changes import Change, StackFailed
from infra.ec2.stack.own_bucket import unprotected
from infra.ec2.stack.teardown import obstacles
from protocol.commands.buckets import open_bucket
from protocol.wire import keys

pytestmark = pytest.mark.usefixtures("regions")


def test_teardown_takes_the_stack_and_leaves_the_bucket_protected_and_setup_takes_it_again() -> None:
    made = make()[0].outputs
    put(keys.result("job"))
    done = teardown()
    assert done.code == 0
    assert f"s3://{BUCKET} stays, with all that is in it" in done.out
    assert not has_stack()
    with pytest.raises(AwsError, match="NoSuchEntity"):
        aws().ask("iam", "get_role", RoleName=made["WorkerRoleArn"].rpartition("/")[2])
    assert aws().ask("s3", "get_object", Bucket=BUCKET, Key=keys.result("job"))["Body"].read() == b"{}"
    assert unprotected(aws(), BUCKET) == []
    assert make()[1] is Change.CREATED


def test_teardown_of_nothing_says_that_there_is_nothing_to_do() -> None:
    done = teardown()
    assert done.code == 3
    assert f"no stack {NAME} in us-east-1: nothing to do" in done.err


def test_teardown_is_refused_while_machines_of_the_bucket_live(double: Double) -> None:
    stand_in()
    machine, other = launch(), launch(bucket="another")
    done = teardown()
    assert done.code == 1
    assert f"1 living instance ({machine}) in us-east-1" in done.err
    assert f"ec2-workers terminate --all --bucket {BUCKET} --region us-east-1" in done.err
    assert other not in done.err
    assert has_stack()
    double.end(machine)
    assert teardown().code == 0


def test_machines_in_other_regions_are_told_of_and_do_not_hold_it_up() -> None:
    stand_in()
    machine = launch("eu-west-1")
    done = teardown()
    assert done.code == 0
    assert f"in eu-west-1: 1 living instance ({machine})" in done.err


def test_a_region_that_cannot_be_asked_is_told_of(double: Double) -> None:
    stand_in()
    double.fail("DescribeInstances", "UnauthorizedOperation", when=lambda request: request.region == "eu-west-1")
    done = teardown()
    assert done.code == 0
    assert "eu-west-1: not looked at: ec2 describe_instances in eu-west-1: UnauthorizedOperation" in done.err


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (
            keys.pending_manifest("job-1"),
            "1 unfinished job (job-1); to end one: dispatch cancel --bucket",
        ),
        (keys.active("shop"), "1 unfinished federation (shop); to end one: dispatch cancel --bucket"),
    ],
)
def test_teardown_is_refused_while_there_is_work_to_do(key: str, told: str) -> None:
    stand_in()
    put(key)
    done = teardown()
    assert done.code == 1
    assert told in done.err
    assert has_stack()


def test_what_has_ended_does_not_hold_a_teardown_up() -> None:
    stand_in()
    put(keys.finished_manifest("job-1"), keys.result("job-1"), keys.active("shop"), keys.outcome("shop"))
    assert obstacles(aws(), BUCKET, seen(), open_bucket) == []


def test_of_much_to_do_a_few_are_named() -> None:
    stand_in()
    put(*(keys.pending_manifest(f"job-{number}") for number in range(5)))
    [line] = obstacles(aws(), BUCKET, seen(), open_bucket)
    assert line.startswith("5 unfinished jobs (job-0, job-1, job-2 …)")


def test_teardown_is_refused_while_a_policy_of_the_stack_is_attached() -> None:
    """IAM would not delete it, and CloudFormation would find that out when half of the stack is gone. moto deletes."""
    stand_in()
    arn, iam = seen().outputs["SomethingPolicyArn"], aws().client("iam")
    iam.create_user(UserName="mary")
    iam.create_role(RoleName="people", AssumeRolePolicyDocument="{}")
    iam.attach_user_policy(UserName="mary", PolicyArn=arn)
    iam.attach_role_policy(RoleName="people", PolicyArn=arn)
    done = teardown()
    assert done.code == 1
    assert f"aws iam detach-user-policy --user-name mary --policy-arn {arn}" in done.err
    assert f"aws iam detach-role-policy --role-name people --policy-arn {arn}" in done.err
    assert has_stack()
    iam.detach_user_policy(UserName="mary", PolicyArn=arn)
    iam.detach_role_policy(RoleName="people", PolicyArn=arn)
    assert teardown().code == 0


def test_a_policy_that_an_earlier_try_has_deleted_does_not_hold_it_up() -> None:
    stand_in()
    aws().ask("iam", "delete_policy", PolicyArn=seen().outputs["SomethingPolicyArn"])
    assert obstacles(aws(), BUCKET, seen(), open_bucket) == []


def test_a_stack_whose_bucket_is_gone_can_go_too() -> None:
    stand_in()
    aws().ask("s3", "delete_bucket", Bucket=BUCKET)
    done = teardown("--json")
    assert done.code == 0
    assert json.loads(done.out)["bucket"] is None


def test_images_that_were_baked_are_named_with_the_command_that_deletes_them() -> None:
    stand_in()
    machine = launch()
    tags = [{"ResourceType": "image", "Tags": launch_tags("fleet-1", BUCKET, "me", 0.0, None)}]
    odd = "baked [/x]"  # brackets and slashes are fine in the name of an image
    image = aws().ask("ec2", "create_image", InstanceId=machine, Name=odd, TagSpecifications=tags)["ImageId"]
    aws().ask("ec2", "terminate_instances", InstanceIds=[machine])
    done = teardown()
    assert done.code == 0
    assert f"image {image} ({odd}) stays, and costs" in done.out
    assert f"aws ec2 deregister-image --delete-associated-snapshots --region us-east-1 --image-id {image}" in done.out


def test_snapshots_whose_image_was_removed_without_them_are_named_with_the_command_that_deletes_them() -> None:
    stand_in()
    mine, others = (launch_tags("fleet-1", bucket, "me", 0.0, None) for bucket in (BUCKET, "other"))
    volume = aws().ask("ec2", "create_volume", Size=1, AvailabilityZone="us-east-1a")["VolumeId"]
    lone, _ = (
        aws().ask(
            "ec2",
            "create_snapshot",
            VolumeId=volume,
            TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}],
        )["SnapshotId"]
        for tags in (mine, others)
    )
    machine = launch()
    tags = [{"ResourceType": kind, "Tags": mine} for kind in ("image", "snapshot")]
    image = aws().ask("ec2", "create_image", InstanceId=machine, Name="baked", TagSpecifications=tags)
    aws().ask("ec2", "terminate_instances", InstanceIds=[machine])
    assert lone_snapshots(aws(), BUCKET) == [], "while one is being made its owner is unknown"
    assert lone_snapshots(aws(), BUCKET) == [lone]
    done = teardown()
    assert f"aws ec2 delete-snapshot --region us-east-1 --snapshot-id {lone}" in done.out
    assert image["ImageId"] in done.out


@pytest.mark.parametrize(("typed", "kept"), [("n\n", True), ("y\n", False)])
def test_teardown_asks_first_and_a_no_changes_nothing(monkeypatch: pytest.MonkeyPatch, typed: str, kept: bool) -> None:
    stand_in()
    master, slave = pty.openpty()
    os.write(master, typed.encode())
    with open(slave) as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        assert (app(["teardown", "--bucket", BUCKET], standalone_mode=False) or 0) == kept
    os.close(master)
    assert has_stack() == kept


def test_a_deletion_that_failed_says_which_resource_and_why(double: Double) -> None:
    stand_in()
    reason = "Cannot delete a policy attached to entities."

    def fail(request: Request) -> None:
        backend().stacks.update(backend().deleted_stacks)  # moto has deleted it
        event(NAME, "AWS::CloudFormation::Stack", "DELETE_IN_PROGRESS", "User Initiated")
        event("LauncherPolicy", "AWS::IAM::ManagedPolicy", "DELETE_FAILED", reason)
        moto_stack().status = "DELETE_FAILED"

    double.after("DeleteStack", fail)
    with pytest.raises(StackFailed, match=rf"is DELETE_FAILED: LauncherPolicy \(AWS::IAM::ManagedPolicy\): {reason}"):
        teardown()
