"""Which offer is asked for next, and what an answer means: held against an EC2 of any capacity, quota and mood."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.ec2.launch.offers import ErrorClass, Market, Offer, Search, client_token, error_class, in_order, quotas

ZONES = ("us-east-1a", "us-east-1b")


def offer(
    name: str = "c7i.large", zone: str = ZONES[0], market: Market = Market.ON_DEMAND, usd: float | None = 0.1
) -> Offer:
    return Offer(name, f"subnet-{zone}", zone, market, usd)


OFFERS = [offer(name, zone, market) for market in Market for name in ("c7i.large", "c6i.large") for zone in ZONES]


@dataclass
class Region:
    """An EC2 that has so many of each offer, and allows so many of each market."""

    capacity: dict[Offer, int]
    quota: dict[Market, int]
    launched: list[Offer] = field(default_factory=list)
    asked: int = 0

    def answer(self, offer: Offer, count: int) -> int | ErrorClass:
        self.asked += 1
        running = sum(one.market is offer.market for one in self.launched)
        if running + count > self.quota[offer.market]:
            return ErrorClass.QUOTA
        granted = min(count, self.capacity[offer] - self.launched.count(offer))
        self.launched += [offer] * granted
        return granted or ErrorClass.NO_OFFER


def search(region: Region, count: int, offers: tuple[Offer, ...]) -> Search:
    where = Search(count, offers)
    while not where.over:
        answer = region.answer(where.offers[0], where.count)
        where = where.refused(answer) if isinstance(answer, ErrorClass) else where.gave(answer)
        assert region.asked < 1000
    return where


regions = st.builds(
    Region,
    capacity=st.fixed_dictionaries({offer: st.integers(0, 5) for offer in OFFERS}),
    quota=st.fixed_dictionaries({market: st.integers(0, 12) for market in Market}),
)


@settings(deadline=None)
@given(regions, st.integers(1, 40), st.permutations(OFFERS))
def test_as_many_are_launched_as_there_are_and_never_more_than_asked_for(
    region: Region, count: int, offers: list[Offer]
) -> None:
    available = sum(
        min(quota, sum(there for one, there in region.capacity.items() if one.market is market))
        for market, quota in region.quota.items()
    )
    where = search(region, count, in_order(offers))
    assert len(region.launched) == min(count, available)
    assert where.missing == count - len(region.launched)


@settings(deadline=None)
@given(regions, st.integers(1, 40))
def test_on_demand_is_asked_only_for_what_spot_cannot_give(region: Region, count: int) -> None:
    search(region, count, in_order(OFFERS))
    markets = [one.market for one in region.launched]
    assert markets == sorted(markets, key=lambda market: market is not Market.SPOT)
    spot = sum(there for one, there in region.capacity.items() if one.market is Market.SPOT)
    assert markets.count(Market.SPOT) == min(count, spot, region.quota[Market.SPOT])


@settings(deadline=None)
@given(regions, st.integers(1, 40))
def test_few_requests_are_made(region: Region, count: int) -> None:
    search(region, count, in_order(OFFERS))
    assert region.asked <= len(OFFERS) + 2 * 2 * count.bit_length() + 2


@settings(deadline=None)
@given(st.lists(st.sampled_from(OFFERS), min_size=1, unique=True), st.sampled_from(ErrorClass), st.integers(1, 9))
def test_a_refusal_never_forgets_what_is_missing_nor_finds_new_offers(
    offers: list[Offer], why: ErrorClass, missing: int
) -> None:
    before = Search(missing, tuple(offers))
    after = before.refused(why)
    assert after.missing == missing
    assert [one for one in before.offers if one in after.offers] == list(after.offers)
    assert after != before or why in (ErrorClass.RETRY, ErrorClass.FATAL), "else it would be asked without end"


def test_spot_comes_first_cheapest_first_and_unknown_prices_last() -> None:
    dear, cheap, unknown = (offer(usd=usd, market=Market.SPOT) for usd in (0.05, 0.03, None))
    preferred, cheaper = offer("c7i.large", usd=0.09), offer("c5a.large", usd=0.08)
    assert in_order([preferred, cheaper, dear, unknown, cheap]) == (cheap, dear, unknown, preferred, cheaper)


def test_many_are_asked_for_a_hundred_at_a_time() -> None:
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html: faster so, and answered in time."""
    where, asked = Search(250, (offer(),)), []
    while not where.over:
        asked.append(where.count)
        where = where.gave(where.count)
    assert asked == [100, 100, 50]


