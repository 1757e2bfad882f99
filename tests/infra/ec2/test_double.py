"""The double keeps to what EC2 documents, so that tests against it mean something."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from double import ON_DEMAND, SPOT, Double
from imds import INSTANCE_ID, Imds

Run = Callable[..., list[str]]
AL2023 = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"


@cache
def client(service: str = "ec2", region: str = "us-east-1") -> Any:
    config = Config(retries={"total_max_attempts": 4, "mode": "standard"})
    return boto3.session.Session().client(service, region_name=region, config=config)  # type: ignore[call-overload]


@pytest.fixture
def image(double: Double) -> str:
    return str(client("ssm").get_parameter(Name=AL2023)["Parameter"]["Value"])


@pytest.fixture
def run(image: str) -> Run:
    """Launches, and gives the instances' ids."""

    def launch(count: int = 1, least: int = 1, **more: Any) -> list[str]:
        settings = {"ImageId": image, "InstanceType": "c6i.large", "MinCount": least, "MaxCount": count, **more}
        return [row["InstanceId"] for row in client().run_instances(**settings)["Instances"]]

    return launch


def states() -> list[str]:
    rows = client().describe_instances()["Reservations"]
    return [instance["State"]["Name"] for row in rows for instance in row["Instances"]]


def code(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "ap-south-1"])
def test_regions_know_the_image_that_their_parameter_names(double: Double, region: str) -> None:
    found = client("ssm", region).get_parameter(Name=AL2023)["Parameter"]["Value"]
    client("ec2", region).run_instances(ImageId=found, MinCount=1, MaxCount=1)


def test_an_account_is_empty_at_the_start_of_a_test(double: Double, run: Run) -> None:
    assert states() == []
    run()
    double.reset()
    assert states() == []


def test_as_many_instances_start_as_there_is_capacity_for(double: Double, run: Run) -> None:
    double.capacity["c6i.large", "us-east-1a", SPOT] = 2
    spot = {"InstanceMarketOptions": {"MarketType": "spot"}, "Placement": {"AvailabilityZone": "us-east-1a"}}
    with pytest.raises(ClientError) as caught:
        run(4, least=3, **spot)
    assert code(caught) == "InsufficientInstanceCapacity"
    assert len(double.asked("RunInstances")) == 4, "boto3 takes it for a server's weakness"
    assert len(run(4, **spot)) == 2
    with pytest.raises(ClientError):
        run(1, **spot)
    assert len(run(4)) == 4, "on demand there is more"


def test_the_subnet_decides_on_the_zone(double: Double, run: Run) -> None:
    subnets = {row["AvailabilityZone"]: row["SubnetId"] for row in client().describe_subnets()["Subnets"]}
    double.capacity["c6i.large", "us-east-1b", ON_DEMAND] = 1
    assert len(run(2, SubnetId=subnets["us-east-1b"])) == 1
    assert len(run(2, SubnetId=subnets["us-east-1c"])) == 2
    with pytest.raises(ClientError) as caught:
        run(SubnetId="subnet-0")
    assert code(caught) == "InvalidSubnetID.NotFound"


