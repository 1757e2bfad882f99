"""Who may do what in the bucket: an IAM policy for each role, and a policy for the bucket itself.

A role's policy allows the requests that its commands make, and nothing else. The bucket's policy only forbids, and
holds for everyone: no request without TLS, no overwrite of what is created once, no deletion of a federation's name.

Listing is allowed prefix by prefix. S3 answers 404 for an absent key only to those who may list it, and takes the key
itself for `s3:prefix` then (so does Ceph from 19.2.6 on, https://github.com/ceph/ceph/pull/68577; an older one answers
403). So the prefixes here stand for listings and for keys that are looked up before they exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from env.errors import UsageError
from protocol.wire import ids, keys
from protocol.wire.ids import ANY, Wildcard
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


@dataclass(frozen=True)
class Whose:
    """Whose keys a policy covers; `ids.ANY` stands for any.

    Attributes:
        group: None if none of any federation.
    """

    job: str = ANY
    group: str | None = ANY
    member: int | Wildcard = ANY

    @classmethod
    def of(cls, job_id: str) -> Whose:
        """One job's, and if it is a member's, what that member has in its federation."""
        group, member = keys.parse_member_job(ids.valid_id(job_id, "--job")) or (None, ANY)
        return cls(job_id, group, member)

    def cover(self, some: Iterable[Pattern]) -> list[str]:
        """The patterns over these keys without those that others contain; none for a federation's if there is none."""
        found = list(dict.fromkeys(_folded(pattern(self)) for pattern in some if self.group or not pattern.of_group))
        return [one for one in found if not any(fnmatchcase(one, other) for other in found if other != one)]


@dataclass(frozen=True, eq=False)
class Pattern:
    """A kind of keys, built by `protocol.wire.keys` for whom it concerns.

    Attributes:
        of_group: whether they are a federation's.
    """

    build: Callable[[Whose], str]
    of_group: bool = False

    def __call__(self, whose: Whose) -> str:
        return self.build(whose)


def _of_group(build: Callable[[str, Whose], str]) -> Pattern:
    return Pattern(lambda whose: build(whose.group or "", whose), of_group=True)


def _folded(pattern: str) -> str:
    """The first `*` takes slashes too; and a listing asks for the folder itself."""
    while pattern.endswith("/*/*"):
        pattern = pattern.removesuffix("/*")
    return pattern


def _mark(mark: Mark) -> Pattern:
    return Pattern(lambda whose: keys.attempt_mark(whose.job, mark, ANY))


ALL_OF_JOBS = Pattern(lambda whose: f"{keys.JOBS}*/{whose.job}/*")
SUBMITTED = Pattern(lambda whose: keys.submitted_manifest(whose.job))
MANIFEST = Pattern(lambda whose: keys.pending_manifest(whose.job))
FINISHED = Pattern(lambda whose: keys.finished_manifest(whose.job))
REJECTED = (
    Pattern(lambda whose: keys.rejected_manifest(whose.job)),
    Pattern(lambda whose: keys.rejected_error(whose.job)),
)
CLAIM, HEARTBEAT, RELEASED = _mark(Mark.CLAIM), _mark(Mark.HEARTBEAT), _mark(Mark.RELEASED)
CANCEL = Pattern(lambda whose: keys.cancel(whose.job))
MARKS = Pattern(lambda whose: f"{keys.in_progress(whose.job)}*")
RESULT = Pattern(lambda whose: keys.result(whose.job))
RESULTS = Pattern(lambda whose: f"{keys.results(whose.job)}*")  # artifacts and states too
TRACES, WEIGHTS = Pattern(lambda _: keys.trace(ANY)), Pattern(lambda _: keys.weights(ANY))
SERIES = Pattern(lambda _: keys.series(ANY))
INPUTS = (TRACES, SERIES, WEIGHTS)
CODE = Pattern(lambda _: f"{keys.CODE}*")
MACHINES = Pattern(lambda _: f"{keys.MACHINES}*")
ACTIVE = _of_group(lambda group, _: keys.active(group))
FEDERATION = _of_group(lambda group, _: keys.federation(group))
OUTCOME = _of_group(lambda group, _: keys.outcome(group))
REPORT = _of_group(lambda group, _: keys.report(group))
MEMBERS_MARKS = _of_group(lambda group, _: f"{keys.in_progress_of_group(group)}*")
ALL_OF_FEDERATIONS = _of_group(lambda group, _: f"{keys.group_folder(group)}*")  # and, for all groups, their index
ROUNDS = _of_group(lambda group, _: f"{keys.rounds(group)}*")
UPDATE = _of_group(lambda group, whose: keys.update(group, ANY, whose.member))
DECISION = _of_group(lambda group, _: keys.decision(group, ANY))
SERVER_STATE = _of_group(lambda group, _: keys.server_state(group, ANY))
GLOBAL_WEIGHTS = _of_group(lambda group, _: keys.global_weights(group, ANY))
PROBE = Pattern(lambda _: keys.probe(ANY))

