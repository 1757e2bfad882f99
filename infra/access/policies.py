"""Who may do what in the bucket: an IAM policy for each role, and a policy for the bucket itself.

A role's policy allows the requests that its commands make, and nothing else. The bucket's policy only forbids, and
holds for everyone: no request without TLS, no overwrite of what is created once, no deletion of a federation's name.

Listing is allowed prefix by prefix. S3 answers 404 for an absent key only to those who may list it, and takes the key
itself for `s3:prefix` then (so does Ceph from 19.2.6 on, https://github.com/ceph/ceph/pull/68577; an older one answers
403). So the prefixes here stand for listings and for keys that are looked up before they exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from env.errors import UsageError
from protocol.wire import ids, keys
from protocol.wire.keys import Mark
from protocol.wire.store import valid_bucket

Document = dict[str, Any]
Statement = dict[str, Any]

# What a bucket policy cannot say; see https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
PUBLIC_ACCESS_BLOCK = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


class Role(StrEnum):
    """Who asks."""

    DISPATCHER = "dispatcher"
    WORKER = "worker"
    SYNC_SERVER = "sync-server"
    READER = "reader"


class Partition(StrEnum):
    """A part of AWS with accounts and ARNs of its own."""

    AWS = "aws"
    CHINA = "aws-cn"
    US_GOV = "aws-us-gov"


def bucket_arn(bucket: str, partition: Partition = Partition.AWS) -> str:
    """A bucket's ARN; raises UsageError for what can be no bucket's name, wildcards above all."""
    return f"arn:{partition}:s3:::{valid_bucket(bucket)}"


# -- whose keys ------------------------------------------------------------------------------------------

# Names that stand for any: `Whose` puts wildcards in their place, so that all keys are built by `protocol.wire.keys`.
JOB, GROUP, ROUND, MEMBER, ATTEMPT, SHA256 = "any-job", "any-group", 123_456, 7_890, 4_321, 64 * "0"


@dataclass(frozen=True)
class Whose:
    """Whose keys a policy covers; `*` stands for any characters.

    Attributes:
        group: None if none of any federation.
    """

    job: str = "*"
    group: str | None = "*"
    member: str = "*"

    @classmethod
    def of(cls, job_id: str) -> Whose:
        """One job's, and if it is a member's, what that member has in its federation."""
        group, member = keys.parse_member_job(ids.valid_id(job_id, "--job")) or (None, "")
        return cls(job_id, group, str(member))

    def covers(self, key: str) -> str:
        """The pattern over all keys that differ from this one in its made-up names only."""
        wildcards = {
            JOB: self.job,
            GROUP: self.group or "",
            str(ROUND): "*",
            str(MEMBER): self.member,
            str(ATTEMPT): "*",
            SHA256: "*",
        }
        for name, wildcard in wildcards.items():
            key = key.replace(name, wildcard)
        while key.endswith("/*/*"):  # the first `*` takes slashes too; and a listing asks for the folder itself
            key = key.removesuffix("/*")
        return key

    def cover(self, some: Iterable[str]) -> list[str]:
        """The patterns over these keys without those that others contain; none for a federation's if there is none."""
        found = list(dict.fromkeys(self.covers(key) for key in some if GROUP not in key or self.group))
        return [one for one in found if not any(fnmatchcase(one, other) for other in found if other != one)]


def _beside(key: str) -> str:
    return f"{key.rpartition('/')[0]}/*"


ALL_OF_JOBS = f"{keys.JOBS}*/{JOB}/*"
MANIFEST = keys.pending_manifest(JOB)
FINISHED = keys.finished_manifest(JOB)
REJECTED = (keys.rejected_manifest(JOB), keys.rejected_error(JOB))
CLAIM, HEARTBEAT, RELEASED = (
    keys.attempt_mark(JOB, mark, ATTEMPT) for mark in (Mark.CLAIM, Mark.HEARTBEAT, Mark.RELEASED)
)
CANCEL = keys.cancel(JOB)
MARKS = _beside(CANCEL)
RESULT = keys.result(JOB)
RESULTS = _beside(RESULT)  # artifacts and states too
TRACES, WEIGHTS = keys.trace(SHA256), keys.weights(SHA256)
CODE = _beside(keys.code(SHA256, "a.whl"))
MACHINES = _beside(keys.machine_file(JOB, "status.json"))
ACTIVE = keys.active(GROUP)
FEDERATION, OUTCOME = keys.federation(GROUP), keys.outcome(GROUP)
ALL_OF_FEDERATIONS = _beside(FEDERATION)  # and, for all groups, their index
ROUNDS = f"{keys.rounds(GROUP)}*"
UPDATE = keys.update(GROUP, ROUND, MEMBER)
DECISION = keys.decision(GROUP, ROUND)
SERVER_STATE = keys.server_state(GROUP, ROUND)
GLOBAL_WEIGHTS = keys.global_weights(GROUP, ROUND)
PROBE = _beside(keys.probe(JOB))

# All but heartbeats, what machines say of themselves, and what `sim-arena s3 check` overwrites below probe/.
CREATE_ONLY = (
    *(MANIFEST, FINISHED, *REJECTED, CLAIM, RELEASED, CANCEL, RESULTS, TRACES, WEIGHTS, CODE),
    *(ACTIVE, FEDERATION, OUTCOME, ROUNDS),
)


# -- roles -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rights:
    """What a role may do with which keys (of made-up names).

    Attributes:
        look_up: listed, or asked for while they may be absent.
    """

    read: tuple[str, ...] = ()
    look_up: tuple[str, ...] = ()
    create: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()

    def __add__(self, other: Rights) -> Rights:
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Rights(*(mine + theirs for mine, theirs in pairs))