def test_a_client_token_launches_once(run: Run) -> None:
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda _: run(2, ClientToken="a"), range(4)))
    assert answers == [answers[0]] * 4
    assert len(states()) == 2
    with pytest.raises(ClientError) as caught:
        run(3, ClientToken="a")
    assert code(caught) == "IdempotentParameterMismatch"
    assert len(run(3, ClientToken="b")) == 3
    client().terminate_instances(InstanceIds=answers[0][:1])
    assert run(2, ClientToken="a") == answers[0]
    client().terminate_instances(InstanceIds=answers[0][1:])
    with pytest.raises(ClientError) as caught:
        run(2, ClientToken="a")
    assert code(caught) == "IdempotentInstanceTerminated"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"UserData": "x" * 16_385}, "InvalidUserData.Malformed"),
        ({"ImageId": "ami-00000000"}, "InvalidAMIID.NotFound"),
        ({"ImageId": "resolve:ssm:/x"}, "InvalidAMIID.NotFound"),
        ({"MinCount": 3}, "InvalidParameterValue"),
    ],
)
def test_what_ec2_refuses_to_launch(run: Run, settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(ClientError) as caught:
        run(2, **settings)
    assert code(caught) == expected
    assert states() == []


def test_user_data_may_be_as_large_as_the_limit(run: Run) -> None:
    assert run(UserData="x" * 16_384)


def test_every_instance_of_a_launch_has_the_profile_and_the_tags(run: Run) -> None:
    arn = client("iam").create_instance_profile(InstanceProfileName="p")["InstanceProfile"]["Arn"]
    tags = [{"ResourceType": kind, "Tags": [{"Key": "k", "Value": "v"}]} for kind in ("instance", "volume")]
    run(2, IamInstanceProfile={"Arn": arn}, TagSpecifications=tags)
    (row,) = client().describe_instances()["Reservations"]
    assert [one["IamInstanceProfile"]["Arn"] for one in row["Instances"]] == [arn, arn]
    assert [one["Tags"] for one in row["Instances"]] == [[{"Key": "k", "Value": "v"}]] * 2
    assert [one["Tags"] for one in client().describe_volumes()["Volumes"]] == [[{"Key": "k", "Value": "v"}]] * 2


def test_none_ends_where_one_id_is_unknown_or_malformed(run: Run) -> None:
    for other, expected in (
        ("i-0123456789abcdef0", "InvalidInstanceID.NotFound"),
        ("i-1", "InvalidInstanceID.Malformed"),
    ):
        with pytest.raises(ClientError) as caught:
            client().terminate_instances(InstanceIds=[*run(), other])
        assert code(caught) == expected
    assert states() == ["running", "running"]


def test_a_protected_instance_keeps_those_of_its_zone_alive(run: Run) -> None:
    zones = ("us-east-1a", "us-east-1a", "us-east-1b")
    ids = [run(Placement={"AvailabilityZone": zone})[0] for zone in zones]
    client().modify_instance_attribute(InstanceId=ids[1], DisableApiTermination={"Value": True})
    with pytest.raises(ClientError) as caught:
        client().terminate_instances(InstanceIds=ids)
    assert code(caught) == "OperationNotPermitted"
    assert states() == ["running", "running", "terminated"]


def test_an_instance_can_age_end_and_be_forgotten(double: Double, run: Run) -> None:
    (one,) = run()
    before = double.instance(one).launch_time
    double.age(one, 3600)
    assert (before - double.instance(one).launch_time).total_seconds() == 3600
    double.end(one, "Server.SpotInstanceTermination")
    (row,) = client().describe_instances()["Reservations"]
    assert row["Instances"][0]["State"]["Name"] == "terminated"
    assert row["Instances"][0]["StateTransitionReason"] == "Server.SpotInstanceTermination"
    double.forget(one)
    with pytest.raises(ClientError):
        client().describe_instances(InstanceIds=[one])


def test_faults_of_all_kinds(double: Double, run: Run, waits: list[float]) -> None:
    double.fail("RunInstances", "RequestLimitExceeded", times=2)
    assert run()
    assert len(waits) == 2
    double.fail("RunInstances", "VcpuLimitExceeded", when=lambda asked: asked.parameters["InstanceType"] == "c6i.large")
    with pytest.raises(ClientError) as caught:
        run()
    assert code(caught) == "VcpuLimitExceeded"
    assert run(InstanceType="m6i.large")
    double.refuse("RunInstances", times=1)
    double.lose_answer("RunInstances")
    assert run(InstanceType="m6i.large", ClientToken="a")
    assert len(states()) == 3, "a lost answer is of something that was done, a refused request is not"
    double.lose_answer("TerminateInstances", times=4)
    with pytest.raises(ConnectionClosedError):
        client().terminate_instances(InstanceIds=run(InstanceType="m6i.large"))
    assert states().count("terminated") == 1


@pytest.mark.parametrize(
    ("service", "operation", "name", "arguments"),
    [
        ("ssm", "GetParameter", "get_parameter", {"Name": AL2023}),
        ("cloudformation", "DescribeStacks", "describe_stacks", {}),
        ("s3", "PutObject", "put_object", {"Bucket": "bbb", "Key": "k", "Body": b"x"}),
        ("pricing", "GetProducts", "get_products", {"ServiceCode": "AmazonEC2"}),
    ],
)
def test_every_service_can_fail(double: Double, service: str, operation: str, name: str, arguments: Any) -> None:
    double.fail(operation, "AccessDenied", "no")
    with pytest.raises(ClientError) as caught:
        getattr(client(service), name)(**arguments)
    assert code(caught) == "AccessDenied"
    assert double.asked(operation)[0].service == service


def test_hooks_see_the_account_before_and_after(double: Double, run: Run) -> None:
    seen: list[tuple[str, list[str]]] = []
    double.before("RunInstances", lambda request: seen.append((request.parameters["InstanceType"], states())))
    double.after("RunInstances", lambda request: seen.append((request.region, states())))
    run()
    run()
    assert seen == [("c6i.large", []), ("us-east-1", ["running"])]


def test_an_image_takes_a_while_and_its_snapshot_has_tags(run: Run) -> None:
    tags = [{"ResourceType": kind, "Tags": [{"Key": "of", "Value": kind}]} for kind in ("image", "snapshot")]
    image = client().create_image(InstanceId=run()[0], Name="baked", TagSpecifications=tags)["ImageId"]
    first, second = (client().describe_images(ImageIds=[image])["Images"][0] for _ in range(2))
    assert (first["State"], second["State"]) == ("pending", "available")
    assert second["Tags"] == [{"Key": "of", "Value": "image"}]
    snapshot = second["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    assert client().describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["Tags"] == [
        {"Key": "of", "Value": "snapshot"}
    ]
    assert run(ImageId=image)
    with pytest.raises(ClientError) as caught:
        client().create_image(InstanceId=run()[0], Name="baked")
    assert code(caught) == "InvalidAMIName.Duplicate"


def test_prices_are_known_where_they_were_set(double: Double) -> None:
    def ask(region: str) -> list[str]:
        filters = [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": region}]
        return list(client("pricing").get_products(ServiceCode="AmazonEC2", Filters=filters)["PriceList"])

    with pytest.raises(ClientError):
        ask("us-east-1")
    double.price("c6i.large", "us-east-1", 0.085)
    assert len(ask("us-east-1")) == 1
    assert '"0.0850000000"' in ask("us-east-1")[0]
    assert ask("eu-central-1") == []


def test_metadata_needs_a_token(imds: Imds) -> None:
    def ask(path: str, method: str = "GET", **headers: str) -> str:
        named = {f"X-aws-ec2-metadata-{name.replace('_', '-')}": value for name, value in headers.items()}
        request = urllib.request.Request(f"{imds.endpoint}/latest/{path}", method=method, headers=named)
        with urllib.request.urlopen(request) as answer:
            return str(answer.read().decode())

    def refused(status: int, path: str, method: str = "GET", **headers: str) -> None:
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(path, method, **headers)
        caught.value.close()
        assert caught.value.code == status

    refused(401, "meta-data/instance-id")
    refused(400, "api/token", "PUT")
    token = ask("api/token", "PUT", token_ttl_seconds="60")
    refused(401, "meta-data/instance-id", token="wrong")
    assert ask("meta-data/instance-id", token=token) == INSTANCE_ID
    refused(404, "meta-data/spot/instance-action", token=token)
    imds.interrupt()
    assert "terminate" in ask("meta-data/spot/instance-action", token=token)
