"""What stands against taking a bucket's stack away, and what stays when it is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from env.words import count
from infra.ec2.aws import Aws, AwsError
from infra.ec2.fleet import Instance, find
from infra.ec2.stack.description import StackDescription
from infra.ec2.stack.own_bucket import region_of
from protocol.jobs import queue
from protocol.wire import keys
from protocol.wire.bucket import Bucket

_NAMED = 3

Each = Callable[[Sequence[str]], Iterable[str]]


@dataclass(frozen=True)
class Unfinished:
    """What the bucket still has to do."""

    jobs: tuple[str, ...] = ()
    federations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Elsewhere:
    """What lives in the account's other regions.

    Attributes:
        unseen: regions that could not be asked, each with the reason.
    """

    instances: tuple[Instance, ...]
    unseen: dict[str, str]

    def lines(self) -> list[str]:
        """For a person."""
        by_region: dict[str, list[str]] = {}
        for instance in self.instances:
            by_region.setdefault(instance.region, []).append(instance.id)
        living = [f"in {region}: {_counted(ids, 'living instance')}" for region, ids in by_region.items()]
        return living + [f"{region}: not looked at: {why}" for region, why in self.unseen.items()]


def obstacles(aws: Aws, bucket: str, stack: StackDescription, open_bucket: Callable[[str], Bucket]) -> list[str]:
    """Why a bucket's stack is still needed, a line each; none if it can go.

    Raises:
        SimArenaError: it cannot be found out.
    """
    lines = []
    if living := [instance.id for instance in find(aws, bucket=bucket)]:
        end = f"ec2-workers terminate --all --bucket {bucket} --region {aws.region}"
        lines.append(f"{_counted(living, 'living instance')} in {aws.region}; to end them: {end}")
    todo = unfinished(open_bucket(bucket)) if region_of(aws, bucket) else Unfinished()
    cancel = f"to end one: dispatch cancel --bucket {bucket}"
    if todo.federations:
        lines.append(f"{_counted(todo.federations, 'unfinished federation')}; {cancel} GROUP")
    if todo.jobs:
        lines.append(f"{_counted(todo.jobs, 'unfinished job')}; {cancel} JOB")
    return lines + holders(aws, stack)


def holders(aws: Aws, stack: StackDescription) -> list[str]:
    """Who still has the stack's policies for people, a line each with the command that takes one away.

    IAM deletes no policy that is attached (https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeletePolicy.html),
    and CloudFormation would find that out when half of the stack is gone.

    Raises:
        AwsError: IAM cannot be asked.
    """
    lines = []
    for arn in (value for name, value in stack.outputs.items() if name.endswith("PolicyArn")):
        try:
            answer = aws.ask("iam", "list_entities_for_policy", PolicyArn=arn)
        except AwsError as error:
            if error.code != "NoSuchEntity":  # gone with an earlier try
                raise
            continue
        for kind in ("User", "Group", "Role"):
            for name in (row[f"{kind}Name"] for row in answer[f"Policy{kind}s"]):
                option = f"{kind.lower()}-policy --{kind.lower()}-name {name}"
                lines.append(
                    f"{kind.lower()} {name} has a policy of it; to take it away: "
                    f"aws iam detach-{option} --policy-arn {arn}"
                )
    return lines


def unfinished(bucket: Bucket) -> Unfinished:
    """The jobs without a result and the federations without an outcome."""
    listed = queue.list_queue(bucket)
    active = (keys.parse_active(entry.key) for entry in bucket.list(keys.ACTIVE).entries)
    federations = [group for group in active if group and not bucket.exists(keys.outcome(group))]
    return Unfinished(tuple(listed.jobs), tuple(federations))


def elsewhere(aws: Aws, bucket: str, each: Each) -> Elsewhere:
    """The bucket's living instances in all other regions of the account.

    Args:
        each: shows progress over the regions.
    """
    try:
        rows = aws.ask("ec2", "describe_regions")["Regions"]
    except AwsError as error:
        return Elsewhere((), {"other regions": str(error)})
    found: list[Instance] = []
    unseen: dict[str, str] = {}
    for region in each(sorted(row["RegionName"] for row in rows if row["RegionName"] != aws.region)):
        try:
            found += find(aws.elsewhere(region), bucket=bucket)
        except AwsError as error:
            unseen[region] = str(error)
    return Elsewhere(tuple(found), unseen)


def _counted(names: Sequence[str], what: str) -> str:
    """`4 unfinished jobs (a, b, c …)`."""
    few = ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
    return f"{count(len(names), what)} ({few})"
