"""What a launch is going to ask for: image, types, subnets, prices and the instances that are there already."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from env.errors import ConfigError, UsageError
from infra.ec2.aws import Aws, AwsError
from infra.ec2.fleet import Instance, find
from infra.ec2.launch import prices
from infra.ec2.launch.offers import DEFAULT_TYPES, Market, Offer, in_order
from infra.ec2.launch.user_data import Orders
from infra.ec2.stack.description import Stack, read_stack
from infra.ec2.stack.own_bucket import bucket_region

ARCHITECTURE = "x86_64"
AL2023 = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
DISK_GB = {"embedded": 20, "simkube": 40}


@dataclass(frozen=True)
class LaunchSpec:
    """What the user asks for.

    Attributes:
        orders: what the machines are to do; where the code is and the bucket's region are filled in later.
        count: how many instances of the group are to live.
        types: in order of preference; none: DEFAULT_TYPES.
        ami: an image's id, or the name of an SSM parameter that holds one.
        subnets: none: the default subnets of the stack's VPC.
        disk_gb: None: DISK_GB; an image that needs more gets more.
    """

    orders: Orders
    count: int
    types: tuple[str, ...] = ()
    spot: bool = False
    ami: str = AL2023
    subnets: tuple[str, ...] = ()
    disk_gb: int | None = None


@dataclass(frozen=True)
class Image:
    """What machines boot from.

    Attributes:
        disk_gb: the size of the root disk, at least what the image needs.
    """

    id: str
    root_device: str
    disk_gb: int


@dataclass(frozen=True)
class LaunchPlan:
    """Everything a launch needs to know, and nothing created yet.

    Attributes:
        seen: ids of all instances that the group is known to have had.
        living: those that are there.
        offers: in the order in which they will be asked for.
    """

    region: str
    orders: Orders
    count: int
    stack: Stack
    image: Image
    owner: str
    offers: tuple[Offer, ...]
    seen: tuple[str, ...] = ()
    living: tuple[Instance, ...] = ()

    @property
    def missing(self) -> int:
        return max(0, self.count - len(self.living))


def resolve(aws: Aws, wish: LaunchSpec) -> LaunchPlan:
    """Find out what a wish means in this account and region; nothing is created.

    Raises:
        UsageError: a type, image, subnet or group that will not do.
        ConfigError: the account lacks something.
        AwsError: AWS refused to say.
    """
    orders = wish.orders
    seen = find(aws, group=orders.group, gone=True)
    living = tuple(instance for instance in seen if instance.living)
    for other in {instance.bucket for instance in living} - {orders.bucket}:
        raise UsageError(
            f"group {orders.group}: has living instances for bucket {other[:80]!r}; choose another --group"
        )
    place = read_stack(aws, orders.bucket)
    caller = aws.ask("sts", "get_caller_identity")
    orders = replace(orders, bucket_region=bucket_region(aws, orders.bucket), bucket_owner=caller["Account"])
    image = _image(aws, wish.ami, wish.disk_gb or DISK_GB[orders.cluster])
    return LaunchPlan(
        region=aws.region,
        orders=orders,
        count=wish.count,
        stack=place,
        image=image,
        owner=caller["Arn"],
        offers=_offers(aws, wish, place, image),
        seen=tuple(instance.id for instance in seen),
        living=living,
    )


def _image(aws: Aws, ami: str, disk_gb: int) -> Image:
    image_id = ami if re.fullmatch(r"ami-[0-9a-f]{8,17}", ami) else _parameter(aws, ami)
    try:
        rows = aws.ask("ec2", "describe_images", ImageIds=[image_id])["Images"]
    except AwsError as error:
        if not error.code.startswith("InvalidAMIID"):
            raise
        rows = []
    if not rows:
        raise UsageError(f"--ami {image_id}: there is none in {aws.region} that this account may use")
    row = rows[0]
    if row.get("Architecture", ARCHITECTURE) != ARCHITECTURE:
        raise UsageError(f"--ami {image_id}: is for {row['Architecture']}; workers need {ARCHITECTURE}")
    if row["State"] != "available":
        raise ConfigError(f"--ami {image_id}: is {row['State']}, not available")
    root = row.get("RootDeviceName")
    sizes = [
        mapping["Ebs"].get("VolumeSize", 0)
        for mapping in row.get("BlockDeviceMappings", ())
        if mapping.get("DeviceName") == root and "Ebs" in mapping
    ]
    if not root or not sizes:
        raise UsageError(f"--ami {image_id}: its root is no EBS volume, which could be encrypted")
    for mapping in row["BlockDeviceMappings"]:
        if mapping.get("DeviceName") != root and mapping.get("Ebs", {}).get("DeleteOnTermination", True) is False:
            raise UsageError(
                f"--ami {image_id}: its disk {mapping['DeviceName']} would outlive each machine, and cost "
                "(DeleteOnTermination is false); use an image without it"
            )
    return Image(image_id, root, max(disk_gb, *sizes))


def _parameter(aws: Aws, name: str) -> str:
    if not name.startswith("/"):
        raise UsageError(f"--ami {name}: neither an image's id (ami-…) nor the name of an SSM parameter (/…)")
    try:
        return str(aws.ask("ssm", "get_parameter", Name=name)["Parameter"]["Value"])
    except AwsError as error:
        if error.code != "ParameterNotFound":
            raise
        raise UsageError(f"--ami {name}: no such SSM parameter in {aws.region}") from error


# -- offers ----------------------------------------------------------------------------------------------


def _offers(aws: Aws, wish: LaunchSpec, place: Stack, image: Image) -> tuple[Offer, ...]:
    types = _types(aws, wish.types or DEFAULT_TYPES[wish.orders.cluster], required=bool(wish.types))
    zones = _zones(aws, place.vpc, wish.subnets)
    offered = _offered(aws, list(types), sorted(set(zones.values())))
    found = [
        Offer(name, subnet, zone, market)
        for market in (Market.SPOT, Market.ON_DEMAND)
        if market is Market.ON_DEMAND or wish.spot
        for name, markets in types.items()
        if market in markets
        for subnet, zone in zones.items()
        if (name, zone) in offered
    ]
    if not found:
        raise ConfigError(f"{', '.join(types)}: not offered in {', '.join(sorted(set(zones.values())))}")
    return in_order(_priced(aws, found, image.disk_gb))


def _priced(aws: Aws, offers: Sequence[Offer], disk_gb: int) -> list[Offer]:
    extras = prices.extras_usd_per_hour(disk_gb)

    def priced(offer: Offer) -> Offer:
        price = prices.price(aws, offer.type, offer.market is Market.SPOT, offer.zone)
        usd = None if price.usd_per_hour is None else price.usd_per_hour + extras
        return replace(offer, usd_per_hour=usd, source=price.source)

    return [priced(offer) for offer in offers]


def _types(aws: Aws, names: Sequence[str], *, required: bool) -> dict[str, tuple[Market, ...]]:
    """The types that the region has, in order, and the markets each is sold on.

    Args:
        required: whether one that is missing is a mistake.
    """
    wanted = {"instance-type": names}
    rows = {
        row["InstanceType"]: row for row in aws.pages("ec2", "describe_instance_types", "InstanceTypes", filters=wanted)
    }
    if missing := [name for name in names if name not in rows]:
        if required:
            raise UsageError(f"--instance-type {missing[0]}: there is none in {aws.region}")
        if not rows:
            raise ConfigError(f"{aws.region} has none of {', '.join(names)}; choose one with --instance-type")
    found = {}
    for name in dict.fromkeys(names):
        if name in rows:
            runs: Any = rows[name]["ProcessorInfo"]["SupportedArchitectures"]
            if ARCHITECTURE not in runs:
                raise UsageError(f"--instance-type {name}: is for {', '.join(runs)}; workers need {ARCHITECTURE}")
            sold = rows[name].get("SupportedUsageClasses", Market)
            found[name] = tuple(market for market in Market if market in sold)
    return found


def _zones(aws: Aws, vpc: str, given: Sequence[str]) -> dict[str, str]:
    """The zone of each subnet that may be used."""
    if not given:
        wanted = {"vpc-id": [vpc], "default-for-az": ["true"], "state": ["available"]}
        rows = list(aws.pages("ec2", "describe_subnets", "Subnets", filters=wanted))
        if not rows:
            raise UsageError(f"{vpc} in {aws.region} has no default subnets; choose one with --subnet")
        return {
            row["SubnetId"]: row["AvailabilityZone"]
            for row in sorted(rows, key=lambda row: str(row["AvailabilityZone"]))
        }
    wanted = {"subnet-id": list(given)}
    known = {row["SubnetId"]: row for row in aws.pages("ec2", "describe_subnets", "Subnets", filters=wanted)}
    for subnet in given:
        if subnet not in known:
            raise UsageError(f"--subnet {subnet}: there is none in {aws.region}")
        if known[subnet]["VpcId"] != vpc:
            raise UsageError(
                f"--subnet {subnet}: is in {known[subnet]['VpcId']}; the stack's security group is in {vpc}"
            )
    return {subnet: known[subnet]["AvailabilityZone"] for subnet in given}


def _offered(aws: Aws, types: list[str], zones: list[str]) -> set[tuple[str, str]]:
    rows = aws.pages(
        "ec2",
        "describe_instance_type_offerings",
        "InstanceTypeOfferings",
        LocationType="availability-zone",
        filters={"instance-type": types, "location": zones},
    )
    return {(row["InstanceType"], row["Location"]) for row in rows}
