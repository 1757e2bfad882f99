"""What a machine, and the user who launches it, may do: the policies held against requests."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from judge import allowed, listed

import infra.ec2
from env.errors import UsageError
from infra.access.policies import Role, bucket_arn, bucket_policy, rights_of, role_policy
from infra.commands import app as sim_arena
from infra.ec2.fleet import launch_tags
from infra.ec2.launch import launcher
from infra.ec2.launch.offers import Market, Offer
from infra.ec2.launch.plan import Image, LaunchPlan
from infra.ec2.launch.user_data import Artifact, Orders
from infra.ec2.stack.description import Stack, stack_name
from infra.ec2.stack.permissions import Scope, launcher_policy, machine_policy
from protocol.wire import keys
from protocol.wire.keys import Mark

BUCKET, REGION, ACCOUNT, SHA256 = "the-bucket", "eu-west-1", "123456789012", 64 * "a"
ARN = bucket_arn(BUCKET)
WORKER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/sim-arena-the-bucket-WorkerRole-X"
MACHINE, CLOSER = (machine_policy(ARN, closes_rounds=closes) for closes in (False, True))
LAUNCHER = launcher_policy(Scope(BUCKET, stack_name(BUCKET), WORKER_ROLE, region=REGION, account=ACCOUNT))
OWN = bucket_policy(ARN)
ANYBODY = {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": f"{ARN}*"}]}
TAGS = launch_tags("fleet-1", BUCKET, "me", 0.0, None)


@dataclass(frozen=True)
class Request:
    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def s3(action: str, key: str = "", **context: str) -> Request:
    named = {name.replace("__", ":").replace("_", "-"): value for name, value in context.items()}
    return Request(f"s3:{action}", f"{ARN}/{key}" if key else ARN, {"aws:SecureTransport": "true", **named})


def put(key: str, *, once: bool = False) -> Request:
    return s3("PutObject", key, **({"s3__if_none_match": "*"} if once else {}))


def ec2(action: str, resource: str, context: Mapping[str, str] | None = None) -> Request:
    owner = "" if resource.startswith(("image/", "snapshot/")) else ACCOUNT
    return Request(f"ec2:{action}", f"arn:aws:ec2:{REGION}:{owner}:{resource}", context or {})


def tagged(kind: str, tags: list[dict[str, str]] = TAGS, **changed: str) -> dict[str, str]:
    values = {**{tag["Key"]: tag["Value"] for tag in tags}, **changed}
    return {f"aws:{kind}/{name}": value for name, value in values.items()}


# -- the machine -------------------------------------------------------------------------------------------

WHEEL = keys.code(SHA256, "sim_arena-1.0-py3-none-any.whl")
OF_ITSELF = [keys.machine_file("i-0123456789abcdef0", name) for name in sorted(keys.MACHINE_FILES)]


@pytest.mark.parametrize("policy", [MACHINE, CLOSER])
def test_a_machine_installs_code_and_says_how_it_is_again_and_again(policy: dict[str, Any]) -> None:
    assert allowed(s3("GetObject", WHEEL), policy, OWN)
    for key in OF_ITSELF:
        assert allowed(put(key), policy, OWN)


@pytest.mark.parametrize("policy", [MACHINE, CLOSER])
def test_a_machine_changes_no_code(policy: dict[str, Any]) -> None:
    for request in (put(WHEEL), put(WHEEL, once=True), s3("DeleteObject", WHEEL)):
        assert not allowed(request, policy)


@pytest.mark.parametrize("policy", [MACHINE, CLOSER])
def test_a_machine_reads_no_other_machines_logs(policy: dict[str, Any]) -> None:
    for request in (s3("GetObject", OF_ITSELF[0]), s3("ListBucket", s3__prefix=keys.MACHINES)):
        assert not allowed(request, policy)


def test_a_machine_may_do_all_that_a_worker_may() -> None:
    for machine, closes in ((MACHINE, False), (CLOSER, True)):
        worker = role_policy(Role.WORKER, ARN, closes_rounds=closes)
        for row in worker["Statement"]:
            [same] = [each for each in machine["Statement"] if each["Sid"] == row["Sid"]]
            assert set(row["Resource"]) <= set(same["Resource"])
            assert same.get("Condition") == row.get("Condition")


@pytest.mark.parametrize("policy", [MACHINE, CLOSER])
def test_a_machine_submits_nothing_and_deletes_no_result(policy: dict[str, Any]) -> None:
    result, state = keys.result("other"), keys.state("other", 1)
    requests = [
        put(key, once=True) for key in (keys.pending_manifest("other"), keys.cancel("other"), keys.trace(SHA256))
    ]
    requests += [s3("DeleteObject", key) for key in (result, state, keys.update("shop", 1, 0), keys.outcome("shop"))]
    assert [request for request in requests if allowed(request, policy)] == []


def test_a_machine_overwrites_no_result_of_another() -> None:
    for key in (keys.result("other"), keys.state("other", 1), keys.update("shop", 1, 0)):
        assert allowed(put(key, once=True), CLOSER, OWN)  # S3 itself refuses it where the key is taken
        assert not allowed(put(key), CLOSER, OWN)


def test_only_a_machine_that_closes_rounds_writes_decisions() -> None:
    decision = put(keys.decision("shop", 1), once=True)
    assert allowed(decision, CLOSER, OWN)
    assert not allowed(decision, MACHINE, OWN)


def test_a_machine_reads_none_of_the_accounts_parameters() -> None:
    """AmazonSSMManagedInstanceCore alone would allow it."""
    core = {"Statement": [{"Effect": "Allow", "Action": ["ssm:GetParameter", "ssm:GetParameters"], "Resource": "*"}]}
    parameter = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/database/password"
    for action in ("ssm:GetParameter", "ssm:GetParameters"):
        assert not allowed(Request(action, parameter), MACHINE, core)
    assert allowed(Request("ssm:GetParameter", parameter), core)


def test_a_machine_asks_nothing_but_the_bucket() -> None:
    granted = {action for row in CLOSER["Statement"] if row["Effect"] == "Allow" for action in listed(row["Action"])}
    assert granted == {"s3:GetObject", "s3:ListBucket", "s3:PutObject", "s3:DeleteObject"}


def test_the_bucket_takes_code_once_and_what_machines_say_again_and_again() -> None:
    assert allowed(put(WHEEL, once=True), ANYBODY, OWN)
    assert not allowed(put(WHEEL), ANYBODY, OWN)
    for key in (*OF_ITSELF, keys.attempt_mark("job", Mark.HEARTBEAT, 1)):
        assert allowed(put(key), ANYBODY, OWN)


# -- the launcher ------------------------------------------------------------------------------------------


def launch(market: Market) -> list[Request]:
    """What IAM is asked when `ec2-workers launch` asks for machines."""
    wheel = Artifact(WHEEL, SHA256)
    orders = Orders(BUCKET, REGION, "fleet-1", wheel, wheel, "embedded")
    place = Stack("a-stack", BUCKET, "vpc-1", "sg-1", "a-profile", WORKER_ROLE)
    offer = Offer("m7i.large", "subnet-1", "eu-west-1a", market, 0.1)
    plan = LaunchPlan(REGION, orders, 1, place, Image("ami-1", "/dev/xvda", 30), "me", (offer,))
    sent = launcher.request(plan, offer, 0.0, "")
    [network], [disk] = sent["NetworkInterfaces"], sent["BlockDeviceMappings"]
    metadata = {
        "ec2:MetadataHttpTokens": sent["MetadataOptions"]["HttpTokens"],
        "ec2:MetadataHttpPutResponseHopLimit": str(sent["MetadataOptions"]["HttpPutResponseHopLimit"]),
    }
    of = {"instance": metadata, "volume": {"ec2:Encrypted": str(disk["Ebs"]["Encrypted"]).lower()}}
    born = {each["ResourceType"]: tagged("RequestTag", each["Tags"]) for each in sent["TagSpecifications"]}
    return [
        *(ec2("RunInstances", f"{kind}/*", {**tags, **of.get(kind, {})}) for kind, tags in born.items()),
        *(ec2("CreateTags", f"{kind}/*", {**tags, "ec2:CreateAction": "RunInstances"}) for kind, tags in born.items()),
        ec2("RunInstances", "network-interface/*"),
        ec2("RunInstances", f"subnet/{network['SubnetId']}"),
        ec2("RunInstances", f"image/{sent['ImageId']}"),
        *(ec2("RunInstances", f"security-group/{group}", tagged("ResourceTag")) for group in network["Groups"]),
        Request("iam:PassRole", WORKER_ROLE, {"iam:PassedToService": "ec2.amazonaws.com"}),
    ]


@pytest.mark.parametrize("market", Market)
def test_a_launcher_launches(market: Market) -> None:
    requests = launch(market)
    assert len(requests) > 8
    assert [one for one in requests if not allowed(one, LAUNCHER)] == []


BORN = next(one.context for one in launch(Market.ON_DEMAND) if one.resource.endswith(":instance/*"))
DISK = next(one.context for one in launch(Market.ON_DEMAND) if one.resource.endswith(":volume/*"))


@pytest.mark.parametrize(
    "lacking",
    [
        {"aws:RequestTag/Project": "other"},
        {"aws:RequestTag/sim-arena:bucket": "other"},
        {"ec2:MetadataHttpTokens": "optional"},
        {"ec2:MetadataHttpPutResponseHopLimit": "2"},
    ],
)
def test_a_launcher_launches_nothing_without_tags_and_imdsv2(lacking: dict[str, str]) -> None:
    assert not allowed(ec2("RunInstances", "instance/*", {**BORN, **lacking}), LAUNCHER)
    [name] = lacking
    without = {key: value for key, value in BORN.items() if key != name}
    assert not allowed(ec2("RunInstances", "instance/*", without), LAUNCHER)


def test_a_launcher_uses_neither_a_key_pair_nor_another_security_group_nor_an_open_disk() -> None:
    requests = [
        ec2("RunInstances", "key-pair/mine", BORN),
        ec2("RunInstances", "security-group/sg-2", {**BORN, "aws:ResourceTag/Project": "other"}),
        ec2("RunInstances", "security-group/sg-2", BORN),
        ec2("RunInstances", "volume/*", {**DISK, "ec2:Encrypted": "false"}),
    ]
    assert [request for request in requests if allowed(request, LAUNCHER)] == []


def test_a_launcher_ends_machines_of_its_bucket_and_no_others() -> None:
    assert allowed(ec2("TerminateInstances", "instance/i-1", tagged("ResourceTag")), LAUNCHER)
    others = [{}, tagged("ResourceTag", Project="web"), tagged("ResourceTag", **{"sim-arena:bucket": "other"})]
    for tags in others:
        assert not allowed(ec2("TerminateInstances", "instance/i-1", tags), LAUNCHER)


def test_a_launcher_tags_nothing_that_is_there_already() -> None:
    assert not allowed(ec2("CreateTags", "instance/i-1", tagged("RequestTag")), LAUNCHER)


def test_a_launcher_bakes_an_image_of_its_own_machine_and_removes_it_and_no_other() -> None:
    born, ours = tagged("RequestTag"), tagged("ResourceTag")
    requests = [
        ec2("CreateImage", "instance/i-1", ours),
        *(ec2("CreateImage", f"{kind}/*", born) for kind in ("image", "snapshot")),
        *(ec2("CreateTags", f"{kind}/*", {"ec2:CreateAction": "CreateImage"}) for kind in ("image", "snapshot")),
        ec2("DeregisterImage", "image/ami-1", ours),
        ec2("DeleteSnapshot", "snapshot/snap-1", ours),
    ]
    assert [request for request in requests if not allowed(request, LAUNCHER)] == []
    without = [Request(request.action, request.resource) for request in requests]
    assert [request for request in without if allowed(request, LAUNCHER)] == []


def test_a_launcher_passes_the_machines_role_only_and_to_ec2_only() -> None:
    for role, service in ((WORKER_ROLE, "lambda.amazonaws.com"), (WORKER_ROLE[:-1], "ec2.amazonaws.com")):
        assert not allowed(Request("iam:PassRole", role, {"iam:PassedToService": service}), LAUNCHER)


def test_a_launcher_uploads_code_once_and_reads_what_machines_say() -> None:
    assert allowed(put(WHEEL, once=True), LAUNCHER, OWN)
    assert not allowed(put(WHEEL), LAUNCHER, OWN)
    for key in OF_ITSELF:
        assert allowed(s3("GetObject", key), LAUNCHER, OWN)
        assert not allowed(put(key), LAUNCHER, OWN)
    for prefix in (keys.MACHINES, keys.machine("i-1"), keys.PENDING, keys.ACTIVE):
        assert allowed(s3("ListBucket", s3__prefix=prefix), LAUNCHER, OWN)


def test_a_launcher_writes_neither_jobs_nor_results() -> None:
    for key in (keys.pending_manifest("job"), keys.result("job"), keys.decision("shop", 1)):
        assert not allowed(put(key, once=True), LAUNCHER)
        assert not allowed(s3("DeleteObject", key), LAUNCHER)


def test_a_launcher_may_read_what_a_reader_may() -> None:
    for row in role_policy(Role.READER, ARN)["Statement"]:
        [same] = [each for each in LAUNCHER["Statement"] if each["Sid"] == row["Sid"]]
        assert set(row["Resource"]) <= set(same["Resource"])
    assert rights_of(Role.READER).create == ()


# -- what the commands ask ----------------------------------------------------------------------------------

SERVICES = ("cloudformation", "ec2", "iam", "pricing", "s3", "ssm", "sts")
ADMINISTRATORS = {  # setup and teardown
    "cloudformation:CreateStack",
    "cloudformation:UpdateStack",
    "cloudformation:DeleteStack",
    "cloudformation:DescribeStackEvents",
    "ec2:DescribeRegions",
    "ec2:DescribeSnapshots",
    "ec2:DescribeVpcs",
    "iam:ListEntitiesForPolicy",
    "s3:GetBucketEncryption",
    "s3:GetBucketPolicy",
    "s3:GetPublicAccessBlock",
}
ANYBODYS = {"sts:GetCallerIdentity"}
ALONG_WITH_OTHERS = {"ec2:CreateTags", "iam:PassRole", "iam:CreateServiceLinkedRole"}  # with RunInstances
BY_HAND = {"ec2:DeregisterImage", "ec2:DeleteSnapshot"}  # what `bake` tells a person to type


def asked() -> Iterator[str]:
    """What `ec2-workers` asks of AWS: the names of services in each of its files, and of operations that these have."""
    session = botocore.session.Session()
    models = {service: session.get_service_model(service) for service in SERVICES}
    names = {service: {xform_name(each): each for each in model.operation_names} for service, model in models.items()}
    for path in Path(infra.ec2.__path__[0]).rglob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        for service in texts.intersection(SERVICES):
            yield from (f"{service}:{names[service][name]}" for name in texts.intersection(names[service]))


def test_a_launcher_may_do_just_what_the_commands_ask_of_aws() -> None:
    needed = {"s3:ListBucket" if action == "s3:HeadBucket" else action for action in asked()}
    assert needed >= ADMINISTRATORS
    granted = {action for row in LAUNCHER["Statement"] for action in listed(row["Action"])}
    assert needed - ADMINISTRATORS - ANYBODYS - granted == set()
    assert {one for one in granted - ALONG_WITH_OTHERS - BY_HAND if not one.startswith("s3:")} - needed == set()


def reference(service: str) -> Any:
    """AWS's Service Authorization Reference of a service, as cfn-lint brings it along."""
    data = Path(pytest.importorskip("cfnlint").__path__[0]) / "data/AdditionalSpecs/Policies.json"
    return json.loads(data.read_text(encoding="utf-8"))[service]


