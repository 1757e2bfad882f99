"""`ec2-workers launch`, as a person meets it, on the small AWS of `double`."""

from __future__ import annotations

import base64
import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from double import ON_DEMAND, Double
from launches import (
    BUCKET,
    GROUP,
    REGION,
    Done,
    asked_for,
    aws,
    image,
    living,
    profile,
    rehearsal,
    requests,
    run_to_its_end,
)

from infra.ec2.fleet import launch_tags
from infra.ec2.stack import changes
from infra.ec2.stack.description import stack_name

TYPES = ("--instance-type", "c7i.large", "--instance-type", "c6i.large")


@pytest.fixture
def account(double: Double, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Double:
    """An account with a bucket and what launching wants of its stack, seen from an empty folder."""
    aws().ask("s3", "create_bucket", Bucket=BUCKET)
    outputs = {
        "Bucket": BUCKET,
        "VpcId": aws().ask("ec2", "describe_vpcs")["Vpcs"][0]["VpcId"],
        "SecurityGroupId": aws().ask("ec2", "describe_security_groups")["SecurityGroups"][0]["GroupId"],
        "InstanceProfileArn": profile(),
        "WorkerRoleArn": "a-role",
    }
    template = {
        "Resources": {"Folder": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    aws().ask("cloudformation", "create_stack", StackName=stack_name(BUCKET), TemplateBody=json.dumps(template))
    (tmp_path / "requirements.lock").write_text("")
    (tmp_path / "sim_arena-0.1.0-py3-none-any.whl").write_bytes(b"a wheel")
    monkeypatch.chdir(tmp_path)
    double.log.clear()
    return double


@pytest.fixture
def launch(account: Double, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs `ec2-workers launch` to its end; no traceback is ever seen."""

    def launched(*arguments: str, group: str = GROUP) -> Done:
        wheel = ("--source", "sim_arena-0.1.0-py3-none-any.whl")
        named = ("--bucket", BUCKET, "--group", group)
        return run_to_its_end(monkeypatch, capfd, "launch", *named, *wheel, *arguments)

    return launched


def born(bucket: str = BUCKET) -> None:
    """A machine of the group that was launched before."""
    tags = {"ResourceType": "instance", "Tags": launch_tags(GROUP, bucket, "somebody", 0.0, None)}
    aws().ask("ec2", "run_instances", ImageId=image(), MinCount=1, MaxCount=1, TagSpecifications=[tags])


def test_a_launch_says_what_runs_and_what_to_type_next(launch: Callable[..., Done], account: Double) -> None:
    done = launch("--count", "2", *TYPES)
    assert done.code == 0, done.err
    machines = living()
    assert [(one.type, one.spot, one.zone, one.group, one.bucket) for one in machines] == 2 * [
        ("c7i.large", False, "us-east-1a", GROUP, BUCKET)
    ]
    for machine in machines:
        assert f"{machine.id}  c7i.large  on-demand  us-east-1a  0.0964" in done.out
    for command in (
        "status --region us-east-1 --group shop --watch",
        f"logs --region us-east-1 {machines[0].id}",
        "terminate --region us-east-1 --group shop",
    ):
        assert f"ec2-workers {command}" in done.err.replace(machines[1].id, machines[0].id)
    record = json.loads(Path("runs/ec2/shop.json").read_text())
    assert {row["id"] for row in record["instances"]} == {one.id for one in machines}
    said = [each.operation for each in account.log]
    assert max(at for at, what in enumerate(said) if what == "PutObject") < said.index(
        "RunInstances", said.index("PutObject")
    )


def test_the_code_that_machines_install_is_in_the_bucket(launch: Callable[..., Done], account: Double) -> None:
    assert launch("--count", "1", *TYPES).code == 0
    keys = [row["Key"] for row in aws().client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]]
    told = base64.b64decode(requests(account)[0].parameters["UserData"]).decode()
    assert len(keys) == 2
    assert f"SIM_ARENA_BUCKET_OWNER={aws().ask('sts', 'get_caller_identity')['Account']}\n" in told
    for key in keys:
        assert key in told
        assert key.split("/")[1] in told


def test_json_is_one_document(launch: Callable[..., Done]) -> None:
    born()
    before = {one.id for one in living()}
    said = launch("--count", "2", "--json", *TYPES).json
    assert (said["group"], said["region"], said["bucket_region"]) == (GROUP, REGION, REGION)
    assert (said["count"], said["living"], said["missing"]) == (2, 2, 0)
    old, new = said["instances"]
    assert not old["launched_now"]
    assert new == {
        "id": ({one.id for one in living()} - before).pop(),
        "type": "c7i.large",
        "market": "on-demand",
        "zone": "us-east-1a",
        "usd_per_hour": 0.09644,
        "launched_now": True,
    }
    assert [(offer["type"], offer["market"]) for offer in said["offers"]] == [
        ("c7i.large", "on-demand"),
        ("c6i.large", "on-demand"),
    ]


def test_offers_of_many_zones_and_prices_are_a_line_of_json_for_each_type_and_market(
    launch: Callable[..., Done], account: Double
) -> None:
    account.price("c7i.large", REGION, 0.5)
    for zone in "abcdf":
        account.capacity["c7i.large", f"us-east-1{zone}", ON_DEMAND] = 0
    done = launch("--count", "1", "--spot", "--json", *TYPES)
    spot, _, on_demand, table = done.json["offers"]
    zones = [f"us-east-1{zone}" for zone in "abcdf"]
    assert (spot["market"], sorted(spot["zones"])) == ("spot", zones)
    assert spot["usd_per_hour"]["lowest"] <= spot["usd_per_hour"]["highest"]
    extras = 20 * 0.08 / 730 + 0.005
    assert on_demand == {
        "type": "c7i.large",
        "market": "on-demand",
        "zones": zones,
        "usd_per_hour": {"lowest": 0.5 + extras, "highest": 0.5 + extras},
        "price_source": "AWS price list, us-east-1",
    }
    assert table["type"] == "c6i.large"


def test_refusals_of_many_zones_are_one(launch: Callable[..., Done], account: Double) -> None:
    for zone in "abcdf":
        account.capacity["c6i.large", f"us-east-1{zone}", ON_DEMAND] = 0
    assert launch("--count", "1", "--instance-type", "c6i.large", "--json").json["refusals"] == [
        {
            "type": "c6i.large",
            "market": "on-demand",
            "code": "InsufficientInstanceCapacity",
            "zones": [f"us-east-1{zone}" for zone in "abcdf"],
        }
    ]


def test_an_image_whose_disks_would_outlive_machines_is_refused(
    launch: Callable[..., Done], account: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    moto = type(account.image(image()))
    [root] = account.image(image()).block_device_mappings
    data = {**root, "DeviceName": "/dev/sdb"}
    monkeypatch.setattr(moto, "block_device_mappings", [root, data])
    done = launch("--count", "1", *TYPES)
    assert done.code == 2
    assert f"--ami {image()}: its disk /dev/sdb would outlive each machine" in done.err
    assert not account.asked("RunInstances")
    monkeypatch.setattr(moto, "block_device_mappings", [root, {**data, "Ebs": {"DeleteOnTermination": True}}])
    assert launch("--count", "1", *TYPES).code == 0


def test_a_rehearsal_shows_prices_and_creates_nothing(launch: Callable[..., Done], account: Double) -> None:
    account.price("c7i.large", REGION, 0.5)
    done = launch("--count", "4", "--max-hours", "2", "--dry-run", *TYPES)
    assert done.code == 0
    assert not living()
    assert not requests(account)
    assert len(account.asked("RunInstances")) == 1
    assert not account.asked("PutObject")
    assert not Path("runs").exists()
    each = 0.5 + 20 * 0.08 / 730 + 0.005
    assert f"c7i.large on-demand  a b c d f  {each:.4f}    {4 * each:.2f}       {8 * each:.2f}" in done.out
    assert "AWS price list, us-east-1" in done.out


def test_a_rehearsal_tells_what_is_not_allowed(launch: Callable[..., Done], account: Double) -> None:
    account.fail("RunInstances", "UnauthorizedOperation")
    for arguments in (("--dry-run",), ()):
        done = launch("--count", "4", *TYPES, *arguments)
        assert done.code == 1
        assert "UnauthorizedOperation" in done.err
    assert not account.asked("PutObject"), "nothing is uploaded for a launch that cannot be"


def test_a_group_is_filled_up_and_a_full_one_needs_nothing(launch: Callable[..., Done], account: Double) -> None:
    born()
    more = launch("--count", "3", *TYPES)
    assert more.code == 0
    assert "launching 2; 1 of 3 live already" in more.err
    assert len(living()) == 3
    account.log.clear()
    full = launch("--count", "3", *TYPES)
    assert (full.code, full.out) == (3, "")
    assert "3 of group shop live in us-east-1; nothing to do" in full.err
    assert not account.asked("RunInstances")


def test_what_is_there_stays_when_there_is_no_more(launch: Callable[..., Done], account: Double) -> None:
    for zone in "abcdf":
        account.capacity["c6i.large", f"us-east-1{zone}", ON_DEMAND] = 2 * (zone == "d")
    done = launch("--count", "4", "--instance-type", "c6i.large", "--json")
    assert done.code == 1
    assert (done.json["living"], done.json["missing"], len(living())) == (2, 2, 2)
    assert {row["code"] for row in done.json["refusals"]} == {"InsufficientInstanceCapacity"}
    assert "2 of 4 live in group shop; no offer is left (InsufficientInstanceCapacity)" in done.err
    assert "to end it: ec2-workers terminate --region us-east-1 --group shop" in done.err


def test_mistakes_are_one_line_and_start_nothing(launch: Callable[..., Done], account: Double) -> None:
    ec2 = aws().client("ec2")
    elsewhere = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=elsewhere, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    arm = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
    for arguments, message in {
        ("--instance-type", "c7g.large"): "--instance-type c7g.large: is for arm64; workers need x86_64",
        ("--instance-type", "c99.huge"): "--instance-type c99.huge: there is none in us-east-1",
        ("--ami", "ubuntu"): "--ami ubuntu: neither an image's id (ami-…) nor the name of an SSM parameter (/…)",
        ("--ami", ""): "--ami : neither an image's id",
        ("--ami", "/no/such"): "--ami /no/such: no such SSM parameter in us-east-1",
        ("--ami", "ami-00000000"): "--ami ami-00000000: there is none in us-east-1 that this account may use",
        ("--ami", arm): "is for arm64; workers need x86_64",
        ("--subnet", subnet): f"--subnet {subnet}: is in {elsewhere}; the stack's security group is in vpc-",
        ("--subnet", "subnet-1"): "--subnet subnet-1: there is none in us-east-1",
        ("--group", "Shop"): "group 'Shop': use 1 to 57 of",
        ("--source", "nowhere"): "--source nowhere: there is no such checkout or wheel",
        ("--nodes", "5"): "--nodes: needs --cluster simkube",
        ("--simkube", "settle_s=5"): "--simkube: needs --cluster simkube",
    }.items():
        done = launch("--count", "1", *arguments)
        assert message in done.err
        assert len(done.err.splitlines()) == 1
        assert done.code == 2
    assert not account.asked("RunInstances")


def test_a_group_of_another_bucket_is_left_alone(launch: Callable[..., Done], account: Double) -> None:
    born(bucket="theirs")
    done = launch("--count", "2", *TYPES)
    assert done.code == 2
    assert "group shop: has living instances for bucket 'theirs'; choose another --group" in done.err


def test_setup_comes_first(launch: Callable[..., Done], account: Double) -> None:
    done = launch("--count", "1", "--region", "eu-west-1")
    assert done.code == 1
    assert f"no stack sim-arena-{BUCKET} in eu-west-1; run: ec2-workers setup --bucket {BUCKET}" in done.err
    assert not account.asked("RunInstances")


def test_without_default_subnets_one_must_be_chosen(launch: Callable[..., Done]) -> None:
    ec2 = aws().client("ec2")
    subnets = [row["SubnetId"] for row in ec2.describe_subnets()["Subnets"]]
    vpc = ec2.describe_subnets()["Subnets"][0]["VpcId"]
    for subnet in subnets:
        ec2.delete_subnet(SubnetId=subnet)
    done = launch("--count", "1", *TYPES)
    assert done.code == 2
    assert f"{vpc} in us-east-1 has no default subnets; choose one with --subnet" in done.err
    own = ec2.create_subnet(VpcId=vpc, CidrBlock="172.31.128.0/24", AvailabilityZone="us-east-1c")["Subnet"]["SubnetId"]
    assert launch("--count", "1", *TYPES, "--subnet", own).code == 0
    assert living()[0].zone == "us-east-1c"


def test_a_bucket_in_another_region_is_said_to_cost(launch: Callable[..., Done], account: Double) -> None:
    changes.deploy(aws("eu-west-1"), BUCKET, vpc=None, closes_rounds=True, reporter=changes.Reporter(lambda line: None))
    done = launch("--count", "1", "--region", "eu-west-1", *TYPES)
    assert done.code == 0, done.err
    assert "s3://a-bucket is in us-east-1: traffic between regions costs extra" in done.err
    assert [one.region for one in living("eu-west-1")] == ["eu-west-1"]
    assert not living()


def test_a_folder_that_cannot_be_written_is_no_reason_not_to_launch(launch: Callable[..., Done]) -> None:
    Path("runs").write_text("in the way")
    done = launch("--count", "1", *TYPES)
    assert done.code == 0
    assert done.err.count("warning: runs/ec2/shop.json cannot be written (Not a directory)") == 1


def test_ctrl_c_ends_what_was_launched_and_nothing_else(launch: Callable[..., Done], account: Double) -> None:
    born()
    before = living()
    account.log.clear()
    account.capacity["c7i.large", "us-east-1a", ON_DEMAND] = 1
    account.after("RunInstances", lambda request: interrupt(), when=lambda request: not rehearsal(request))
    done = launch("--count", "3", *TYPES)
    assert done.code == 130
    assert "SIGINT: ending what was launched; once more to leave at once" in done.err
    assert "ended 1" in done.err
    assert living() == before
    assert len(account.asked("TerminateInstances")) == 1
    assert asked_for(account) == [("c7i.large", ON_DEMAND, 2)], "nothing more is asked for"


def test_ctrl_c_before_anything_runs_starts_nothing(launch: Callable[..., Done], account: Double) -> None:
    for operation in ("DescribeImages", "PutObject"):  # while the plan is made; while the code goes into the bucket
        account.after(operation, lambda request: interrupt())
        done = launch("--count", "1", "--group", operation.lower(), *TYPES)
        assert done.code == 130, operation
    assert not living()
    assert all(rehearsal(request) for request in account.asked("RunInstances"))


def test_a_second_signal_leaves_at_once_and_says_how_to_end_it(launch: Callable[..., Done], account: Double) -> None:
    account.after(
        "RunInstances", lambda request: interrupt(signal.SIGTERM), when=lambda request: not rehearsal(request)
    )
    account.before("TerminateInstances", lambda request: interrupt())
    done = launch("--count", "2", *TYPES)
    assert done.code == 130
    assert "SIGTERM: ending what was launched" in done.err
    ways = "ec2-workers terminate --region us-east-1 --group shop ; ec2-workers status --region us-east-1 --group shop"
    assert f"something may have been launched; run: {ways}" in done.err
    assert "ended" not in done.err


def interrupt(number: signal.Signals = signal.SIGINT) -> None:
    """Ctrl-C, say, while the command waits for an answer."""
    main = threading.main_thread().ident
    assert main
    signal.pthread_kill(main, number)


def test_a_bucket_on_an_endpoint_that_machines_will_not_use_is_refused(
    launch: Callable[..., Done], account: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://minio.example.test:9000")
    done = launch("--count", "1")
    assert done.code == 2
    assert "http://minio.example.test:9000: machines on EC2 use AWS's own S3; unset AWS_ENDPOINT_URL_S3" in done.err
    assert not requests(account)
