"""The CloudFormation template as a document: sound, closed to the world, and keeping what people have worked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra.access.policies import PUBLIC_ACCESS_BLOCK
from infra.ec2.stack.template import template

MAX_TEMPLATE_BYTES = 51_200  # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
MAX_MANAGED_POLICY, MAX_INLINE_POLICIES = 6_144, 10_240  # characters without white space
RESOURCES = template()["Resources"]


def properties(name: str) -> Any:
    return RESOURCES[name]["Properties"]


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(each)


def filled(value: Any, names: dict[str, str]) -> Any:
    """Fn::Sub carried out."""
    if isinstance(value, dict):
        if set(value) == {"Fn::Sub"}:
            return re.sub(r"\$\{([^}]+)\}", lambda found: names[found[1]], value["Fn::Sub"])
        return {name: filled(each, names) for name, each in value.items()}
    return [filled(each, names) for each in value] if isinstance(value, list) else value


LONGEST = {
    "Bucket": "b" * 63,
    "WorkerRole.Arn": f"arn:aws-us-gov:iam::123456789012:role/{'r' * 64}",
    "AWS::StackName": f"sim-arena-{'b' * 63}",
    "AWS::Partition": "aws-us-gov",
    "AWS::Region": "ap-southeast-10",
    "AWS::AccountId": "123456789012",
    "AWS::URLSuffix": "amazonaws.com.cn",
}


@pytest.mark.filterwarnings("default")  # of cfn-lint's own
def test_cfn_lint_finds_nothing_in_any_partition() -> None:
    api = pytest.importorskip("cfnlint.api")
    config = pytest.importorskip("cfnlint.config")

    regions = ["us-east-1", "us-gov-west-1", "cn-north-1"]
    assert api.lint(json.dumps(template()), config=config.ManualArgs(regions=regions)) == []


def test_the_template_and_its_policies_fit_into_what_aws_takes() -> None:
    def size(document: Any) -> int:
        return len(json.dumps(filled(document, LONGEST), separators=(",", ":")))

    assert len(json.dumps(template(), separators=(",", ":")).encode()) <= MAX_TEMPLATE_BYTES
    for name in ("LauncherPolicy", "DispatcherPolicy", "SyncServerPolicy"):
        assert size(properties(name)["PolicyDocument"]) <= MAX_MANAGED_POLICY
    assert sum(size(each["PolicyDocument"]) for each in properties("WorkerRole")["Policies"]) <= MAX_INLINE_POLICIES


def test_nothing_comes_in_and_only_https_goes_out() -> None:
    group = properties("SecurityGroup")
    assert "SecurityGroupIngress" not in group
    assert [(rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) for rule in group["SecurityGroupEgress"]] == [
        ("tcp", 443, 443)
    ]
    kinds = [resource["Type"] for resource in RESOURCES.values()]
    assert not [kind for kind in kinds if "Ingress" in kind or "KeyPair" in kind or "AccessKey" in kind]


def test_only_ec2_takes_the_machines_role_in_any_partition() -> None:
    [trust] = properties("WorkerRole")["AssumeRolePolicyDocument"]["Statement"]
    assert (trust["Principal"], trust["Action"]) == (
        {"Service": {"Fn::Sub": "ec2.${AWS::URLSuffix}"}},
        "sts:AssumeRole",
    )


def test_machines_are_reached_through_session_manager_in_any_partition() -> None:
    core = "arn:${AWS::Partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
    assert properties("WorkerRole")["ManagedPolicyArns"] == [{"Fn::Sub": core}]


def test_the_bucket_and_its_policy_outlive_the_stack_but_not_a_creation_that_failed() -> None:
    for name in ("CreatedBucket", "CreatedBucketPolicy"):
        resource = RESOURCES[name]
        assert resource["Condition"] == "CreatesBucket"
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_the_bucket_is_closed_encrypted_and_forgets_only_logs_and_scraps() -> None:
    bucket = properties("CreatedBucket")
    assert bucket["PublicAccessBlockConfiguration"] == PUBLIC_ACCESS_BLOCK
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    [encryption] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    rules = bucket["LifecycleConfiguration"]["Rules"]
    expiring = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}
    assert expiring == {"workers/": 90, "probe/": 1}
    [aborting] = [rule for rule in rules if "ExpirationInDays" not in rule]
    assert aborting["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


def test_cloudformation_makes_up_all_names_of_roles_and_policies() -> None:
    """With names of ours CAPABILITY_NAMED_IAM would be needed, and two stacks would be in each other's way."""
    for name, resource in RESOURCES.items():
        if resource["Type"].startswith("AWS::IAM::"):
            named = {"RoleName", "ManagedPolicyName", "InstanceProfileName"} & set(resource["Properties"])
            assert not named, name


def test_everything_that_can_be_tagged_carries_project_and_bucket() -> None:
    tags = {"Project": "sim-arena", "sim-arena:bucket": {"Fn::Sub": "${Bucket}"}}
    for name in ("CreatedBucket", "WorkerRole", "SecurityGroup"):
        assert {tag["Key"]: tag["Value"] for tag in properties(name)["Tags"]} == tags


def test_every_placeholder_is_filled_in_by_cloudformation() -> None:
    def substituted(value: Any) -> Iterator[str]:
        if isinstance(value, dict) and "Fn::Sub" in value:
            yield value["Fn::Sub"]
            return
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from substituted(each)

    with_placeholder = [text for text in strings(template()) if "${" in text]
    assert with_placeholder
    assert sorted(substituted(template())) == sorted(with_placeholder)


def test_nothing_of_a_real_account_is_in_it() -> None:
    text = json.dumps(template())
    assert not re.search(r"[0-9]{12}|ami-[0-9a-f]|vpc-[0-9a-f]|arn:aws:", text)


def test_machines_that_may_not_close_rounds_get_a_smaller_policy() -> None:
    def created(closes_rounds: bool) -> str:
        role = template(closes_rounds=closes_rounds)["Resources"]["WorkerRole"]["Properties"]
        [policy] = role["Policies"]
        return json.dumps([row for row in policy["PolicyDocument"]["Statement"] if row["Sid"] == "Create"])

    assert "round.json" in created(closes_rounds=True)
    assert "round.json" not in created(closes_rounds=False)