_PROBING = Rights((PROBE,), (PROBE,), (PROBE,), (PROBE,))

_READING = Rights(
    read=(MANIFEST, HEARTBEAT, RESULTS, FEDERATION, OUTCOME, DECISION, GLOBAL_WEIGHTS),
    look_up=(ALL_OF_JOBS, RESULTS, ALL_OF_FEDERATIONS),
)

_DISPATCHING = Rights(
    read=(ALL_OF_JOBS, TRACES, WEIGHTS, ACTIVE),
    look_up=(TRACES, WEIGHTS),
    create=(MANIFEST, FINISHED, CANCEL, RESULT, TRACES, WEIGHTS, ACTIVE, FEDERATION, OUTCOME),
    delete=(MANIFEST, MARKS, FINISHED, *REJECTED, RESULTS, ACTIVE, ROUNDS),
)

_WORKING = Rights(
    read=(ALL_OF_JOBS, RESULTS, TRACES, WEIGHTS, FEDERATION, OUTCOME, UPDATE, GLOBAL_WEIGHTS),
    look_up=(ALL_OF_JOBS, RESULTS, TRACES, WEIGHTS, ALL_OF_FEDERATIONS),
    create=(CLAIM, HEARTBEAT, RELEASED, FINISHED, *REJECTED, RESULTS, UPDATE),
    delete=(MANIFEST, MARKS),
)

_CLOSING = Rights(
    read=(RESULT, WEIGHTS, FEDERATION, OUTCOME, ROUNDS),
    look_up=(RESULT, WEIGHTS, ALL_OF_FEDERATIONS),
    create=(DECISION, SERVER_STATE, GLOBAL_WEIGHTS, OUTCOME),
    delete=(ACTIVE,),
)

_RIGHTS = {
    Role.READER: _READING,
    Role.DISPATCHER: _PROBING + _READING + _DISPATCHING,
    Role.WORKER: _PROBING + _WORKING,
    Role.SYNC_SERVER: _PROBING + _CLOSING,
}


def role_policy(role: Role, arn: str, *, job_id: str | None = None, closes_rounds: bool = False) -> Document:
    """The identity policy of a role.

    Args:
        arn: the bucket's, see `bucket_arn`; anything that becomes one will do, e.g. for CloudFormation's Fn::Sub.
        job_id: confines a worker to this job: it reads and writes no other job's or member's objects.
        closes_rounds: whether a worker closes rounds itself (`dispatch submit --barrier workers`).

    Raises:
        BadId: `job_id` is none.
        UsageError: what only concerns workers is asked of another role, or both at once.
    """
    if role is not Role.WORKER and (job_id is not None or closes_rounds):
        raise UsageError(f"policy {role}: --job and --closes-rounds are for workers only")
    if job_id is not None and closes_rounds:
        raise UsageError("--job, --closes-rounds: who closes rounds decides for all members; choose one")
    rights = rights_of(role, closes_rounds=closes_rounds)
    return document(*grants(rights, arn, Whose() if job_id is None else Whose.of(job_id)))


def rights_of(role: Role, *, closes_rounds: bool = False) -> Rights:
    """What a role may do; `closes_rounds` adds what a worker needs that closes rounds itself."""
    return _RIGHTS[role] + (_CLOSING if closes_rounds else Rights())


def grants(rights: Rights, arn: str, whose: Whose | None = None) -> list[Statement]:
    """The statements that give a role these rights to a bucket, on all keys or on those of `whose`."""
    whose = whose or Whose()
    prefixes = whose.cover(rights.look_up)
    return [
        _allow("Read", "s3:GetObject", _objects(arn, whose.cover(rights.read))),
        {**_allow("LookUp", "s3:ListBucket", [arn]), "Condition": {"StringLike": {"s3:prefix": prefixes}}},
        *(_allow("Create", "s3:PutObject", _objects(arn, whose.cover(rights.create))) for _ in rights.create[:1]),
        *(_allow("Delete", "s3:DeleteObject", _objects(arn, whose.cover(rights.delete))) for _ in rights.delete[:1]),
    ]


def bucket_policy(arn: str) -> Document:
    """What no role may do in the bucket, not even its administrators unless they take this policy away first.

    It grants nothing: who may do what is said by the roles' policies. PUBLIC_ACCESS_BLOCK is set beside it.
    """
    whose = Whose()
    return document(
        _deny("NothingWithoutTls", "s3:*", [arn, f"{arn}/*"], {"Bool": {"aws:SecureTransport": "false"}}),
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
        # Copies and multipart uploads, whose parts carry no condition, are refused with it; the protocol makes none.
        _deny("NoOverwriting", "s3:PutObject", _objects(arn, whose.cover(CREATE_ONLY)), _WITHOUT_IF_NONE_MATCH),
        # A name is never used twice: what slept through a purge must not be taken for part of another federation.
        _deny("NoForgetting", ["s3:DeleteObject", "s3:DeleteObjectVersion"], _objects(arn, whose.cover(_NAMES))),
    )


_WITHOUT_IF_NONE_MATCH = {"Null": {"s3:if-none-match": "true"}}
_NAMES = (FEDERATION, OUTCOME)


def document(*statements: Statement) -> Document:
    """A policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(sid: str, action: str, resources: list[str]) -> Statement:
    return {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resources}


def _deny(
    sid: str, action: str | list[str], resources: list[str], condition: dict[str, Any] | None = None
) -> Statement:
    statement = {"Sid": sid, "Effect": "Deny", "Principal": "*", "Action": action, "Resource": resources}
    return {**statement, "Condition": condition} if condition else statement


def _objects(arn: str, patterns: list[str]) -> list[str]:
    return [f"{arn}/{pattern}" for pattern in patterns]
