"""What a machine costs: AWS's price list, the spot market of now, and a dated table for when neither can be asked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from infra.ec2.aws import Aws, AwsError

GP3_USD_PER_GB_MONTH = 0.08  # us-east-1, https://aws.amazon.com/ebs/pricing/
IPV4_USD_PER_HOUR = 0.005  # every region since February 2024, https://aws.amazon.com/vpc/pricing/
HOURS_PER_MONTH = 730

TABLE_DATE = "2026-01-19"
TABLE_REGION = "us-east-1"
# Most prices are in the list that `sim-arena plan` ships; these are of families whose sizes it does not know. On
# demand, Linux, shared tenancy: the price of the size `large` in US dollars per hour, of which others are multiples.
_LARGE = {
    "c7a": 0.10264,
    "m7a": 0.11592,
    "m7i-flex": 0.09576,
    "m8a": 0.12172,
    "m8i": 0.10584,
    "m8i-flex": 0.10055,
    "t3a": 0.0752,
}
_SIZES = {"large": 1, "xlarge": 2, "2xlarge": 4, "4xlarge": 8, "8xlarge": 16}
_BURSTABLE_SIZES = {"medium": 0.5, "large": 1, "xlarge": 2, "2xlarge": 4}

# The price list is served in few regions and tells of all of its partition.
_PRICE_LISTS = {"aws": "us-east-1", "aws-cn": "cn-northwest-1"}


@dataclass(frozen=True)
class Price:
    """What an instance costs without disk and address.

    Attributes:
        usd_per_hour: None where it is unknown.
        source: where the figure is from, in a few words.
    """

    usd_per_hour: float | None
    source: str


def extras_usd_per_hour(disk_gb: float) -> float:
    """What a gp3 disk and a public IPv4 address add, by us-east-1's prices."""
    return disk_gb * GP3_USD_PER_GB_MONTH / HOURS_PER_MONTH + IPV4_USD_PER_HOUR


def price(aws: Aws, instance_type: str, spot: bool, zone: str) -> Price:
    """The price of a type in a zone. AWS is asked once for a type and market, and tells of all zones."""
    return _spot(aws, instance_type, zone) if spot else _on_demand(aws, instance_type)


def tabled(instance_type: str) -> float | None:
    """The dated table's price on demand, in US dollars per hour; None if the type is not in it."""
    if (usd := _shipped().get(instance_type)) is not None:
        return usd
    family, _, size = instance_type.partition(".")
    times = (_BURSTABLE_SIZES if family.startswith("t") else _SIZES).get(size)
    large = _LARGE.get(family)
    return None if large is None or times is None else round(large * times, 5)


@cache
def _shipped() -> Mapping[str, float]:
    from env.plan.prices import shipped_prices  # numpy and the engine: only where a price is looked up

    return shipped_prices().usd_per_hour


def _spot(aws: Aws, instance_type: str, zone: str) -> Price:
    found = _spot_prices(aws, instance_type)
    if isinstance(found, str):
        return Price(None, f"spot market not asked: {found}")
    usd = found.get(zone)
    return Price(usd, f"no spot price in {zone}" if usd is None else f"spot market, {zone}, now")


@cache
def _spot_prices(aws: Aws, instance_type: str) -> dict[str, float] | str:
    """US dollars per hour by zone, or why they are not known."""
    asked = aws.pages(
        "ec2",
        "describe_spot_price_history",
        "SpotPriceHistory",
        InstanceTypes=[instance_type],
        ProductDescriptions=["Linux/UNIX"],
        StartTime=datetime.now(UTC),  # of each zone the price that holds now
    )
    try:
        return newest_by_zone(asked)
    except (AwsError, KeyError, ValueError) as error:
        return _why(error)


def newest_by_zone(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """US dollars per hour by zone, from rows of DescribeSpotPriceHistory in any order."""
    by_age = sorted(rows, key=lambda row: row["Timestamp"])
    return {row["AvailabilityZone"]: float(row["SpotPrice"]) for row in by_age}


@cache
def _on_demand(aws: Aws, instance_type: str) -> Price:
    answer = _price_list(aws).of(instance_type)
    if isinstance(answer, float):
        return Price(answer, f"AWS price list, {aws.region}")
    if (old := tabled(instance_type)) is not None:
        return Price(old, f"table of {TABLE_DATE} for {TABLE_REGION} ({answer})")
    return Price(None, f"unknown ({answer})")


@cache
def _price_list(aws: Aws) -> _PriceList:
    return _PriceList(aws.region)


class _PriceList:
    """AWS's price list for a region. Once it could not be asked it is not asked again: without a network each question
    takes minutes."""

    def __init__(self, region: str) -> None:
        self.region = region
        self._refusal: str | None = None

    def of(self, instance_type: str) -> float | str:
        """US dollars per hour on demand, or why they are not known."""
        if self._refusal is not None:
            return self._refusal
        wanted = {
            "instanceType": instance_type,
            "regionCode": self.region,
            "operatingSystem": "Linux",
            "tenancy": "Shared",
            "preInstalledSw": "NA",
            "capacitystatus": "Used",
        }
        filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]
        try:
            served = Aws(_PRICE_LISTS["aws-cn" if self.region.startswith("cn-") else "aws"])
            rows = served.ask("pricing", "get_products", ServiceCode="AmazonEC2", Filters=filters)["PriceList"]
        except AwsError as error:
            self._refusal = f"price list not asked: {_why(error)}"
            return self._refusal
        prices = sorted(found for row in rows if (found := _hourly(row)) is not None)
        return prices[0] if prices else f"not in the price list of {self.region}"


def _hourly(row: str) -> float | None:
    """US dollars per hour on demand in a row of the price list; None if it tells of something else."""
    try:
        terms: Any = json.loads(row)["terms"]["OnDemand"].values()
        dimensions = [dimension for term in terms for dimension in term["priceDimensions"].values()]
        return next(
            usd for each in dimensions if each["unit"] == "Hrs" and (usd := float(each["pricePerUnit"]["USD"])) > 0
        )
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
        return None


def _why(error: Exception) -> str:
    return error.code if isinstance(error, AwsError) else "an answer that cannot be read"
