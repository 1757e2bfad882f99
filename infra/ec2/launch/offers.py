"""Which machines a launch asks for, one offer after the other, and what each answer of EC2 means for the next one.

An offer is an instance type in a subnet on a market. Asking for several of one offer may bring fewer; what is missing
is asked of the next. Everything here is a pure function: `Search` says where a launch stands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum

# Two vCPUs and 4 GiB; four vCPUs and 8 GiB or more. Intel first: a fleet of one CPU family trains to the same bit.
DEFAULT_TYPES = {
    "embedded": ("c7i.large", "c6i.large", "c5.large", "c7a.large", "c6a.large", "c5a.large"),
    "simkube": ("c7i.xlarge", "c6i.xlarge", "m7i-flex.xlarge", "c5.xlarge", "m6i.xlarge", "c7a.xlarge", "c6a.xlarge"),
}


class Market(StrEnum):
    """How an instance is paid for."""

    SPOT = "spot"
    ON_DEMAND = "on-demand"


@dataclass(frozen=True)
class Offer:
    """Machines that can be asked for.

    Attributes:
        usd_per_hour: of one, with its disk and address; None where the price is not known.
        source: where the price is from.
    """

    type: str
    subnet: str
    zone: str
    market: Market
    usd_per_hour: float | None = None
    source: str = ""

    def __str__(self) -> str:
        return f"{self.type} {self.market} in {self.zone}"


def in_order(offers: Iterable[Offer]) -> tuple[Offer, ...]:
    """Spot before on-demand; spot cheapest first, unknown prices last; otherwise in the order given."""

    def rank(offer: Offer) -> tuple[bool, float]:
        by_price = offer.usd_per_hour if offer.usd_per_hour is not None else float("inf")
        return offer.market is not Market.SPOT, by_price if offer.market is Market.SPOT else 0.0

    return tuple(sorted(offers, key=rank))


class ErrorClass(Enum):
    """What an error of RunInstances means."""

    NO_OFFER = "not this type here and now: the next offer"
    NO_SUBNET = "nothing in this subnet: the next one"
    NO_MARKET = "nothing more on this market"
    QUOTA = "not so many on this market: fewer, and if it was one, nothing more"
    TOKEN_USED = "the client token belongs to another request, or to instances that have ended"  # noqa: S105
    RETRY = "the same request again, later; whether it was carried out is unknown"
    FATAL = "none of the other offers would do better"


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html, and boto3's names for lost answers.
_VERDICTS = {
    ErrorClass.NO_OFFER: (
        "InsufficientInstanceCapacity",
        "InsufficientCapacity",
        "InsufficientHostCapacity",
        "InsufficientReservedInstanceCapacity",
        "ReservationCapacityExceeded",
        "UnfulfillableCapacity",
        "SpotMaxPriceTooLow",
        "Unsupported",
    ),
    ErrorClass.NO_SUBNET: (
        "InsufficientFreeAddressesInSubnet",
        "InsufficientAddressCapacity",
        "InsufficientVolumeCapacity",
        "VolumeTypeNotAvailableInZone",
    ),
    ErrorClass.NO_MARKET: ("AuthFailure.ServiceLinkedRoleCreationNotPermitted",),
    ErrorClass.QUOTA: (
        "VcpuLimitExceeded",
        "InstanceLimitExceeded",
        "MaxSpotInstanceCountExceeded",
        "ResourceCountExceeded",
    ),
    ErrorClass.TOKEN_USED: ("IdempotentParameterMismatch", "IdempotentInstanceTerminated"),
    ErrorClass.RETRY: (
        *("RequestLimitExceeded", "Throttling", "ThrottlingException", "EC2ThrottledException", "RetryableError"),
        *("InternalError", "InternalFailure", "ServerInternal", "ServiceUnavailable", "Unavailable"),
        *("408", "429", "500", "502", "503", "504"),
        *("ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError", "EndpointConnectionError"),
        *("HTTPClientError", "ProxyConnectionError", "ResponseStreamingError", "IncompleteReadError"),
        *("ResponseParserError", "SSLError"),
    ),
}
_AT_ONCE = 100  # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html: "for 100 instances each"
_QUOTAS = {  # https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html
    Market.ON_DEMAND: "'Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances' (L-1216C47A, in vCPUs)",
    Market.SPOT: "'All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests' (L-34B43A08, in vCPUs)",
}
_VERDICT_OF = {code: verdict for verdict, codes in _VERDICTS.items() for code in codes}


def error_class(code: str) -> ErrorClass:
    """What an error code of RunInstances means; one that is not known is fatal."""
    return _VERDICT_OF.get(code, ErrorClass.FATAL)


def quotas(refusals: Iterable[tuple[Offer, str]]) -> list[str]:
    """Which of the account's quotas refused offers, and where to raise them; one line each."""
    markets = dict.fromkeys(offer.market for offer, code in refusals if error_class(code) is ErrorClass.QUOTA)
    return [
        f"the quota {_QUOTAS[market]} is used up; raise it in the console of Service Quotas (Amazon EC2), or use "
        "machines of another family"
        for market in markets
    ]


