"""The bucket of a fleet: its region, its owner, and whether it is protected."""

from __future__ import annotations

import json
from typing import Any

from env.errors import SimArenaError, UsageError
from infra.access.policies import PUBLIC_ACCESS_BLOCK, bucket_policy
from infra.ec2.aws import Aws, AwsError

_ABSENT = (
    "NoSuchBucketPolicy",
    "NoSuchPublicAccessBlockConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
)
_S3S_OWN_KEY = "alias/aws/s3"  # all principals of the account may use it, through S3


def region_of(aws: Aws, bucket: str) -> str | None:
    """The region that the bucket is in, None if there is no such bucket.

    Raises:
        SimArenaError: it belongs to another account: code that machines install must not lie there.
        AwsError: AWS cannot be asked.
    """
    account = aws.ask("sts", "get_caller_identity")["Account"]
    try:
        answer = aws.ask("s3", "head_bucket", Bucket=bucket, ExpectedBucketOwner=account)
    except AwsError as error:
        if error.code in ("404", "NoSuchBucket"):
            return None
        if error.code in ("403", "AccessDenied"):
            raise SimArenaError(
                f"s3://{bucket} belongs to another account than {account}, or these credentials may not see it; "
                "choose another name"
            ) from error
        raise
    return str(answer["BucketRegion"])


def bucket_region(aws: Aws, bucket: str) -> str:
    """The region of a bucket, for credentials that may only launch; the owner is not checked.

    S3 names the region even where it refuses the request, as it does for credentials that may list some prefixes only.

    Raises:
        UsageError: there is no such bucket.
        AwsError: S3 cannot be asked.
    """
    try:
        answer = aws.ask("s3", "head_bucket", Bucket=bucket)
    except AwsError as error:
        if error.code == "404":
            raise UsageError(f"--bucket {bucket}: there is none; run: ec2-workers setup --bucket {bucket}") from error
        answer = getattr(error.__cause__, "response", {})
        if error.code != "403" or not answer:
            raise
    region = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
    return str(region or aws.region)


def unprotected(aws: Aws, bucket: str, partition: str = "aws") -> list[str]:
    """What a bucket lacks of what a stack would have given it; one line each, none if it has all.

    Raises:
        AwsError: it cannot be asked.
    """
    lacks = []
    command = f"sim-arena policy bucket --bucket {bucket}" + (f" --partition {partition}" if partition != "aws" else "")
    if not _forbids(_policy(aws, bucket), bucket_policy(f"arn:{partition}:s3:::{bucket}")):
        lacks.append(f"its policy does not protect results; to give it one: {command}")
    if _ask(aws, "get_public_access_block", bucket, "PublicAccessBlockConfiguration") != PUBLIC_ACCESS_BLOCK:
        lacks.append(f"public access is not blocked; how to: {command}")
    return lacks


def foreign_key(aws: Aws, bucket: str) -> str | None:
    """The KMS key that S3 encrypts the bucket's objects with by default, if one was chosen.

    Readers and writers need rights to the key, too; neither machines nor people get those from a stack.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html

    Raises:
        AwsError: S3 cannot be asked.
    """
    rules = (_ask(aws, "get_bucket_encryption", bucket, "ServerSideEncryptionConfiguration") or {}).get("Rules", ())
    defaults = [rule.get("ApplyServerSideEncryptionByDefault", {}) for rule in rules]
    keys = [str(each["KMSMasterKeyID"]) for each in defaults if each.get("KMSMasterKeyID")]
    return next((key for key in keys if not key.endswith(_S3S_OWN_KEY)), None)


def _policy(aws: Aws, bucket: str) -> Any:
    text = _ask(aws, "get_bucket_policy", bucket, "Policy")
    return json.loads(text) if text else {"Statement": []}


def _ask(aws: Aws, operation: str, bucket: str, name: str) -> Any:
    try:
        return aws.ask("s3", operation, Bucket=bucket)[name]
    except AwsError as error:
        if error.code in _ABSENT:
            return None
        raise


def _forbids(policy: Any, wanted: dict[str, Any]) -> bool:
    """Whether a policy has all statements of another one, under any Sid and in any order."""
    has = [_plain(statement) for statement in policy["Statement"]]
    return all(_plain(statement) in has for statement in wanted["Statement"])


def _plain(statement: Any) -> Any:
    """A statement for comparing: S3 gives a list of one back as it is or as a text, and lists have no order."""
    if isinstance(statement, dict):
        return {name: _plain(value) for name, value in statement.items() if name != "Sid"}
    if isinstance(statement, list):
        return statement[0] if len(statement) == 1 else sorted(map(str, statement))
    return statement
