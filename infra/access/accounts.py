"""Members that other AWS accounts own: what the bucket's own policy gives each of them.

Within the bucket's account a role's policy is enough. To another account's role AWS gives what both its own policy and
the bucket's allow, so the bucket's must name it, and confines it even if that account lets its roles do anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from env.errors import UsageError
from infra.access.policies import (
    Document,
    Partition,
    Role,
    Statement,
    Whose,
    bucket_policy,
    document,
    grants,
    rights_of,
)

BUCKET_POLICY_CHARACTERS = 20_480
"""Without white space, https://docs.aws.amazon.com/AmazonS3/latest/userguide/add-bucket-policy.html."""


def shared_bucket_policy(arn: str, members: Mapping[str, str]) -> Document:
    """The bucket's policy, and beside what it forbids to everyone what it allows to members of other accounts.

    Args:
        members: who works on a member's job, as `principal_of` makes it, by the job's id.

    Raises:
        BadId: a job's id is none.
        UsageError: more than S3 takes.
    """
    given = [row for number, each in enumerate(members.items()) for row in _given(arn, number, *each)]
    made = document(*bucket_policy(arn)["Statement"], *given)
    characters = len(json.dumps(made, separators=(",", ":")))
    if characters > BUCKET_POLICY_CHARACTERS:
        raise UsageError(
            f"--member: {len(members)} members make a bucket's policy of {characters:,} characters, S3 takes "
            f"{BUCKET_POLICY_CHARACTERS:,}; let members take roles of the bucket's account, see docs/security.md"
        )
    return made


def _given(arn: str, number: int, job_id: str, principal: str) -> Iterator[Statement]:
    """What `sim-arena policy worker --job` allows."""
    for statement in grants(rights_of(Role.WORKER), arn, Whose.of(job_id)):
        yield {**statement, "Sid": f"{statement['Sid']}{number}", "Principal": {"AWS": principal}}


def principal_of(who: str, partition: Partition = Partition.AWS) -> str:
    """The principal that an account's number, or a role's or user's ARN, stands for.

    Raises:
        UsageError: it is neither, or of another partition. Wildcards would let anybody in.
    """
    if re.fullmatch(r"[0-9]{12}", who):
        return f"arn:{partition}:iam::{who}:root"
    if re.fullmatch(rf"arn:{partition}:iam::[0-9]{{12}}:(root|(role|user)/[\w+=,.@/-]+)", who, re.ASCII):
        return who
    known = f"an account's number of 12 digits, or the ARN of a role or user in partition {partition}"
    raise UsageError(f"--member {who[:200]!r}: expected {known}")