# All but heartbeats, reports, what machines say of themselves, and what `sim-arena s3 check` overwrites below probe/.
CREATE_ONLY = (
    *(SUBMITTED, MANIFEST, FINISHED, *REJECTED, CLAIM, RELEASED, CANCEL, RESULTS, *INPUTS, CODE),
    *(ACTIVE, FEDERATION, OUTCOME, ROUNDS),
)


# -- roles -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rights:
    """What a role may do with which keys.

    Attributes:
        look_up: listed, or asked for while they may be absent.
    """

    read: tuple[Pattern, ...] = ()
    look_up: tuple[Pattern, ...] = ()
    create: tuple[Pattern, ...] = ()
    delete: tuple[Pattern, ...] = ()

    def __add__(self, other: Rights) -> Rights:
        return Rights(
            self.read + other.read,
            self.look_up + other.look_up,
            self.create + other.create,
            self.delete + other.delete,
        )


_PROBING = Rights((PROBE,), (PROBE,), (PROBE,), (PROBE,))

_READING = Rights(
    read=(MANIFEST, HEARTBEAT, RESULTS, FEDERATION, OUTCOME, DECISION, GLOBAL_WEIGHTS, REPORT),
    look_up=(ALL_OF_JOBS, RESULTS, ALL_OF_FEDERATIONS),
)

_DISPATCHING = Rights(
    read=(ALL_OF_JOBS, *INPUTS, ACTIVE),
    look_up=(TRACES, WEIGHTS),
    create=(SUBMITTED, MANIFEST, FINISHED, CANCEL, RESULT, *INPUTS, ACTIVE, FEDERATION, OUTCOME, REPORT),
    delete=(SUBMITTED, MANIFEST, MARKS, FINISHED, *REJECTED, RESULTS, ACTIVE, ROUNDS, REPORT),
)

_WORKING = Rights(
    read=(ALL_OF_JOBS, RESULTS, *INPUTS, FEDERATION, OUTCOME, UPDATE, DECISION, GLOBAL_WEIGHTS),
    look_up=(ALL_OF_JOBS, RESULTS, *INPUTS, ALL_OF_FEDERATIONS),
    create=(CLAIM, HEARTBEAT, RELEASED, FINISHED, *REJECTED, RESULTS, UPDATE),
    delete=(MANIFEST, MARKS),
)

CLOSING = Rights(
    read=(RESULT, WEIGHTS, FEDERATION, OUTCOME, ROUNDS),
    look_up=(RESULT, WEIGHTS, ALL_OF_FEDERATIONS),
    create=(DECISION, SERVER_STATE, GLOBAL_WEIGHTS, OUTCOME),
    delete=(ACTIVE,),
)

# Of sync-servers, not of members that close rounds: people open the page.
_REPORTING = Rights(read=(CLAIM,), look_up=(MEMBERS_MARKS,), create=(REPORT,))

_RIGHTS = {
    Role.READER: _READING,
    Role.DISPATCHER: _PROBING + _READING + _DISPATCHING,
    Role.WORKER: _PROBING + _WORKING,
    Role.SYNC_SERVER: _PROBING + CLOSING + _REPORTING,
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
    return _RIGHTS[role] + (CLOSING if closes_rounds else Rights())


def grants(rights: Rights, arn: str, whose: Whose | None = None) -> list[Statement]:
    """The statements that give a role these rights to a bucket, on all keys or on those of `whose`."""
    whose = whose or Whose()
    prefixes = whose.cover(rights.look_up)
    return [
        _allow("Read", "s3:GetObject", _objects(arn, whose.cover(rights.read))),
        {**_allow("LookUp", "s3:ListBucket", [arn]), "Condition": {"StringLike": {"s3:prefix": prefixes}}},
        *(
            {**_allow("Create", "s3:PutObject", _objects(arn, whose.cover(rights.create))), "Condition": _READABLE}
            for _ in rights.create[:1]
        ),
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
        # What its writer stores so may be listed, and not read by the others.
        *(
            _deny(sid, "s3:PutObject", [f"{arn}/*"], {"Null": {header: "false"}})
            for sid, header in _HIDES_FROM_OTHERS.items()
        ),
        # A name is never used twice: what slept through a purge must not be taken for part of another federation.
        _deny("NoForgetting", ["s3:DeleteObject", "s3:DeleteObjectVersion"], _objects(arn, whose.cover(_NAMES))),
    )


_WITHOUT_IF_NONE_MATCH = {"Null": {"s3:if-none-match": "true"}}
_NAMES = (FEDERATION, OUTCOME)
# Headers of a PutObject, none of which the protocol sends: another storage class, which may be an archive; a key that
# comes with the request (SSE-C); a KMS key, perhaps of another account. The bucket's own default encryption sets none.
_HIDES_FROM_OTHERS = {
    "NoStorageClass": "s3:x-amz-storage-class",
    "NoKeysOfWriters": "s3:x-amz-server-side-encryption-customer-algorithm",
    "NoEncryptionOfWriters": "s3:x-amz-server-side-encryption",
    "NoKmsKeysOfWriters": "s3:x-amz-server-side-encryption-aws-kms-key-id",
}
_READABLE = {"Null": dict.fromkeys(_HIDES_FROM_OTHERS.values(), "true")}


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
