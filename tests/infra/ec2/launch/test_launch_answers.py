"""A launch and EC2's answers: lost ones, late ones, refusals; and what the machines are that it asks for."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest
from double import ON_DEMAND, SPOT, Double, Request
from hypothesis import given, settings
from hypothesis import strategies as st
from launches import BUCKET, GROUP, REGION, ZONES, asked_for, aws, image, profile, requests

from infra.ec2.aws import AwsError
from infra.ec2.fleet import find
from infra.ec2.launch.launcher import Launch, expiry, rehearse
from infra.ec2.launch.offers import Market, Offer, in_order
from infra.ec2.launch.plan import Image, LaunchPlan
from infra.ec2.launch.user_data import Artifact, Orders, render
from infra.ec2.stack.description import Stack
from protocol.wire.clock import system_clock

CODE = Artifact("code/" + "0" * 64 + "/file", "0" * 64)


class Killed(BaseException):
    """The end of a process, at any point."""


def no_more(seconds: float) -> None:
    raise Killed


@dataclass
class Fleet:
    """Launches of one group, in an account that has just what they need."""

    double: Double
    plan: LaunchPlan
    slept: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def launch(
        self,
        count: int,
        *,
        now: float = 1e9,
        sleep: Callable[[float], None] | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> Launch:
        """One launch, as the command does it."""
        there = find(aws(), group=GROUP, gone=True)
        living = tuple(one for one in there if one.living)
        plan = replace(self.plan, count=count, seen=tuple(one.id for one in there), living=living)
        machine = replace(system_clock(), sleep=sleep or self.slept.append, jitter=lambda: 0.5, stopping=stopping)
        under_way = Launch(aws(), plan, machine, now, self.said.append)
        under_way.run()
        return under_way

    def launch_killed(self, count: int) -> None:
        """One that is killed after EC2 has carried out its first request, before it knows."""
        self.double.lose_answer("RunInstances")
        with pytest.raises(Killed):
            self.launch(count, sleep=no_more)

    def list_nothing(self) -> None:
        """EC2 does not list yet what it has launched: what has no tags is not found."""
        aws().client("ec2").delete_tags(Resources=everything(), Tags=[{"Key": "Project"}])

    def list_all(self, seconds: float = 0.0) -> None:
        aws().client("ec2").create_tags(Resources=everything(), Tags=[{"Key": "Project", "Value": "sim-arena"}])


@pytest.fixture
def fleet(double: Double) -> Fleet:
    ec2 = aws().client("ec2")
    subnets = {row["AvailabilityZone"]: row["SubnetId"] for row in ec2.describe_subnets()["Subnets"]}
    group = ec2.describe_security_groups()["SecurityGroups"][0]
    offers = [
        Offer(name, subnets[zone], zone, Market.ON_DEMAND, 0.1) for name in ("c7i.large", "c6i.large") for zone in ZONES
    ]
    plan = LaunchPlan(
        region=REGION,
        orders=Orders(BUCKET, REGION, GROUP, CODE, CODE, "embedded"),
        count=0,
        stack=Stack("a-stack", BUCKET, group["VpcId"], group["GroupId"], profile(), "a-role"),
        image=Image(image(), "/dev/xvda", 20),
        owner="arn:aws:sts::123456789012:assumed-role/people/mary@example.org",
        offers=tuple(offers),
    )
    double.log.clear()
    return Fleet(double, plan)


def everything() -> list[str]:
    """The ids of all instances that cost, with our tags or without."""
    rows = aws().client("ec2").describe_instances()["Reservations"]
    instances = [instance for row in rows for instance in row["Instances"]]
    return [one["InstanceId"] for one in instances if one["State"]["Name"] == "running"]


def tokens(double: Double) -> list[str]:
    return [str(each.parameters["ClientToken"]) for each in requests(double)]


def test_an_answer_that_is_lost_is_asked_for_again_with_the_same_token(fleet: Fleet) -> None:
    fleet.double.lose_answer("RunInstances", times=2)
    under_way = fleet.launch(2)
    assert [one.id for one in under_way.launched] == everything()
    assert len(everything()) == 2
    assert len(set(tokens(fleet.double))) == 1
    assert len(tokens(fleet.double)) == 3
    assert fleet.slept == [1, 2]


def test_an_answer_that_never_comes_is_looked_for_among_what_there_is(fleet: Fleet) -> None:
    fleet.double.lose_answer("RunInstances", times=100)
    under_way = fleet.launch(2)
    assert len(tokens(fleet.double)) == 6
    assert sorted(one.id for one in under_way.launched) == sorted(everything())
    assert len(everything()) == 2
    assert (under_way.search.missing, under_way.unclear) == (0, True)


def test_an_answer_that_a_proxy_spoils_is_asked_for_again_and_what_came_of_it_is_known(fleet: Fleet) -> None:
    fleet.double.garble_answer("RunInstances", times=100)
    under_way = fleet.launch(2)
    assert len(set(tokens(fleet.double))) == 1
    assert sorted(one.id for one in under_way.launched) == sorted(everything())
    assert len(everything()) == 2
    assert under_way.unclear


def test_a_killed_launch_that_is_repeated_at_once_gets_the_same_machines(fleet: Fleet) -> None:
    fleet.launch_killed(3)
    fleet.list_nothing()
    under_way = fleet.launch(3, now=1e9 + 20)
    assert len(everything()) == 3
    assert sorted(one.id for one in under_way.launched) == sorted(everything())
    assert tokens(fleet.double)[0] == tokens(fleet.double)[1]


@pytest.mark.parametrize(("count", "later"), [(3, 3600), (5, 20)])
def test_one_that_is_repeated_otherwise_finds_them(fleet: Fleet, count: int, later: float) -> None:
    fleet.launch_killed(3)
    fleet.list_nothing()
    under_way = fleet.launch(count, now=1e9 + later, sleep=fleet.list_all)
    assert len(everything()) == len(under_way.launched) == count
    assert "an earlier launch of shop asked for this; looking for what it got" in fleet.said


def test_a_killed_launch_that_ec2_lists_is_counted(fleet: Fleet) -> None:
    fleet.launch_killed(2)
    under_way = fleet.launch(3)
    assert (len(under_way.launched), len(everything())) == (1, 3)
    assert len(set(tokens(fleet.double))) == 2


def test_a_token_whose_machines_have_ended_and_are_forgotten_is_given_up(fleet: Fleet) -> None:
    for machine in fleet.launch(2).launched:
        fleet.double.end(machine.id)
        fleet.double.forget(machine.id)
    assert len(fleet.launch(2).launched) == 2
    first, refused, fresh = tokens(fleet.double)
    assert first == refused != fresh
    assert not fleet.slept, "nothing can turn up"


def test_machines_that_ended_lately_make_another_token(fleet: Fleet) -> None:
    for machine in fleet.launch(2).launched:
        fleet.double.end(machine.id)
    assert len(fleet.launch(2).launched) == 2
    assert len(tokens(fleet.double)) == len(set(tokens(fleet.double))) == 2


def test_an_offer_that_has_too_few_gives_what_it_has(fleet: Fleet) -> None:
    for pool, there in {("c7i.large", ZONES[0]): 1, ("c7i.large", ZONES[1]): 0, ("c6i.large", ZONES[0]): 2}.items():
        fleet.double.capacity[*pool, ON_DEMAND] = there
    under_way = fleet.launch(4)
    assert [(one.type, one.zone) for one in under_way.launched] == [
        ("c7i.large", ZONES[0]),
        ("c6i.large", ZONES[0]),
        ("c6i.large", ZONES[0]),
        ("c6i.large", ZONES[1]),
    ]
    assert [each[2] for each in asked_for(fleet.double)] == [4, 3, 3, 1], (
        "each is asked once: boto3 would ask six times"
    )
    assert not fleet.slept
    assert len(set(tokens(fleet.double))) == 4


def test_what_spot_cannot_give_is_had_on_demand(fleet: Fleet) -> None:
    spot = replace(fleet.plan.offers[0], market=Market.SPOT, usd_per_hour=0.03)
    fleet.plan = replace(fleet.plan, offers=in_order([*fleet.plan.offers, spot]))
    fleet.double.capacity[spot.type, spot.zone, SPOT] = 1
    under_way = fleet.launch(3)
    assert [(one.spot, one.usd_per_hour) for one in under_way.launched] == [(True, 0.03), (False, 0.1), (False, 0.1)]


def test_a_quota_of_spot_machines_leaves_those_on_demand(fleet: Fleet) -> None:
    spots = [replace(offer, market=Market.SPOT) for offer in fleet.plan.offers]
    fleet.plan = replace(fleet.plan, offers=in_order([*fleet.plan.offers, *spots]))
    fleet.double.fail("RunInstances", "MaxSpotInstanceCountExceeded", when=lambda request: market_of(request) == SPOT)
    assert len(fleet.launch(2).launched) == 2
    assert [each[1:] for each in asked_for(fleet.double)] == [(SPOT, 2), (SPOT, 1), (ON_DEMAND, 2)]


def test_a_quota_is_used_up(fleet: Fleet) -> None:
    """EC2 refuses all of a request that is beyond it."""

    left = [3]

    def beyond(request: Request) -> bool:
        count = int(request.parameters["MaxCount"])
        if count <= left[0]:
            left[0] -= count
            return False
        return True

    fleet.double.fail("RunInstances", "VcpuLimitExceeded", when=beyond)
    under_way = fleet.launch(5)
    assert len(everything()) == len(under_way.launched) == 3
    assert under_way.search.missing == 2
    assert {code for _, code in under_way.refusals} == {"VcpuLimitExceeded"}


def test_an_instance_profile_that_ec2_does_not_know_yet_is_waited_for(fleet: Fleet) -> None:
    said = "Value (arn:x) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN"
    fleet.double.fail("RunInstances", "InvalidParameterValue", said, times=3)
    machine = replace(system_clock(), sleep=fleet.slept.append)
    with suppress(AwsError):
        rehearse(aws(), fleet.plan, 1e9, machine, fleet.said.append)
    assert fleet.slept == [5.0, 5.0, 5.0]
    assert fleet.said == 3 * ["EC2 does not know the instance profile yet; asking again"]
    fleet.double.fail("RunInstances", "InvalidParameterValue", said, times=1)
    assert len(fleet.launch(1).launched) == 1


def test_throttling_is_waited_for(fleet: Fleet) -> None:
    fleet.double.fail("RunInstances", "RequestLimitExceeded", times=3)
    assert len(fleet.launch(1).launched) == 1
    assert fleet.slept == [1, 2, 4]
    assert len(set(tokens(fleet.double))) == 1


def test_throttling_without_end_is_trouble(fleet: Fleet) -> None:
    fleet.double.fail("RunInstances", "RequestLimitExceeded")
    under_way = fleet.launch(1)
    assert under_way.trouble is not None
    assert under_way.trouble.code == "RequestLimitExceeded"
    assert len(tokens(fleet.double)) == 6


def test_what_no_other_offer_can_mend_ends_the_launch_and_what_runs_stays(fleet: Fleet) -> None:
    fleet.double.capacity["c7i.large", ZONES[0], ON_DEMAND] = 1
    fleet.double.fail("RunInstances", "VolumeLimitExceeded", when=lambda request: request.parameters["MaxCount"] == "2")
    under_way = fleet.launch(3)
    assert under_way.trouble is not None
    assert under_way.trouble.code == "VolumeLimitExceeded"
    assert not under_way.unclear
    assert len(requests(fleet.double)) == 2
    assert len(everything()) == 1


def test_what_runs_is_known_even_if_it_cannot_be_said(fleet: Fleet) -> None:
    """The reader of stderr may be gone, as in `ec2-workers launch … 2>&1 | head -1`."""

    def say(line: str) -> None:
        raise Killed

    under_way = Launch(aws(), replace(fleet.plan, count=2), system_clock(), 1e9, say)
    with pytest.raises(Killed):
        under_way.run()
    assert sorted(one.id for one in under_way.launched) == sorted(everything())
    assert len(everything()) == 2


def test_undoing_waits_for_ec2_to_know_its_own_machines(fleet: Fleet) -> None:
    under_way = fleet.launch(2)
    fleet.double.fail("TerminateInstances", "InvalidInstanceID.NotFound", times=2)
    assert under_way.undo(fleet.slept.append) == 2
    assert not everything()
    assert fleet.slept == [3, 3]


def test_undoing_looks_for_what_a_lost_answer_has_launched(fleet: Fleet) -> None:
    """Told to stop, a launch waits no more; EC2 may show only then what it has launched."""
    fleet.double.lose_answer("RunInstances")
    fleet.double.after("RunInstances", lambda request: fleet.list_nothing())
    under_way = fleet.launch(2, stopping=lambda: bool(everything()))
    assert (len(everything()), under_way.launched, under_way.unclear) == (2, [], True)
    assert under_way.undo(fleet.list_all) == 2
    assert not everything()


def test_undoing_that_fails_says_so(fleet: Fleet) -> None:
    under_way = fleet.launch(1)
    fleet.double.fail("TerminateInstances", "UnauthorizedOperation")
    with pytest.raises(AwsError, match="UnauthorizedOperation"):
        under_way.undo(fleet.slept.append)
    assert len(everything()) == 1


def market_of(request: Request) -> str:
    return str(request.parameters.get("InstanceMarketOptions.MarketType", ON_DEMAND))


# -- the machines ----------------------------------------------------------------------------------------


def test_a_machine_has_no_key_no_old_metadata_and_nothing_that_outlives_it(fleet: Fleet) -> None:
    machine = fleet.launch(1).launched[0]
    asked = requests(fleet.double)[0].parameters
    assert "KeyName" not in asked
    assert asked["MetadataOptions.HttpTokens"] == "required"
    assert asked["MetadataOptions.HttpPutResponseHopLimit"] == "1"
    assert asked["InstanceInitiatedShutdownBehavior"] == "terminate"
    assert asked["IamInstanceProfile.Arn"] == fleet.plan.stack.instance_profile_arn
    assert asked["NetworkInterface.1.SecurityGroupId.1"] == fleet.plan.stack.security_group
    assert asked["NetworkInterface.1.AssociatePublicIpAddress"] == "true"
    assert asked["NetworkInterface.1.DeleteOnTermination"] == "true", "or the security group could not be deleted"
    disk = {name.rpartition(".")[2]: value for name, value in asked.items() if name.startswith("BlockDeviceMapping.1")}
    assert disk == {
        "DeviceName": "/dev/xvda",
        "VolumeSize": "20",
        "VolumeType": "gp3",
        "Encrypted": "true",
        "DeleteOnTermination": "true",
    }
    assert base64.b64decode(asked["UserData"]).decode() == render(fleet.plan.orders)
    assert machine.zone == ZONES[0]


def test_tags_are_there_from_birth_on_machine_and_disk(fleet: Fleet) -> None:
    machine = fleet.launch(1, now=1e9).launched[0]
    ec2 = aws().client("ec2")
    wanted = {
        "Name": "sim-arena-shop",
        "Project": "sim-arena",
        "sim-arena:group": GROUP,
        "sim-arena:bucket": BUCKET,
        "sim-arena:owner": fleet.plan.owner,
        "sim-arena:expires": "2001-09-09T13:50:00Z",
        "sim-arena:usd-per-hour": "0.10000",
    }
    described = ec2.describe_instances(InstanceIds=[machine.id])["Reservations"][0]["Instances"][0]
    volume = described["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    for tags in (described["Tags"], ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Tags"]):
        assert {tag["Key"]: tag["Value"] for tag in tags} == wanted
    assert "CreateTags" not in [each.operation for each in fleet.double.log]


def test_a_spot_machine_is_asked_for_once_and_its_request_has_tags_too(fleet: Fleet) -> None:
    fleet.plan = replace(fleet.plan, offers=(replace(fleet.plan.offers[0], market=Market.SPOT),))
    fleet.launch(1)
    asked = requests(fleet.double)[0].parameters
    options = "InstanceMarketOptions.SpotOptions"
    assert asked[f"{options}.SpotInstanceType"] == "one-time"
    assert asked[f"{options}.InstanceInterruptionBehavior"] == "terminate"
    kinds = {value for name, value in asked.items() if name.endswith(".ResourceType")}
    assert kinds == {"instance", "volume", "spot-instances-request"}


@settings(deadline=None)
@given(st.floats(0, 4e9), st.floats(0.1, 168))
def test_a_machine_expires_within_ten_minutes_of_its_last_hour(now: float, hours: float) -> None:
    orders = Orders(BUCKET, REGION, GROUP, CODE, CODE, "embedded", max_hours=hours)
    assert now + hours * 3600 <= expiry(orders, now) <= now + hours * 3600 + 600