@dataclass(frozen=True)
class Search:
    """Where a launch stands.

    Attributes:
        missing: instances still to be found.
        offers: those left; the first one is next.
        at_most: what a quota allows at once on this market; None: not known to be too little.
        turn: counts client tokens given up; see `client_token`.
    """

    missing: int
    offers: tuple[Offer, ...]
    at_most: int | None = None
    turn: int = 0

    @property
    def over(self) -> bool:
        return not self.missing or not self.offers

    @property
    def count(self) -> int:
        """How many to ask of the next offer."""
        return min(self.missing, _AT_ONCE if self.at_most is None else self.at_most)

    def gave(self, count: int) -> Search:
        """The first offer gave so many. Fewer than asked for: that is all there are of it."""
        left = self.offers if count >= self.count else self.offers[1:]
        return replace(self, missing=max(0, self.missing - count))._on(left)

    def found(self, count: int) -> Search:
        """So many turned up beside what was asked for."""
        return replace(self, missing=max(0, self.missing - count))

    def refused(self, why: ErrorClass) -> Search:
        """The first offer was refused. The same search for AGAIN and FATAL: what then is not a matter of offers."""
        first = self.offers[0]
        match why:
            case ErrorClass.NO_OFFER:
                return self._on(self.offers[1:])
            case ErrorClass.NO_SUBNET:
                return self._on(tuple(offer for offer in self.offers if offer.subnet != first.subnet))
            case ErrorClass.QUOTA if self.count > 1:
                return replace(self, at_most=self.count // 2, turn=self.turn + 1)
            case ErrorClass.QUOTA | ErrorClass.NO_MARKET:
                return self._on(tuple(offer for offer in self.offers if offer.market is not first.market))
            case ErrorClass.TOKEN_USED:
                return replace(self, turn=self.turn + 1)
            case _:
                return self

    def _on(self, offers: tuple[Offer, ...]) -> Search:
        stays = bool(offers) and offers[0].market is self.offers[0].market
        return replace(self, offers=offers, at_most=self.at_most if stays else None)


def client_token(region: str, group: str, seen: Sequence[str], offer: Offer, turn: int) -> str:
    """The idempotency token of a RunInstances: 64 hex digits.

    A launch that is repeated before EC2 lists the first one's instances has the same token, even if other parameters
    have changed. EC2 then returns those instances, or refuses (IdempotentParameterMismatch) if the request differs.

    Args:
        seen: ids of all instances that the group is known to have had: with each that is found, a new generation.
        turn: `Search.turn`; another one makes another token.
    """
    parts = (region, group, *sorted(seen), offer.type, offer.subnet, offer.market, str(turn))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
