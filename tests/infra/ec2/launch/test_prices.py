"""What machines cost, and where the figure is from when AWS does not tell."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from double import Double

from env.plan.prices import SHIPPED_SOURCE, shipped_prices
from infra.ec2.aws import Aws
from infra.ec2.launch import prices
from infra.ec2.launch.offers import DEFAULT_TYPES
from infra.ec2.launch.prices import TABLE_DATE, TABLE_REGION, Price, extras_usd_per_hour, newest_by_zone, price, tabled


def test_on_demand_is_what_the_price_list_says_of_the_region(double: Double) -> None:
    double.price("m6i.xlarge", "eu-central-1", 0.23)
    double.price("m6i.xlarge", "us-east-1", 0.19)
    assert price(Aws("eu-central-1"), "m6i.xlarge", False, "eu-central-1a") == Price(
        0.23, "AWS price list, eu-central-1"
    )
    assert price(Aws("us-east-1"), "m6i.xlarge", False, "us-east-1b") == Price(0.19, "AWS price list, us-east-1")


def test_the_price_list_is_asked_once_for_a_type_in_a_command(double: Double) -> None:
    double.price("m6i.xlarge", "us-east-1", 0.19)
    aws = Aws()
    for zone in ("us-east-1a", "us-east-1b", "us-east-1a"):
        price(aws, "m6i.xlarge", False, zone)
    assert len(double.asked("GetProducts")) == 1


def test_without_the_right_to_ask_the_dated_table_is_taken_and_named(double: Double) -> None:
    aws = Aws("eu-central-1")
    found = price(aws, "c7i.xlarge", False, "eu-central-1a")
    assert found.usd_per_hour == 0.1785
    assert found.source == "table of 2026-01-19 for us-east-1 (price list not asked: AccessDeniedException)"
    assert price(aws, "m7i-flex.xlarge", False, "eu-central-1a").usd_per_hour == 0.19152
    assert len(double.asked("GetProducts")) == 1, "refused once is refused for all types"


def test_a_type_that_neither_knows_has_no_price(double: Double) -> None:
    double.price("m6i.xlarge", "us-east-1", 0.19)
    assert price(Aws(), "x2gd.metal", False, "us-east-1a") == Price(
        None, "unknown (not in the price list of us-east-1)"
    )


def test_rows_of_the_price_list_without_an_hourly_price_in_dollars_are_passed_over(double: Double) -> None:
    double.price("m6i.xlarge", "us-east-1", 0.0)  # as reserved and capacity-block rows have
    assert price(Aws(), "m6i.xlarge", False, "us-east-1a").usd_per_hour == 0.192
    for row in ("", "[]", "{}", '{"terms": null}', json.dumps({"terms": {"OnDemand": {"a": {"priceDimensions": 3}}}})):
        assert prices._hourly(row) is None


def test_every_default_type_is_in_the_table() -> None:
    assert all(tabled(name) for types in DEFAULT_TYPES.values() for name in types)


@pytest.mark.parametrize(
    ("instance_type", "usd"),
    [("m7i.large", 0.1008), ("c7a.2xlarge", 0.41056), ("t3.medium", 0.0416), ("m6i.8xlarge", 1.536)],
)
def test_sizes_of_a_family_cost_in_proportion(instance_type: str, usd: float) -> None:
    assert tabled(instance_type) == usd


def test_no_price_is_kept_twice() -> None:
    assert not {name.partition(".")[0] for name in shipped_prices().usd_per_hour} & prices._LARGE.keys()
    assert f"{TABLE_REGION}, of {TABLE_DATE}" in SHIPPED_SOURCE


@pytest.mark.parametrize("instance_type", ["m7i.metal-24xl", "m7i", "", "q9.large", "m7i.medium", "t3.4xlarge"])
def test_what_is_not_in_the_table_is_not_guessed(instance_type: str) -> None:
    assert tabled(instance_type) is None


def test_spot_is_what_the_market_says_of_that_zone_and_one_answer_tells_of_all_zones(double: Double) -> None:
    aws = Aws()
    assert price(aws, "m6i.xlarge", True, "us-east-1a") == Price(0.00001, "spot market, us-east-1a, now")
    assert price(aws, "m6i.xlarge", True, "us-east-1b").usd_per_hour == 0.00001
    assert price(aws, "m6i.xlarge", True, "us-east-1q") == Price(None, "no spot price in us-east-1q")
    assert len(double.asked("DescribeSpotPriceHistory")) == 1


def test_of_several_spot_prices_of_a_zone_the_newest_holds() -> None:
    rows = [
        {"AvailabilityZone": zone, "SpotPrice": usd, "Timestamp": datetime(2026, 3, day, tzinfo=UTC)}
        for zone, usd, day in [("a", "0.05", 3), ("a", "0.07", 1), ("b", "0.09", 2), ("a", "0.06", 2)]
    ]
    assert newest_by_zone(rows) == {"a": 0.05, "b": 0.09}


def test_a_spot_market_that_cannot_be_asked_has_no_price(double: Double) -> None:
    double.fail("DescribeSpotPriceHistory", "UnauthorizedOperation")
    found = price(Aws(), "m6i.xlarge", True, "us-east-1a")
    assert found == Price(None, "spot market not asked: UnauthorizedOperation")


def test_disk_and_address_are_added_by_the_hour() -> None:
    assert extras_usd_per_hour(40) == pytest.approx(40 * 0.08 / 730 + 0.005)