OF_THE_REQUEST = {"ec2:CreateAction"}  # an action's key, not a resource's
EC2_STATEMENTS = [row for row in LAUNCHER["Statement"] if all(one.startswith("ec2:") for one in listed(row["Action"]))]


def kinds_of(row: Mapping[str, Any]) -> list[str]:
    """The types of resources in a statement; none for `*`."""
    return [arn.split(":", 5)[5].partition("/")[0] for arn in listed(row["Resource"]) if arn != "*"]


@pytest.mark.parametrize("row", EC2_STATEMENTS, ids=lambda row: str(row["Sid"]))
def test_every_condition_is_on_a_resource_that_ec2_has_it_for(row: Mapping[str, Any]) -> None:
    """A key that EC2 does not send for a resource makes an Allow never hold."""
    kinds, known = kinds_of(row), reference("ec2")
    for action in listed(row["Action"]):
        assert set(known["Actions"][action.removeprefix("ec2:").lower()]["Resources"]).intersection(kinds), action
    asked = {key.partition("/")[0] for keyed in row.get("Condition", {}).values() for key in keyed} - OF_THE_REQUEST
    for kind in kinds:
        assert asked <= {key.partition("/")[0] for key in known["Resources"][kind]["ConditionKeys"]}, kind


def test_a_launcher_may_use_all_kinds_of_resources_that_a_launch_touches() -> None:
    """Of those that RunInstances knows, our requests name none of these."""
    unnamed = {
        *("capacity-reservation", "elastic-gpu", "elastic-inference", "group", "key-pair", "launch-template"),
        *("license-configuration", "placement-group", "secondary-interface", "secondary-subnet", "snapshot"),
    }
    may = {kind for row in EC2_STATEMENTS if row["Action"] == "ec2:RunInstances" for kind in kinds_of(row)}
    assert set(reference("ec2")["Actions"]["runinstances"]["Resources"]) - unnamed == may