def test_a_full_subnet_is_not_asked_again() -> None:
    after = Search(1, tuple(OFFERS)).refused(ErrorClass.NO_SUBNET)
    assert {one.zone for one in after.offers} == {ZONES[1]}


def test_a_quota_of_one_market_says_nothing_of_the_other() -> None:
    spot, on_demand = offer(market=Market.SPOT), offer()
    where = Search(5, (spot, on_demand))
    for asked in (5, 2, 1):
        assert (where.offers[0], where.count) == (spot, asked)
        where = where.refused(ErrorClass.QUOTA)
    assert (where.offers, where.count) == ((on_demand,), 5)


def test_a_quota_is_named_once_for_each_market_and_where_to_raise_it() -> None:
    spot = offer(market=Market.SPOT)
    refusals = [(offer(), "VcpuLimitExceeded"), (offer(), "VcpuLimitExceeded"), (spot, "InsufficientInstanceCapacity")]
    [line] = quotas(refusals)
    assert "L-1216C47A, in vCPUs" in line
    assert "Service Quotas" in line
    assert "L-34B43A08" in quotas([(spot, "MaxSpotInstanceCountExceeded")])[0]


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("InsufficientInstanceCapacity", ErrorClass.NO_OFFER),
        ("Unsupported", ErrorClass.NO_OFFER),
        ("SpotMaxPriceTooLow", ErrorClass.NO_OFFER),
        ("InsufficientFreeAddressesInSubnet", ErrorClass.NO_SUBNET),
        ("VcpuLimitExceeded", ErrorClass.QUOTA),
        ("MaxSpotInstanceCountExceeded", ErrorClass.QUOTA),
        ("AuthFailure.ServiceLinkedRoleCreationNotPermitted", ErrorClass.NO_MARKET),
        ("RequestLimitExceeded", ErrorClass.RETRY),
        ("ReadTimeoutError", ErrorClass.RETRY),
        ("IdempotentParameterMismatch", ErrorClass.TOKEN_USED),
        ("UnauthorizedOperation", ErrorClass.FATAL),
        ("AuthFailure", ErrorClass.FATAL),
        ("VolumeLimitExceeded", ErrorClass.FATAL),
        ("NeverHeardOf", ErrorClass.FATAL),
    ],
)
def test_what_an_error_code_means(code: str, meaning: ErrorClass) -> None:
    assert error_class(code) is meaning


IDS = st.lists(st.from_regex(r"i-[0-9a-f]{17}", fullmatch=True), max_size=4, unique=True)
CALL = {"region": "us-east-1", "group": "shop", "seen": ["i-1", "i-2"], "offer": OFFERS[0], "turn": 0}


@settings(deadline=None)
@given(st.text("abc-1", min_size=1), st.text("abc-1", min_size=1), IDS, st.sampled_from(OFFERS), st.integers(0, 99))
def test_a_token_is_64_ascii_characters_and_knows_no_order_of_ids(
    region: str, group: str, seen: list[str], offer: Offer, turn: int
) -> None:
    token = client_token(region, group, seen, offer, turn)
    assert re.fullmatch(r"[0-9a-f]{64}", token)
    assert token == client_token(region, group, seen[::-1], offer, turn)


@pytest.mark.parametrize(
    "changed",
    [
        {"region": "us-east-2"},
        {"group": "shop-2"},
        {"seen": ["i-1"]},
        {"seen": ["i-1", "i-2", "i-3"]},
        {"offer": replace(OFFERS[0], type="c6i.large")},
        {"offer": replace(OFFERS[0], subnet="subnet-2")},
        {"offer": replace(OFFERS[0], market=Market.ON_DEMAND)},
        {"turn": 1},
    ],
)
def test_another_launch_has_another_token(changed: dict[str, Any]) -> None:
    assert client_token(**{**CALL, **changed}) != client_token(**CALL)


def test_a_price_that_moves_does_not_make_another_token() -> None:
    dearer = replace(OFFERS[0], usd_per_hour=0.2, source="a minute later")
    assert client_token(**{**CALL, "offer": dearer}) == client_token(**CALL)
