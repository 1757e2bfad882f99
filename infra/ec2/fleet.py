"""The inventory of fleets is the tags on their instances: how they are written and read back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from infra.ec2.aws import Aws

PROJECT = "sim-arena"


class Tag(StrEnum):
    """Tags that instances and their volumes carry from their launch."""

    NAME = "Name"
    PROJECT = "Project"
    GROUP = "sim-arena:group"
    BUCKET = "sim-arena:bucket"
    OWNER = "sim-arena:owner"
    EXPIRES = "sim-arena:expires"
    USD_PER_HOUR = "sim-arena:usd-per-hour"


# What every launch writes and nothing else does: a machine that lacks one of them is not ours, whatever its Project.
OURS = frozenset({Tag.PROJECT, Tag.GROUP, Tag.BUCKET, Tag.OWNER, Tag.EXPIRES})
LIVING = ("pending", "running", "stopping", "stopped")  # what costs, or may again
GONE = ("shutting-down", "terminated")
INSTANCE_ID = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")


def launch_tags(
    group: str, bucket: str, owner: str, expires: float, usd_per_hour: float | None
) -> list[dict[str, str]]:
    """What is known of instances before they are, as EC2 takes tags.

    Args:
        owner: who launches them.
        expires: when they end by themselves at the latest, seconds since the epoch.
        usd_per_hour: what one costs, as far as that is known.
    """
    values: dict[str, str] = {
        Tag.NAME: f"{PROJECT}-{group}",
        Tag.PROJECT: PROJECT,
        Tag.GROUP: group,
        Tag.BUCKET: bucket,
        Tag.OWNER: re.sub(r"[^\w+=.@/:-]", "-", owner)[:256],
        Tag.EXPIRES: f"{datetime.fromtimestamp(expires, UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    if usd_per_hour is not None:
        values[Tag.USD_PER_HOUR] = f"{usd_per_hour:.5f}"
    return tag_list(values)


def tag_list(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags in the form in which EC2 takes them."""
    return [{"Key": str(key), "Value": value} for key, value in values.items()]


@dataclass(frozen=True)
class Instance:
    """A machine of a fleet, as EC2 describes it. What tags say may be odd: people can change them.

    Attributes:
        state: EC2's: one of LIVING or GONE.
        launched: seconds since the epoch.
        why: EC2's reason for the last change of state, such as `Client.InstanceInitiatedShutdown: …`; often empty.
        ended: when it ended, seconds since the epoch, as far as EC2 says so.
    """

    id: str
    region: str
    zone: str
    type: str
    spot: bool
    state: str
    launched: float
    group: str = ""
    bucket: str = ""
    owner: str = ""
    expires: float | None = None
    usd_per_hour: float | None = None
    why: str = ""
    ended: float | None = None

    @property
    def living(self) -> bool:
        return self.state in LIVING


def find(
    aws: Aws, *, bucket: str | None = None, group: str | None = None, ids: Sequence[str] = (), gone: bool = False
) -> list[Instance]:
    """This project's instances in a region, oldest first: those that carry all tags of a launch.

    `gone` adds those that have ended within the last hour.

    Args:
        ids: these only. One that does not exist, or is not this project's, is not in the answer.

    Raises:
        AwsError: they cannot be listed.
    """
    wanted = {f"tag:{Tag.PROJECT}": [PROJECT], "instance-state-name": [*LIVING, *(GONE if gone else ())]}
    if bucket is not None:
        wanted[f"tag:{Tag.BUCKET}"] = [bucket]
    if group is not None:
        wanted[f"tag:{Tag.GROUP}"] = [group]
    if ids:
        wanted["instance-id"] = list(ids)
    reservations = aws.pages("ec2", "describe_instances", "Reservations", filters=wanted)
    rows = (row for reservation in reservations for row in reservation["Instances"])
    found = [read(row, aws.region) for row in rows if {tag["Key"] for tag in row.get("Tags", ())} >= OURS]
    # EC2 takes `*` and `?` in a filter for wildcards; here a name is a name.
    meant = [one for one in found if bucket in (None, one.bucket) and group in (None, one.group)]
    return sorted(meant, key=lambda instance: (instance.launched, instance.id))


def read(row: Any, region: str) -> Instance:
    """An instance from EC2's description of it."""
    tags = {tag["Key"]: tag["Value"] for tag in row.get("Tags", ())}
    transition = row.get("StateTransitionReason", "")
    return Instance(
        id=row["InstanceId"],
        region=region,
        zone=row["Placement"]["AvailabilityZone"],
        type=row["InstanceType"],
        spot=row.get("InstanceLifecycle") == "spot",
        state=row["State"]["Name"],
        launched=row["LaunchTime"].timestamp(),
        group=tags.get(Tag.GROUP, ""),
        bucket=tags.get(Tag.BUCKET, ""),
        owner=tags.get(Tag.OWNER, ""),
        expires=_time(tags.get(Tag.EXPIRES)),
        usd_per_hour=_number(tags.get(Tag.USD_PER_HOUR)),
        why=row.get("StateReason", {}).get("Message") or transition,
        ended=_ended(transition) if row["State"]["Name"] in GONE else None,
    )


def _time(text: str | None) -> float | None:
    try:
        return datetime.strptime(text or "", "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _ended(transition: str) -> float | None:
    """From a reason such as `User initiated (2026-03-01 12:00:00 GMT)`."""
    found = re.search(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:GMT|UTC)\)", transition)
    try:
        return datetime.fromisoformat(found[1]).replace(tzinfo=UTC).timestamp() if found else None
    except ValueError:
        return None


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
