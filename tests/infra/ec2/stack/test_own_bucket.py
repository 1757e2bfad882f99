"""`ec2-workers setup` on a bucket that exists already."""

from __future__ import annotations

import json

import pytest
from double import ACCOUNT, Double
from stacks import ARN, BUCKET, aws, create_bucket, make, run, seen, setup

from env.errors import SimArenaError
from infra.access.policies import PUBLIC_ACCESS_BLOCK, bucket_policy
from infra.ec2.aws import Aws
from infra.ec2.stack.own_bucket import foreign_key, region_of, unprotected
from infra.local import s3

pytestmark = pytest.mark.usefixtures("regions")


def test_a_bucket_of_before_is_taken_as_it_is_and_what_it_lacks_is_said() -> None:
    create_bucket()
    done = run("setup")
    assert done.code == 0
    assert (
        "its policy does not protect results; to give it one: sim-arena policy bucket --bucket the-bucket" in done.err
    )
    assert "public access is not blocked" in done.err
    assert unprotected(aws(), BUCKET)  # still


def test_a_protected_bucket_of_before_needs_no_words() -> None:
    """The order of statements, their names, and further ones do not matter."""
    create_bucket()
    rows = [{**row, "Sid": f"S{number}"} for number, row in enumerate(bucket_policy(ARN)["Statement"])]
    log = {"Effect": "Allow", "Principal": {"Service": "x"}, "Action": "s3:GetBucketAcl", "Resource": ARN}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [log, *reversed(rows)]})
    aws().ask("s3", "put_bucket_policy", Bucket=BUCKET, Policy=policy)
    aws().ask("s3", "put_public_access_block", Bucket=BUCKET, PublicAccessBlockConfiguration=PUBLIC_ACCESS_BLOCK)
    assert unprotected(aws(), BUCKET) == []


@pytest.mark.parametrize("number", range(len(bucket_policy(ARN)["Statement"])))
def test_a_bucket_whose_policy_lacks_a_statement_is_not_protected(number: int) -> None:
    create_bucket()
    aws().ask("s3", "put_public_access_block", Bucket=BUCKET, PublicAccessBlockConfiguration=PUBLIC_ACCESS_BLOCK)
    policy = bucket_policy(ARN)
    del policy["Statement"][number]
    aws().ask("s3", "put_bucket_policy", Bucket=BUCKET, Policy=json.dumps(policy))
    assert [line.partition(";")[0] for line in unprotected(aws(), BUCKET)] == ["its policy does not protect results"]


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:us-east-1:123456789012:key/1"}, True),
        ({"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:us-east-1:123456789012:alias/aws/s3"}, False),
        ({"SSEAlgorithm": "aws:kms"}, False),
        ({"SSEAlgorithm": "AES256"}, False),
    ],
)
def test_a_bucket_with_a_key_of_its_own_needs_rights_that_the_stack_does_not_give(
    chosen: dict[str, str], told: bool
) -> None:
    """Without them a machine can neither install code nor say so."""
    create_bucket()
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": chosen}]}
    aws().ask("s3", "put_bucket_encryption", Bucket=BUCKET, ServerSideEncryptionConfiguration=rules)
    assert foreign_key(aws(), BUCKET) == (chosen["KMSMasterKeyID"] if told else None)
    if told:
        [line] = [line for line in setup()["warnings"] if "encrypted" in line]
        assert line.startswith(f"it is encrypted with {chosen['KMSMasterKeyID']}; that key's policy has to give arn:")


def test_a_bucket_without_encryption_settings_has_no_such_key() -> None:
    """Most S3s that are not AWS."""
    create_bucket()
    aws().ask("s3", "delete_bucket_encryption", Bucket=BUCKET)
    assert foreign_key(aws(), BUCKET) is None


def test_a_bucket_of_before_stays_out_of_the_stack_for_ever() -> None:
    create_bucket()
    make()
    make(closes_rounds=False)
    assert seen().parameters["CreateBucket"] == "false"


def test_a_bucket_in_another_region_is_taken_and_told_of() -> None:
    create_bucket("eu-west-1")
    made = setup()
    assert made["bucket_region"] == "eu-west-1"
    assert "it is in eu-west-1; machines in us-east-1 pay for what crosses regions" in made["warnings"]


def test_a_bucket_of_another_account_is_refused_before_anything_is_made(double: Double) -> None:
    double.fail("HeadBucket", "AccessDenied")
    with pytest.raises(SimArenaError, match=rf"s3://the-bucket belongs to another account than {ACCOUNT}"):
        make()
    assert double.asked("CreateStack") == []


def test_s3_is_asked_for_a_bucket_of_this_account_since_another_account_may_own_a_public_one() -> None:
    create_bucket()
    fresh, owners = Aws(), []
    events = fresh.client("s3").meta.events
    events.register("before-send", lambda request, **_: owners.append(request.headers["x-amz-expected-bucket-owner"]))
    assert region_of(fresh, BUCKET) == s3.REGION
    assert owners == [ACCOUNT.encode()]
