"""Launching: RunInstances for one offer after the other until enough instances live, and nothing left unsaid.

EC2 may carry a request out although its answer never arrives. So each has a client token that the same launch would say
again if it were repeated, and after an answer that is lost for good the group's tags tell what is there.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from env.errors import SimArenaError
from infra.ec2.aws import Aws, AwsError
from infra.ec2.fleet import Instance, find, launch_tags, read
from infra.ec2.launch import code
from infra.ec2.launch.interrupt import heed
from infra.ec2.launch.offers import ErrorClass, Market, Offer, Search, client_token, error_class
from infra.ec2.launch.plan import LaunchPlan
from infra.ec2.launch.user_data import Orders, render
from protocol.wire.bucket import Bucket
from protocol.wire.clock import Clock

_TRIES = 6  # of one request
_FIRST_PAUSE_S = 1.0
_LOOKS, _LOOK_S = 10, 3.0  # EC2 lists what it has launched within seconds
_MOST_TURNS = 200
_PROFILE_S = 5.0  # between two questions about an instance profile that EC2 does not know yet
_ROUND_S = 600  # expiry is rounded up to this, so that a launch repeated at once makes the very same requests


def request(plan: LaunchPlan, offer: Offer, now: float, user_data: str) -> dict[str, Any]:
    """The parameters of RunInstances for an offer, but for how many and the token.

    Args:
        now: seconds since the epoch.
    """
    orders = plan.orders
    tags = launch_tags(orders.group, orders.bucket, plan.owner, expiry(orders, now), offer.usd_per_hour)
    spot = offer.market is Market.SPOT
    kinds = ("instance", "volume", *(("spot-instances-request",) if spot else ()))
    disk = {"VolumeSize": plan.image.disk_gb, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}
    market = {
        "MarketType": "spot",
        "SpotOptions": {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"},
    }
    return {
        "ImageId": plan.image.id,
        "InstanceType": offer.type,
        "IamInstanceProfile": {"Arn": plan.stack.instance_profile_arn},
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "SubnetId": offer.subnet,
                "Groups": [plan.stack.security_group],
                "AssociatePublicIpAddress": True,  # the way out without a NAT gateway; nothing is let in
                "DeleteOnTermination": True,
            }
        ],
        "BlockDeviceMappings": [{"DeviceName": plan.image.root_device, "Ebs": disk}],
        "MetadataOptions": {"HttpEndpoint": "enabled", "HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        "InstanceInitiatedShutdownBehavior": "terminate",
        "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in kinds],
        "UserData": user_data,
        **({"InstanceMarketOptions": market} if spot else {}),
    }


def expiry(orders: Orders, now: float) -> float:
    """When machines launched now have ended themselves, in seconds since the epoch."""
    return math.ceil((now + orders.max_hours * 3600) / _ROUND_S) * _ROUND_S


def rehearse(aws: Aws, plan: LaunchPlan, now: float, clock: Clock, say: Callable[[str], None]) -> None:
    """Ask EC2 whether it would let these credentials do this; whether it has the machines only a launch can tell.

    It is asked again while it does not know the instance profile yet, which it takes some seconds to learn of.

    Raises:
        AwsError: it would not.
    """
    parameters = request(plan, plan.offers[0], now, render(plan.orders))
    for tries_left in reversed(range(_TRIES)):
        try:
            aws.ask("ec2", "run_instances", **parameters, MinCount=1, MaxCount=plan.missing, DryRun=True)
        except AwsError as error:
            if _is_new_profile(error) and tries_left and not clock.stopping():
                say("EC2 does not know the instance profile yet; asking again")
                clock.sleep(_PROFILE_S)
                continue
            if error.code != "DryRunOperation" and error_class(error.code) in (ErrorClass.FATAL, ErrorClass.RETRY):
                raise
        return


def _is_new_profile(error: AwsError) -> bool:
    """Whether EC2 has not heard yet of an instance profile, which IAM tells it seconds after it was made."""
    return error.code == "InvalidParameterValue" and "iam instance profile" in str(error).lower()


@dataclass
class Launch:
    """One launch under way.

    Args:
        now: seconds since the epoch.
        say: where progress goes, one line at a time.

    Attributes:
        launched: instances that live because of this launch, or that an earlier one got and EC2 shows only now.
        refusals: what EC2 answered to which offer.
        trouble: why it ended early; None: it did not.
    """

    aws: Aws
    plan: LaunchPlan
    clock: Clock
    now: float
    say: Callable[[str], None]
    launched: list[Instance] = field(default_factory=list)
    refusals: list[tuple[Offer, str]] = field(default_factory=list)
    trouble: AwsError | None = None
    _looked: bool = False

    def __post_init__(self) -> None:
        self.search = Search(self.plan.missing, self.plan.offers)
        self._once = self.aws.trying_once()
        self._user_data = render(self.plan.orders)

    def run(self) -> None:
        """Ask until enough live, no offer is left, a stop is requested, or there is trouble."""
        while not self.search.over and self.trouble is None and not self.clock.stopping():
            offer = self.search.offers[0]
            try:
                got = self._asked(offer)
            except AwsError as error:
                self._refused(offer, error)
            else:
                self._got(offer, got)

    def _asked(self, offer: Offer) -> list[Instance]:
        """What an offer brings; asked again, with the same token, while it is unclear whether it was carried out."""
        seen = (*self.plan.seen, *(instance.id for instance in self.launched))
        token = client_token(self.plan.region, self.plan.orders.group, seen, offer, self.search.turn)
        what = request(self.plan, offer, self.now, self._user_data)
        parameters = {**what, "MinCount": 1, "MaxCount": self.search.count, "ClientToken": token}
        tries = 0
        while True:
            try:
                rows = self._once.ask("ec2", "run_instances", **parameters)["Instances"]
                return [read(row, self.plan.region) for row in rows]
            except AwsError as error:
                tries += 1
                passing = error_class(error.code) is ErrorClass.RETRY or _is_new_profile(error)
                if not passing or tries == _TRIES or self.clock.stopping():
                    raise
                self.say(f"{offer}: {error.code}; asking again")
            self.clock.sleep(_FIRST_PAUSE_S * 2 ** (tries - 1) * (0.5 + self.clock.jitter()))

    def _got(self, offer: Offer, got: list[Instance]) -> None:
        known = {*self.plan.seen, *(instance.id for instance in self.launched)}
        new = [instance for instance in got if instance.id not in known and instance.living]
        self.launched += new  # first: the report may fail
        self.say(f"{offer}: {len(new)} of {self.search.count} launched ({_named(new)})")
        self.search = self.search.gave(len(new))

    def _refused(self, offer: Offer, error: AwsError) -> None:
        why = error_class(error.code)
        if why is ErrorClass.TOKEN_USED and self.search.turn < _MOST_TURNS:
            if error.code == "IdempotentParameterMismatch" and not self._looked:
                self.say(f"an earlier launch of {self.plan.orders.group} asked for this; looking for what it got")
                self._look(self.clock.sleep)
        elif why in (ErrorClass.RETRY, ErrorClass.FATAL, ErrorClass.TOKEN_USED):
            if why is ErrorClass.RETRY:
                self.say(f"{offer}: {error.code}; looking for what may have been launched")
                self._look(self.clock.sleep)
            self.trouble = error
        else:
            self.refusals.append((offer, error.code))
            self.say(f"{offer}: 0 of {self.search.count}, {error.code}")
        self.search = self.search.refused(why)

    def _look(self, sleep: Callable[[float], None]) -> None:
        """Wait until instances are listed that no answer named; if none are, none were launched."""
        self._looked = True
        known = {*self.plan.seen, *(instance.id for instance in self.launched)}
        before: list[Instance] = []
        for _ in range(_LOOKS):
            found = [one for one in find(self.aws, group=self.plan.orders.group) if one.id not in known]
            if found and len(found) == len(before):  # not while more and more turn up
                break
            before = found
            sleep(_LOOK_S)
        if before:
            self.launched += before
            self.search = self.search.found(len(before))
            self.say(f"found {_named(before)}")

    def undo(self, sleep: Callable[[float], None]) -> int:
        """End what this launch got, and tell how many those were; after a lost answer, look for that first.

        Args:
            sleep: what waits although the launch was told to stop.

        Raises:
            AwsError: EC2 did not confirm it.
        """
        if self.unclear:  # when told to stop, the look before was without waits
            self._look(sleep)
        ids = [instance.id for instance in self.launched]
        for looks_left in reversed(range(_LOOKS if ids else 0)):
            try:
                self.aws.ask("ec2", "terminate_instances", InstanceIds=ids)
                self.launched.clear()
                break
            except AwsError as error:
                if error.code != "InvalidInstanceID.NotFound" or not looks_left:
                    raise
            sleep(_LOOK_S)  # EC2 does not know them everywhere yet
        return len(ids)

    @property
    def unclear(self) -> bool:
        """Whether EC2 may have launched something that it has not told of."""
        return self.trouble is not None and error_class(self.trouble.code) is ErrorClass.RETRY

    @property
    def end_command(self) -> str:
        """What a person types to end what this launch got, and nothing else; empty if nothing is known of."""
        if not self.plan.living:
            return f"ec2-workers terminate --region {self.plan.region} --group {self.plan.orders.group}"
        ids = _named(self.launched)
        return ids and f"ec2-workers terminate --region {self.plan.region} {ids}"

    @property
    def look_command(self) -> str:
        """What a person types to see all of the group."""
        return f"ec2-workers status --region {self.plan.region} --group {self.plan.orders.group}"


def _named(instances: list[Instance]) -> str:
    return " ".join(instance.id for instance in instances)


def with_code(
    plan: LaunchPlan, place: Bucket, source: Path, stop: threading.Event, own_wheels: Sequence[Path] = ()
) -> LaunchPlan:
    """The plan with the code that its machines install, which is in the bucket then; see `code.upload`.

    Args:
        own_wheels: A user's packages, installed beside it.

    Raises:
        KeyboardInterrupt: the process was told to stop.
    """
    try:
        built = code.upload(place, source)
        more = code.upload_wheels(place, own_wheels)
    except SimArenaError:
        heed(stop)  # Ctrl-C ends pip, too
        raise
    heed(stop)
    return replace(plan, orders=replace(plan.orders, wheel=built.wheel, lock=built.lock, own_wheels=more))