# -- the command ----------------------------------------------------------------------------------------------


def printed(capfd: pytest.CaptureFixture[str], *arguments: str) -> Any:
    sim_arena(["policy", *arguments, "--bucket", BUCKET], standalone_mode=False)
    return json.loads(capfd.readouterr().out)


def test_the_command_prints_what_the_functions_return(capfd: pytest.CaptureFixture[str]) -> None:
    assert printed(capfd, "machine") == MACHINE
    assert printed(capfd, "machine", "--closes-rounds") == CLOSER
    expected = launcher_policy(Scope(BUCKET, stack_name(BUCKET), WORKER_ROLE, account=ACCOUNT))
    assert printed(capfd, "launcher", "--worker-role", WORKER_ROLE) == expected


def test_without_a_role_the_command_takes_that_of_the_bucket_s_stack(capfd: pytest.CaptureFixture[str]) -> None:
    policy = printed(capfd, "launcher", "--partition", "aws-us-gov")
    for role, may in ((f"{stack_name(BUCKET)}-WorkerRole-ABC", True), ("sim-arena-other-WorkerRole-ABC", False)):
        request = Request(
            "iam:PassRole", f"arn:aws-us-gov:iam::{ACCOUNT}:role/{role}", {"iam:PassedToService": "ec2.amazonaws.com"}
        )
        assert allowed(request, policy) == may


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["luncher"], "did you mean 'launcher'"),
        (["machine", "--job", "j"], "for workers only"),
        (["launcher", "--closes-rounds"], "for workers only"),
        (["worker", "--worker-role", WORKER_ROLE], "for launchers only"),
        (["launcher", "--worker-role", "*"], "no role's ARN"),
        (["launcher", "--worker-role", WORKER_ROLE, "--partition", "aws-cn"], "no role's ARN in partition aws-cn"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        sim_arena(["policy", *arguments, "--bucket", BUCKET], standalone_mode=False)
