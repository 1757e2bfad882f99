"""`ec2-workers setup` against the double: what exists afterwards, and what is reported."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import pytest
from double import ACCOUNT, Double
from stacks import ARN, BUCKET, NAME, aws, has_stack, make, moto_stack, run, seen, setup, stand_in

from env.errors import SimArenaError, UsageError
from infra.access.policies import PUBLIC_ACCESS_BLOCK, Role, bucket_policy, role_policy
from infra.ec2.stack.description import read_stack, stack_name
from infra.ec2.stack.permissions import Scope, launcher_policy, machine_policy
from infra.ec2.stack.template import template
from infra.local import s3

pytestmark = pytest.mark.usefixtures("regions")


def document(arn: str) -> Any:
    version = aws().ask("iam", "get_policy", PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return aws().ask("iam", "get_policy_version", PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


def machines_policy(role: str) -> Any:
    """moto gives it back as Python's text of a dict, not as JSON."""
    answer = aws().ask("iam", "get_role_policy", RoleName=role.rpartition("/")[2], PolicyName="machine")
    return ast.literal_eval(answer["PolicyDocument"])


def test_setup_makes_all_that_fleets_need() -> None:
    made = setup()
    names = made["outputs"]
    assert (made["change"], made["warnings"], names["Bucket"]) == ("created", [], BUCKET)

    # a security group that lets nothing in, and HTTPS out
    [group] = aws().ask("ec2", "describe_security_groups", GroupIds=[names["SecurityGroupId"]])["SecurityGroups"]
    [rule] = group["IpPermissionsEgress"]
    assert (group["VpcId"], group["IpPermissions"]) == (names["VpcId"], [])
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 443, 443)

    # a role that EC2 takes, and that may do a machine's work
    role = aws().ask("iam", "get_role", RoleName=names["WorkerRoleArn"].rpartition("/")[2])["Role"]
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust == {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    assert machines_policy(names["WorkerRoleArn"]) == machine_policy(ARN, closes_rounds=True)
    profile = names["InstanceProfileArn"].rpartition("/")[2]
    roles = aws().ask("iam", "get_instance_profile", InstanceProfileName=profile)["InstanceProfile"]["Roles"]
    assert [each["Arn"] for each in roles] == [names["WorkerRoleArn"]]

    # policies to give to people
    scope = Scope(BUCKET, NAME, names["WorkerRoleArn"], region=s3.REGION, account=ACCOUNT)
    assert document(names["LauncherPolicyArn"]) == launcher_policy(scope)
    assert document(names["DispatcherPolicyArn"]) == role_policy(Role.DISPATCHER, ARN)
    assert document(names["SyncServerPolicyArn"]) == role_policy(Role.SYNC_SERVER, ARN)

    # a bucket that is closed and protected
    block = aws().ask("s3", "get_public_access_block", Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert block == PUBLIC_ACCESS_BLOCK
    assert json.loads(aws().ask("s3", "get_bucket_policy", Bucket=BUCKET)["Policy"]) == bucket_policy(ARN)

    # and launching finds it
    found = read_stack(aws(), BUCKET)
    assert (found.name, found.bucket, found.vpc) == (NAME, BUCKET, names["VpcId"])
    assert found.security_group == names["SecurityGroupId"]
    assert found.instance_profile_arn == names["InstanceProfileArn"]
    assert found.worker_role_arn == names["WorkerRoleArn"]


def test_setup_twice_changes_nothing_and_says_so() -> None:
    first = setup()["outputs"]
    second = run("setup")
    assert second.code == 0
    assert f"stack {NAME} in us-east-1: unchanged" in second.out
    assert read_stack(aws(), BUCKET).security_group == first["SecurityGroupId"]


def test_setup_with_another_wish_updates_and_a_bucket_that_the_stack_has_made_stays_part_of_it() -> None:
    make()
    assert setup("--no-closes-rounds")["change"] == "updated"
    body = aws().ask("cloudformation", "get_template", StackName=NAME)["TemplateBody"]  # moto updates no inline policy
    assert body == template(closes_rounds=False)
    assert seen().parameters["CreateBucket"] == "true"


def test_another_vpc_is_taken_on_an_update_and_kept_on_the_next() -> None:
    stand_in()
    other = aws().ask("ec2", "create_vpc", CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    make(vpc=other)
    assert seen().outputs["VpcId"] == other
    make(closes_rounds=False)
    assert seen().outputs["VpcId"] == other


def test_a_deleted_bucket_is_reported_and_not_made_again_silently() -> None:
    stand_in()
    aws().ask("s3", "delete_bucket", Bucket=BUCKET)
    with pytest.raises(SimArenaError, match=r"s3://the-bucket is gone, its stack is not; run: ec2-workers teardown"):
        make()


def test_a_second_region_gets_a_stack_of_its_own() -> None:
    stand_in("eu-west-1")
    assert setup()["change"] == "created"
    assert has_stack("us-east-1")
    assert has_stack("eu-west-1")


def test_without_a_default_vpc_one_must_be_named() -> None:
    [vpc] = aws().ask("ec2", "describe_vpcs", Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    for subnet in aws().ask("ec2", "describe_subnets")["Subnets"]:
        aws().ask("ec2", "delete_subnet", SubnetId=subnet["SubnetId"])
    aws().ask("ec2", "delete_vpc", VpcId=vpc["VpcId"])
    with pytest.raises(UsageError, match="us-east-1 has no default VPC: pass --vpc ID"):
        make()


def test_without_a_stack_one_is_told_how_to_make_it() -> None:
    advice = f"no stack {NAME} in us-east-1; run: ec2-workers setup --bucket {BUCKET} --region us-east-1"
    with pytest.raises(SimArenaError, match=advice):
        read_stack(aws(), BUCKET)


def test_a_stack_that_is_not_whole_is_not_launched_from() -> None:
    stand_in()
    moto_stack().status = "ROLLBACK_COMPLETE"
    with pytest.raises(SimArenaError, match=r"is ROLLBACK_COMPLETE and has no Bucket; run: ec2-workers setup"):
        read_stack(aws(), BUCKET)


def test_a_stack_that_is_half_deleted_is_not_launched_from() -> None:
    """It still tells its outputs, but the role may be gone."""
    make()
    for status in ("DELETE_IN_PROGRESS", "DELETE_FAILED"):
        moto_stack().status = status
        with pytest.raises(SimArenaError, match=rf"is {status}; run: ec2-workers setup"):
            read_stack(aws(), BUCKET)


def test_names_of_stacks_are_what_cloudformation_takes_and_tell_buckets_apart() -> None:
    names = [stack_name(bucket) for bucket in ("a.b", "a-b", "9-x", "b" * 63, f"{'b' * 30}.{'c' * 32}")]
    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch("[a-zA-Z][-a-zA-Z0-9]{0,127}", name)


def test_the_template_is_printed_without_asking_aws(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in s3.environment(""):
        monkeypatch.delenv(name)
    done = run("setup", "--template-only", "--no-closes-rounds")
    assert done.code == 0
    assert json.loads(done.out) == template(closes_rounds=False)
    assert f"aws cloudformation deploy --stack-name {NAME}" in done.err
    assert double.log == []
