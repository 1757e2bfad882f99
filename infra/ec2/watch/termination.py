"""Ending instances: which ones are meant, by their tags, and the result for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from env.errors import UsageError
from infra.ec2.aws import Aws, AwsError
from infra.ec2.fleet import GONE, INSTANCE_ID, Instance, find

BATCH = 100  # ids in one call; EC2 takes 1,000, filters take 200

# One instance is the reason, and EC2 ends none, or none of that one's zone.
_ONE_SPOILS_ALL = ("InvalidInstanceID.NotFound", "OperationNotPermitted")


@dataclass(frozen=True)
class Selection:
    """Which instances are meant: a group's, some by id, or, with neither, all.

    Attributes:
        bucket: if given, those of this bucket only.

    Raises:
        UsageError: group and ids, or an id that can be no instance's.
    """

    group: str | None = None
    ids: tuple[str, ...] = ()
    bucket: str | None = None

    def __post_init__(self) -> None:
        if self.group is not None and self.ids:
            raise UsageError("--group and instance ids: give one of them")
        if odd := [one for one in self.ids if not INSTANCE_ID.fullmatch(one)]:
            named = ", ".join(repr(one[:40]) for one in odd)
            raise UsageError(f"no instance ids: {named}; they look like i-0123456789abcdef0")


@dataclass(frozen=True)
class TerminationProblem:
    """Why something that was meant may live on.

    Attributes:
        what: an instance's id, or a region.
    """

    what: str
    why: str


@dataclass(frozen=True)
class Selected:
    """What is there of a selection.

    Attributes:
        living: what is to end, oldest first.
        gone: ids that were asked for and have ended already.
        strangers: ids that were asked for and are left alone.
        unasked: regions that did not answer.
    """

    living: tuple[Instance, ...]
    gone: tuple[str, ...] = ()
    strangers: tuple[TerminationProblem, ...] = ()
    unasked: tuple[TerminationProblem, ...] = ()


def select(regions: Sequence[Aws], selection: Selection) -> Selected:
    """Find what is meant in these regions; one that cannot be asked does not hide what is in the others."""
    ours: list[Instance] = []
    others: set[str] = set()
    unasked: list[TerminationProblem] = []
    for aws in regions:
        try:
            here = _ours(aws, selection)
            others |= _existing(aws, sorted({*selection.ids} - {instance.id for instance in here}))
        except AwsError as error:
            unasked.append(TerminationProblem(aws.region, str(error)))
        else:
            ours += here
    known = {instance.id for instance in ours}
    where = ", ".join(aws.region for aws in regions if aws.region not in {one.what for one in unasked})
    stranger = (
        "not of this project" if selection.bucket is None else f"not of this project's with bucket {selection.bucket}"
    )
    return Selected(
        living=tuple(instance for instance in ours if instance.living),
        gone=tuple(instance.id for instance in ours if not instance.living and selection.ids),
        strangers=tuple(
            TerminationProblem(one, f"{stranger}; left alone" if one in others else f"does not exist in {where}")
            for one in dict.fromkeys(selection.ids)
            if one not in known and where
        ),
        unasked=tuple(unasked),
    )


def _ours(aws: Aws, selection: Selection) -> list[Instance]:
    batches: list[list[str]] = list(_batches(selection.ids)) or [[]]
    return [
        instance
        for ids in batches
        for instance in find(aws, bucket=selection.bucket, group=selection.group, ids=ids, gone=True)
    ]


def _existing(aws: Aws, ids: Sequence[str]) -> set[str]:
    """Those that exist, whosever they are."""
    found: set[str] = set()
    for batch in _batches(ids):
        rows = aws.pages("ec2", "describe_instances", "Reservations", filters={"instance-id": batch})
        found |= {instance["InstanceId"] for row in rows for instance in row["Instances"]}
    return found


@dataclass(frozen=True)
class Termination:
    """The result for one instance; `why` it still runs, or empty."""

    instance: Instance
    why: str = ""

    @property
    def ended(self) -> bool:
        return not self.why


def terminate_all(regions: Sequence[Aws], instances: Sequence[Instance], done: Callable[[Termination], None]) -> None:
    """End them, and report the result of each. To end an instance twice does no harm.

    Args:
        done: is called once for each, as soon as that is known.
    """
    for aws in regions:
        here = {instance.id: instance for instance in instances if instance.region == aws.region}
        # A bucket's at a time: credentials may be good for one bucket's machines, and a call is allowed wholly or not.
        for bucket in sorted({instance.bucket for instance in here.values()}):
            for batch in _batches([one for one, instance in here.items() if instance.bucket == bucket]):
                for one, why in _checked(aws, _terminate(aws, batch)).items():
                    done(Termination(here[one], why))


def _terminate(aws: Aws, ids: list[str]) -> dict[str, str]:
    """Of each id, empty if EC2 says that it ends, or else what it says."""
    try:
        answer = aws.ask("ec2", "terminate_instances", InstanceIds=ids)
    except AwsError as error:
        if error.code in _ONE_SPOILS_ALL and len(ids) > 1:
            half = len(ids) // 2
            return {**_terminate(aws, ids[:half]), **_terminate(aws, ids[half:])}
        return dict.fromkeys(ids, _advised(error))
    states = {row["InstanceId"]: row["CurrentState"]["Name"] for row in answer["TerminatingInstances"]}
    return {one: "" if (state := states.get(one, "unknown")) in GONE else f"its state is {state}" for one in ids}


def _checked(aws: Aws, said: dict[str, str]) -> dict[str, str]:
    """The same, after a second look at those that EC2 did not say are ending: an answer may have been lost."""
    doubtful = [one for one, why in said.items() if why]
    if not doubtful:
        return said
    try:
        living = {instance.id for instance in find(aws, ids=doubtful)}
    except AwsError:
        return said  # what it said first stands
    return {one: why if one in living else "" for one, why in said.items()}


def _advised(error: AwsError) -> str:
    if error.code == "OperationNotPermitted":
        return (
            "protected against termination; allow it with: "
            "aws ec2 modify-instance-attribute --no-disable-api-termination --instance-id ID"
        )
    return str(error)


def _batches(ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), BATCH):
        yield list(ids[start : start + BATCH])
