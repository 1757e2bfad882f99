"""The policies as documents: sizes, reach, and the command that prints them."""

from __future__ import annotations

import json
import re

import pytest
from cloud import ARN, BUCKET, CLOSER, OWN, POLICIES

from env.errors import UsageError
from infra.access import policies
from infra.access.policies import Role, bucket_policy, role_policy
from infra.commands import app as sim_arena


def test_policies_fit_into_what_aws_takes() -> None:
    """Characters without white space: 6,144 in a managed policy, 10,240 in all inline policies of a role
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html); 20 KB in a bucket's."""
    longest = policies.bucket_arn("b" * 63, policies.Partition.US_GOV)
    for role in Role:
        assert size(role_policy(role, longest)) <= 6_144
    assert size(role_policy(Role.WORKER, longest, job_id="g" * 57 + "-m0000")) <= 6_144
    assert size(role_policy(Role.WORKER, longest, closes_rounds=True)) <= 6_144
    assert size(bucket_policy(longest)) <= 20_480


def size(document: policies.Document) -> int:
    return len(json.dumps(document, separators=(",", ":")))


def test_no_policy_reaches_beyond_its_bucket() -> None:
    for document in [*POLICIES.values(), OWN]:
        for statement in document["Statement"]:
            assert all(resource == ARN or resource.startswith(f"{ARN}/") for resource in statement["Resource"])
            assert statement["Action"] != "*"
    for document in POLICIES.values():
        actions = {statement["Action"] for statement in document["Statement"]}
        assert actions <= {"s3:GetObject", "s3:ListBucket", "s3:PutObject", "s3:DeleteObject"}


def test_a_partition_and_a_placeholder_for_an_arn_are_kept() -> None:
    assert policies.bucket_arn("b-1", policies.Partition.CHINA) == "arn:aws-cn:s3:::b-1"
    document = role_policy(Role.READER, "arn:${AWS::Partition}:s3:::${Bucket}")
    assert "arn:${AWS::Partition}:s3:::${Bucket}/results/*" in document["Statement"][0]["Resource"]


def printed(*arguments: str) -> None:
    sim_arena(["policy", *arguments], standalone_mode=False)


def test_the_command_prints_what_the_functions_return(capfd: pytest.CaptureFixture[str]) -> None:
    for role in Role:
        printed(role, "--bucket", BUCKET)
        assert json.loads(capfd.readouterr().out) == POLICIES[role]
    printed("worker", "--bucket", BUCKET, "--job", "own-m0000")
    assert json.loads(capfd.readouterr().out) == POLICIES["own-m0000"]
    printed("worker", "--bucket", BUCKET, "--closes-rounds")
    assert json.loads(capfd.readouterr().out) == POLICIES[CLOSER]
    printed("bucket", "--bucket", BUCKET)
    shown = capfd.readouterr()
    assert json.loads(shown.out) == OWN
    assert f"aws s3api put-public-access-block --bucket {BUCKET}" in shown.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["wroker"], "did you mean 'worker'"),
        (["somebody"], "choose from dispatcher, worker, sync-server, reader, bucket"),
        (["reader", "--job", "j"], "for workers only"),
        (["bucket", "--closes-rounds"], "for workers only"),
        (["worker", "--job", "j", "--closes-rounds"], "choose one"),
        (["worker", "--bucket", "*"], "use 3 to 63 of"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        printed("--bucket", BUCKET, *arguments)
