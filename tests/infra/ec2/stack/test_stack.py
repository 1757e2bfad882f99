"""`ec2-workers setup` and `teardown` against the double: what is there afterwards, and what a person is told."""

from __future__ import annotations

import ast
import json
import re
import signal
import subprocess
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from double import ACCOUNT, Double, Request
from typer.testing import CliRunner

from env.errors import SimArenaError
from infra.access.policies import PUBLIC_ACCESS_BLOCK, Role, bucket_policy, role_policy
from infra.ec2.aws import Aws, AwsError
from infra.ec2.commands.main import app
from infra.ec2.commands.stack import _reporting
from infra.ec2.fleet import LaunchTags
from infra.ec2.launch.bake import lone_snapshots
from infra.ec2.stack import changes
from infra.ec2.stack.changes import Action, Change, Reporter, StackFailed, next_action
from infra.ec2.stack.description import StackDescription, describe, read_stack, stack_name
from infra.ec2.stack.own_bucket import foreign_key, region_of, unprotected
from infra.ec2.stack.permissions import Scope, launcher_policy, machine_policy
from infra.ec2.stack.teardown import obstacles
from infra.ec2.stack.template import template
from infra.local import s3
from infra.local.processes import clean_environment, command
from protocol.commands.console import open_bucket
from protocol.wire import keys
from protocol.wire.errors import UsageError

BUCKET, NAME, ARN = "the-bucket", "sim-arena-the-bucket", "arn:aws:s3:::the-bucket"


@pytest.fixture(autouse=True)
def regions(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    """moto has 38, and takes a while to furnish each."""
    from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend

    known = {region.name: region for region in RegionsAndZonesBackend.regions}
    monkeypatch.setattr(RegionsAndZonesBackend, "regions", [known[s3.REGION], known["eu-west-1"]])


@dataclass
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str


def run(command: str, *options: str, answer: str = "") -> Done:
    """A command, in this process; errors that `ec2-workers` would print are raised."""
    done = CliRunner().invoke(app, [command, "--bucket", BUCKET, *options], input=answer, catch_exceptions=False)
    return Done(done.exit_code, done.stdout, done.stderr)


@cache
def aws(region: str = s3.REGION) -> Aws:
    return Aws(region)


def make(**changed: Any) -> tuple[StackDescription, Change]:
    """What `setup` does, without its command line."""
    settings = {"vpc": None, "closes_rounds": True, "reporter": Reporter(lambda line: None), **changed}
    return changes.deploy(aws(), BUCKET, **settings)


def stand_in(region: str = s3.REGION) -> None:
    """A bucket, and a stack as setup makes it, but with next to nothing in it, which takes moto less time."""
    policy = {"PolicyDocument": role_policy(Role.READER, ARN)}
    least = {"Something": {"Type": "AWS::IAM::ManagedPolicy", "Properties": policy}}
    outputs = {"SomethingPolicyArn": {"Value": {"Ref": "Something"}}}
    body = json.dumps({**template(), "Conditions": {}, "Resources": least, "Outputs": outputs})
    values = {"Bucket": BUCKET, "CreateBucket": "false", "Vpc": "vpc-1"}
    rows = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
    aws(region).ask("cloudformation", "create_stack", StackName=NAME, TemplateBody=body, Parameters=rows)
    aws().ask("s3", "create_bucket", Bucket=BUCKET)


def setup(*options: str) -> Any:
    done = run("setup", "--json", *options)
    assert done.code == 0
    return json.loads(done.out)


def teardown(*options: str) -> Done:
    return run("teardown", "--yes", *options)


def seen() -> StackDescription:
    found = describe(aws(), NAME)
    assert found is not None
    return found


def has_stack(region: str = s3.REGION) -> bool:
    return describe(aws(region), NAME) is not None


def launch(region: str = s3.REGION, bucket: str = BUCKET) -> str:
    """A machine of the bucket's; its id."""
    image = aws(region).ask("ec2", "describe_images", Owners=["amazon"])["Images"][0]["ImageId"]
    tags = [{"ResourceType": "instance", "Tags": LaunchTags("fleet-1", bucket, "me", 0.0, None).tags()}]
    count = {"MinCount": 1, "MaxCount": 1}
    answer = aws(region).ask(
        "ec2", "run_instances", ImageId=image, InstanceType="m5.large", TagSpecifications=tags, **count
    )
    return str(answer["Instances"][0]["InstanceId"])


def put(*keys_: str) -> None:
    for key in keys_:
        aws().ask("s3", "put_object", Bucket=BUCKET, Key=key, Body=b"{}")


# -- setup: what is there afterwards -----------------------------------------------------------------------


def document(arn: str) -> Any:
    version = aws().ask("iam", "get_policy", PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return aws().ask("iam", "get_policy_version", PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


def machines_policy(role: str) -> Any:
    """moto gives it back as Python's text of a dict, not as JSON."""
    answer = aws().ask("iam", "get_role_policy", RoleName=role.rpartition("/")[2], PolicyName="machine")
    return ast.literal_eval(answer["PolicyDocument"])


def test_setup_makes_all_that_fleets_need() -> None:
    made = setup()
    names = made["outputs"]
    assert (made["change"], made["warnings"], names["Bucket"]) == ("created", [], BUCKET)

    # a security group that lets nothing in, and HTTPS out
    [group] = aws().ask("ec2", "describe_security_groups", GroupIds=[names["SecurityGroupId"]])["SecurityGroups"]
    [rule] = group["IpPermissionsEgress"]
    assert (group["VpcId"], group["IpPermissions"]) == (names["VpcId"], [])
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 443, 443)

    # a role that EC2 takes, and that may do a machine's work
    role = aws().ask("iam", "get_role", RoleName=names["WorkerRoleArn"].rpartition("/")[2])["Role"]
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust == {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    assert machines_policy(names["WorkerRoleArn"]) == machine_policy(ARN, closes_rounds=True)
    profile = names["InstanceProfileArn"].rpartition("/")[2]
    roles = aws().ask("iam", "get_instance_profile", InstanceProfileName=profile)["InstanceProfile"]["Roles"]
    assert [each["Arn"] for each in roles] == [names["WorkerRoleArn"]]

    # policies to give to people
    scope = Scope(BUCKET, NAME, names["WorkerRoleArn"], region=s3.REGION, account=ACCOUNT)
    assert document(names["LauncherPolicyArn"]) == launcher_policy(scope)
    assert document(names["DispatcherPolicyArn"]) == role_policy(Role.DISPATCHER, ARN)
    assert document(names["SyncServerPolicyArn"]) == role_policy(Role.SYNC_SERVER, ARN)

    # a bucket that is closed and protected
    block = aws().ask("s3", "get_public_access_block", Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert block == PUBLIC_ACCESS_BLOCK
    assert json.loads(aws().ask("s3", "get_bucket_policy", Bucket=BUCKET)["Policy"]) == bucket_policy(ARN)

    # and launching finds it
    found = read_stack(aws(), BUCKET)
    assert (found.name, found.bucket, found.vpc) == (NAME, BUCKET, names["VpcId"])
    assert found.security_group == names["SecurityGroupId"]
    assert found.instance_profile_arn == names["InstanceProfileArn"]
    assert found.worker_role_arn == names["WorkerRoleArn"]


# -- setup again -------------------------------------------------------------------------------------------


def test_setup_twice_changes_nothing_and_says_so() -> None:
    first = setup()["outputs"]
    second = run("setup")
    assert second.code == 0
    assert f"stack {NAME} in us-east-1: unchanged" in second.out
    assert read_stack(aws(), BUCKET).security_group == first["SecurityGroupId"]


def test_setup_with_another_wish_updates_and_a_bucket_that_the_stack_has_made_stays_part_of_it() -> None:
    make()
    assert setup("--no-closes-rounds")["change"] == "updated"
    body = aws().ask("cloudformation", "get_template", StackName=NAME)["TemplateBody"]  # moto updates no inline policy
    assert body == template(closes_rounds=False)
    assert seen().parameters["CreateBucket"] == "true"


def test_another_vpc_is_taken_on_an_update_and_kept_on_the_next() -> None:
    stand_in()
    other = aws().ask("ec2", "create_vpc", CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    make(vpc=other)
    assert seen().outputs["VpcId"] == other
    make(closes_rounds=False)
    assert seen().outputs["VpcId"] == other


def test_a_bucket_that_somebody_deleted_is_told_of_and_not_made_again_in_silence() -> None:
    stand_in()
    aws().ask("s3", "delete_bucket", Bucket=BUCKET)
    with pytest.raises(SimArenaError, match=r"s3://the-bucket is gone, its stack is not; run: ec2-workers teardown"):
        make()


# -- setup: buckets of before ---------------------------------------------------------------------------------


def create_bucket(region: str = s3.REGION) -> None:
    place = {} if region == s3.REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    aws(region).ask("s3", "create_bucket", Bucket=BUCKET, **place)


def test_a_bucket_of_before_is_taken_as_it_is_and_what_it_lacks_is_said() -> None:
    create_bucket()
    done = run("setup")
    assert done.code == 0
    assert (
        "its policy does not protect results; to give it one: sim-arena policy bucket --bucket the-bucket" in done.err
    )
    assert "public access is not blocked" in done.err
    assert unprotected(aws(), BUCKET)  # still


def test_a_protected_bucket_of_before_needs_no_words() -> None:
    """The order of statements, their names, and further ones do not matter."""
    create_bucket()
    rows = [{**row, "Sid": f"S{number}"} for number, row in enumerate(bucket_policy(ARN)["Statement"])]
    log = {"Effect": "Allow", "Principal": {"Service": "x"}, "Action": "s3:GetBucketAcl", "Resource": ARN}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [log, *reversed(rows)]})
    aws().ask("s3", "put_bucket_policy", Bucket=BUCKET, Policy=policy)
    aws().ask("s3", "put_public_access_block", Bucket=BUCKET, PublicAccessBlockConfiguration=PUBLIC_ACCESS_BLOCK)
    assert unprotected(aws(), BUCKET) == []


@pytest.mark.parametrize("number", range(len(bucket_policy(ARN)["Statement"])))
def test_a_bucket_whose_policy_lacks_a_statement_is_not_protected(number: int) -> None:
    create_bucket()
    aws().ask("s3", "put_public_access_block", Bucket=BUCKET, PublicAccessBlockConfiguration=PUBLIC_ACCESS_BLOCK)
    policy = bucket_policy(ARN)
    del policy["Statement"][number]
    aws().ask("s3", "put_bucket_policy", Bucket=BUCKET, Policy=json.dumps(policy))
    assert [line.partition(";")[0] for line in unprotected(aws(), BUCKET)] == ["its policy does not protect results"]


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:us-east-1:123456789012:key/1"}, True),
        ({"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:us-east-1:123456789012:alias/aws/s3"}, False),
        ({"SSEAlgorithm": "aws:kms"}, False),
        ({"SSEAlgorithm": "AES256"}, False),
    ],
)
def test_a_bucket_with_a_key_of_its_own_needs_rights_that_the_stack_does_not_give(
    chosen: dict[str, str], told: bool
) -> None:
    """Without them a machine can neither install code nor say so."""
    create_bucket()
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": chosen}]}
    aws().ask("s3", "put_bucket_encryption", Bucket=BUCKET, ServerSideEncryptionConfiguration=rules)
    assert foreign_key(aws(), BUCKET) == (chosen["KMSMasterKeyID"] if told else None)
    if told:
        [line] = [line for line in setup()["warnings"] if "encrypted" in line]
        assert line.startswith(f"it is encrypted with {chosen['KMSMasterKeyID']}; that key's policy has to give arn:")


def test_a_bucket_without_encryption_settings_has_no_such_key() -> None:
    """Most S3s that are not AWS."""
    create_bucket()
    aws().ask("s3", "delete_bucket_encryption", Bucket=BUCKET)
    assert foreign_key(aws(), BUCKET) is None


def test_a_bucket_of_before_stays_out_of_the_stack_for_ever() -> None:
    create_bucket()
    make()
    make(closes_rounds=False)
    assert seen().parameters["CreateBucket"] == "false"


def test_a_bucket_in_another_region_is_taken_and_told_of() -> None:
    create_bucket("eu-west-1")
    made = setup()
    assert made["bucket_region"] == "eu-west-1"
    assert "it is in eu-west-1; machines in us-east-1 pay for what crosses regions" in made["warnings"]


def test_a_bucket_of_somebody_else_is_refused_before_anything_is_made(double: Double) -> None:
    double.fail("HeadBucket", "AccessDenied")
    with pytest.raises(SimArenaError, match=rf"s3://the-bucket belongs to another account than {ACCOUNT}"):
        make()
    assert double.asked("CreateStack") == []


def test_s3_is_asked_for_a_bucket_of_this_account_since_a_stranger_may_have_opened_one_to_everybody() -> None:
    create_bucket()
    fresh, owners = Aws(), []
    events = fresh.client("s3").meta.events
    events.register("before-send", lambda request, **_: owners.append(request.headers["x-amz-expected-bucket-owner"]))
    assert region_of(fresh, BUCKET) == s3.REGION
    assert owners == [ACCOUNT.encode()]


def test_a_second_region_gets_a_stack_of_its_own() -> None:
    stand_in("eu-west-1")
    assert setup()["change"] == "created"
    assert has_stack("us-east-1")
    assert has_stack("eu-west-1")


# -- setup: what goes wrong --------------------------------------------------------------------------------------


def test_without_a_default_vpc_one_must_be_named() -> None:
    [vpc] = aws().ask("ec2", "describe_vpcs", Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    for subnet in aws().ask("ec2", "describe_subnets")["Subnets"]:
        aws().ask("ec2", "delete_subnet", SubnetId=subnet["SubnetId"])
    aws().ask("ec2", "delete_vpc", VpcId=vpc["VpcId"])
    with pytest.raises(UsageError, match="us-east-1 has no default VPC: pass --vpc ID"):
        make()


def backend() -> Any:
    from moto.cloudformation.models import cloudformation_backends

    return cloudformation_backends[ACCOUNT][s3.REGION]


def moto_stack() -> Any:
    [found] = [each for each in backend().stacks.values() if each.name == NAME]
    return found


def event(name: str, kind: str, status: str, reason: str | None = None) -> None:
    """What CloudFormation says of a resource; moto says it of whole stacks only."""
    from moto.cloudformation.models import Event

    made = moto_stack()
    physical = made.stack_id if kind == "AWS::CloudFormation::Stack" else "physical"
    row = Event(made.stack_id, NAME, name, physical, kind, status, reason, None)
    row.timestamp = datetime.now(UTC)
    made.events.append(row)


def fail_half_way(request: Request) -> None:
    """The stack's change fails and is rolled back, as CloudFormation tells it."""
    kind = "UPDATE_" if request.operation == "UpdateStack" else ""
    event("WorkerRole", "AWS::IAM::Role", "CREATE_FAILED", "Cannot exceed quota for RolesPerAccount: 1000")
    event("SecurityGroup", "AWS::EC2::SecurityGroup", "CREATE_FAILED", "Resource creation cancelled")
    event(NAME, "AWS::CloudFormation::Stack", f"{kind}ROLLBACK_IN_PROGRESS")
    event("WorkerRole", "AWS::IAM::Role", "DELETE_COMPLETE")
    event(NAME, "AWS::CloudFormation::Stack", f"{kind}ROLLBACK_COMPLETE")
    moto_stack().status = f"{kind}ROLLBACK_COMPLETE"


def test_a_creation_that_failed_says_which_resource_and_why_and_setup_makes_it_again(double: Double) -> None:
    double.after("CreateStack", fail_half_way)
    with pytest.raises(StackFailed) as failed:
        make()
    assert str(failed.value) == (
        f"stack {NAME} in us-east-1 ended as ROLLBACK_COMPLETE: "
        "WorkerRole (AWS::IAM::Role): Cannot exceed quota for RolesPerAccount: 1000"
    )
    said: list[str] = []
    assert make(reporter=Reporter(said.append))[1] is Change.CREATED
    assert said[0] == f"stack {NAME} is ROLLBACK_COMPLETE, of no use as it is: deleting it, to make it again"
    assert read_stack(aws(), BUCKET).bucket == BUCKET


def test_an_update_that_failed_says_why_and_nothing_of_failures_before_it(double: Double) -> None:
    stand_in()
    event("WorkerProfile", "AWS::IAM::InstanceProfile", "CREATE_FAILED", "long ago")
    double.after("UpdateStack", fail_half_way)
    with pytest.raises(StackFailed, match=r"as UPDATE_ROLLBACK_COMPLETE: WorkerRole \(AWS::IAM::Role\): Cannot exceed"):
        make()


@pytest.mark.parametrize(
    ("status", "action"),
    [
        ("CREATE_COMPLETE", Action.UPDATE),
        ("UPDATE_COMPLETE", Action.UPDATE),
        ("UPDATE_ROLLBACK_COMPLETE", Action.UPDATE),
        ("ROLLBACK_COMPLETE", Action.DELETE),
        ("ROLLBACK_FAILED", Action.DELETE),
        ("CREATE_FAILED", Action.DELETE),
        ("DELETE_FAILED", Action.DELETE),
        ("REVIEW_IN_PROGRESS", Action.DELETE),
        ("UPDATE_ROLLBACK_FAILED", Action.HELP),
        ("DELETE_COMPLETE", Action.CREATE),
    ],
)
def test_each_state_of_a_stack_has_its_next_step(status: str, action: Action) -> None:
    assert next_action(StackDescription("id", NAME, status, {}, {})) is action


def test_where_there_is_no_stack_one_is_created() -> None:
    assert next_action(None) is Action.CREATE


def test_a_stack_that_only_a_person_can_mend_is_named_with_the_command() -> None:
    stand_in()
    moto_stack().status = "UPDATE_ROLLBACK_FAILED"
    with pytest.raises(StackFailed, match=f"continue-update-rollback --stack-name {NAME} --region us-east-1"):
        make()


def test_what_somebody_else_has_begun_is_waited_for() -> None:
    stand_in()
    moto_stack().status = "UPDATE_IN_PROGRESS"
    said: list[str] = []
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            moto_stack().status = "UPDATE_COMPLETE"

    found = changes.wait_for_others(aws(), NAME, Reporter(said.append, pause=pause))
    assert found is not None
    assert (found.status, len(waited)) == ("UPDATE_COMPLETE", 3)
    assert said == [f"stack {NAME} is UPDATE_IN_PROGRESS already; waiting for that to end"]


def test_progress_names_the_resource_that_cloudformation_is_at(double: Double) -> None:
    def still_at_it(request: Request) -> None:
        event("WorkerRole", "AWS::IAM::Role", "UPDATE_IN_PROGRESS")
        moto_stack().status = "UPDATE_IN_PROGRESS"

    def pause(seconds: float) -> None:
        moto_stack().status = "UPDATE_COMPLETE"

    stand_in()
    double.after("UpdateStack", still_at_it)
    shown: list[str] = []
    make(reporter=Reporter(lambda line: None, shown.append, pause))
    assert shown == ["WorkerRole UPDATE_IN_PROGRESS"]


def test_cloudformation_is_told_that_roles_without_names_are_fine(double: Double) -> None:
    """Otherwise it would refuse (InsufficientCapabilities); moto does not."""
    make()
    make(closes_rounds=False)
    for operation in ("CreateStack", "UpdateStack"):
        asked = double.asked(operation)[0].parameters
        assert {value for name, value in asked.items() if name.startswith("Capabilities.")} == {"CAPABILITY_IAM"}


def test_a_lost_answer_makes_one_stack(double: Double) -> None:
    double.lose_answer("CreateStack")
    assert make()[1] is Change.CREATED
    tokens = {request.parameters["ClientRequestToken"] for request in double.asked("CreateStack")}
    assert (len(double.asked("CreateStack")), len(tokens)) == (2, 1)


def test_a_repeated_request_that_cloudformation_has_taken_already_is_waited_for(double: Double) -> None:
    double.lose_answer("CreateStack")
    double.fail("CreateStack", "TokenAlreadyExistsException", when=lambda request: len(double.asked("CreateStack")) > 1)
    assert make()[0].outputs["Bucket"] == BUCKET


def test_a_stack_that_somebody_else_makes_at_the_same_moment_is_taken(double: Double) -> None:
    double.before("CreateStack", lambda request: make())
    found, _ = make()
    assert found.outputs["Bucket"] == BUCKET


def test_a_refusal_of_aws_is_one_line_with_its_code(double: Double) -> None:
    double.fail("CreateStack", "AccessDenied", "User is not authorized to perform: cloudformation:CreateStack")
    with pytest.raises(AwsError, match=r"cloudformation create_stack in us-east-1: AccessDenied: User is not"):
        make()


def test_a_name_that_no_bucket_may_have_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="use 3 to 63 of"):
        run("setup", "--bucket", "The_Bucket")


def test_ctrl_c_leaves_at_once_and_says_that_cloudformation_goes_on(double: Double) -> None:
    def still_at_it(request: Request) -> None:
        moto_stack().status = "CREATE_IN_PROGRESS"

    waiting = threading.Event()
    double.after("CreateStack", still_at_it)
    double.after("DescribeStackEvents", lambda request: waiting.set())
    environment = clean_environment(s3.environment(double.endpoint))
    with subprocess.Popen(
        command("ec2-workers", "setup", "--bucket", BUCKET),
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as child:
        try:
            assert waiting.wait(60)
            child.send_signal(signal.SIGINT)
            said = child.communicate(timeout=60)[1]
        finally:
            child.kill()
    assert child.returncode == 130
    assert "CloudFormation goes on by itself; the same command again waits for it" in said


def test_what_cloudformation_says_is_not_taken_for_markup(capfd: pytest.CaptureFixture[str]) -> None:
    with _reporting() as reporter:
        reporter.show("[/x]")
        reporter.say("stack is ROLLBACK_COMPLETE [/x]")
    assert "stack is ROLLBACK_COMPLETE [/x]" in capfd.readouterr().err


# -- reading -------------------------------------------------------------------------------------------------------


def test_without_a_stack_one_is_told_how_to_make_it() -> None:
    advice = f"no stack {NAME} in us-east-1; run: ec2-workers setup --bucket {BUCKET} --region us-east-1"
    with pytest.raises(SimArenaError, match=advice):
        read_stack(aws(), BUCKET)


def test_a_stack_that_is_not_whole_is_not_launched_from() -> None:
    stand_in()
    moto_stack().status = "ROLLBACK_COMPLETE"
    with pytest.raises(SimArenaError, match=r"is ROLLBACK_COMPLETE and has no Bucket; run: ec2-workers setup"):
        read_stack(aws(), BUCKET)


def test_a_stack_that_is_half_deleted_is_not_launched_from() -> None:
    """It still tells its outputs, but the role may be gone."""
    make()
    for status in ("DELETE_IN_PROGRESS", "DELETE_FAILED"):
        moto_stack().status = status
        with pytest.raises(SimArenaError, match=rf"is {status}; run: ec2-workers setup"):
            read_stack(aws(), BUCKET)


def test_names_of_stacks_are_what_cloudformation_takes_and_tell_buckets_apart() -> None:
    names = [stack_name(bucket) for bucket in ("a.b", "a-b", "9-x", "b" * 63, f"{'b' * 30}.{'c' * 32}")]
    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch("[a-zA-Z][-a-zA-Z0-9]{0,127}", name)


# -- the template alone ----------------------------------------------------------------------------------------


def test_the_template_is_printed_without_asking_aws(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in s3.environment(""):
        monkeypatch.delenv(name)
    done = run("setup", "--template-only", "--no-closes-rounds")
    assert done.code == 0
    assert json.loads(done.out) == template(closes_rounds=False)
    assert f"aws cloudformation deploy --stack-name {NAME}" in done.err
    assert double.log == []


# -- teardown ----------------------------------------------------------------------------------------------------


def test_teardown_takes_the_stack_and_leaves_the_bucket_protected_and_setup_takes_it_again() -> None:
    made = make()[0].outputs
    put(keys.result("job"))
    done = teardown()
    assert done.code == 0
    assert f"s3://{BUCKET} stays, with all that is in it" in done.out
    assert not has_stack()
    with pytest.raises(AwsError, match="NoSuchEntity"):
        aws().ask("iam", "get_role", RoleName=made["WorkerRoleArn"].rpartition("/")[2])
    assert aws().ask("s3", "get_object", Bucket=BUCKET, Key=keys.result("job"))["Body"].read() == b"{}"
    assert unprotected(aws(), BUCKET) == []
    assert make()[1] is Change.CREATED


def test_teardown_of_nothing_says_that_there_is_nothing_to_do() -> None:
    done = teardown()
    assert done.code == 3
    assert f"no stack {NAME} in us-east-1: nothing to do" in done.err


def test_teardown_is_refused_while_machines_of_the_bucket_live(double: Double) -> None:
    stand_in()
    machine, other = launch(), launch(bucket="another")
    done = teardown()
    assert done.code == 1
    assert f"1 living instance ({machine}) in us-east-1" in done.err
    assert f"ec2-workers terminate --all --bucket {BUCKET} --region us-east-1" in done.err
    assert other not in done.err
    assert has_stack()
    double.end(machine)
    assert teardown().code == 0


def test_machines_in_other_regions_are_told_of_and_do_not_hold_it_up() -> None:
    stand_in()
    machine = launch("eu-west-1")
    done = teardown()
    assert done.code == 0
    assert f"in eu-west-1: 1 living instance ({machine})" in done.err


def test_a_region_that_cannot_be_asked_is_told_of(double: Double) -> None:
    stand_in()
    double.fail("DescribeInstances", "UnauthorizedOperation", when=lambda request: request.region == "eu-west-1")
    done = teardown()
    assert done.code == 0
    assert "eu-west-1: not looked at: ec2 describe_instances in eu-west-1: UnauthorizedOperation" in done.err


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (
            keys.pending_manifest("job-1"),
            "1 unfinished job (job-1); to end one: dispatch cancel --bucket",
        ),
        (keys.active("shop"), "1 unfinished federation (shop); to end one: dispatch cancel --bucket"),
    ],
)
def test_teardown_is_refused_while_there_is_work_to_do(key: str, told: str) -> None:
    stand_in()
    put(key)
    done = teardown()
    assert done.code == 1
    assert told in done.err
    assert has_stack()


def test_what_has_ended_does_not_hold_a_teardown_up() -> None:
    stand_in()
    put(keys.finished_manifest("job-1"), keys.result("job-1"), keys.active("shop"), keys.outcome("shop"))
    assert obstacles(aws(), BUCKET, seen(), open_bucket) == []


def test_of_much_to_do_a_few_are_named() -> None:
    stand_in()
    put(*(keys.pending_manifest(f"job-{number}") for number in range(5)))
    [line] = obstacles(aws(), BUCKET, seen(), open_bucket)
    assert line.startswith("5 unfinished jobs (job-0, job-1, job-2 …)")


def test_teardown_is_refused_while_somebody_has_a_policy_of_the_stack() -> None:
    """IAM would not delete it, and CloudFormation would find that out when half of the stack is gone. moto deletes."""
    stand_in()
    arn, iam = seen().outputs["SomethingPolicyArn"], aws().client("iam")
    iam.create_user(UserName="mary")
    iam.create_role(RoleName="people", AssumeRolePolicyDocument="{}")
    iam.attach_user_policy(UserName="mary", PolicyArn=arn)
    iam.attach_role_policy(RoleName="people", PolicyArn=arn)
    done = teardown()
    assert done.code == 1
    assert f"aws iam detach-user-policy --user-name mary --policy-arn {arn}" in done.err
    assert f"aws iam detach-role-policy --role-name people --policy-arn {arn}" in done.err
    assert has_stack()
    iam.detach_user_policy(UserName="mary", PolicyArn=arn)
    iam.detach_role_policy(RoleName="people", PolicyArn=arn)
    assert teardown().code == 0


def test_a_policy_that_an_earlier_try_has_deleted_does_not_hold_it_up() -> None:
    stand_in()
    aws().ask("iam", "delete_policy", PolicyArn=seen().outputs["SomethingPolicyArn"])
    assert obstacles(aws(), BUCKET, seen(), open_bucket) == []


def test_a_stack_whose_bucket_is_gone_can_go_too() -> None:
    stand_in()
    aws().ask("s3", "delete_bucket", Bucket=BUCKET)
    done = teardown("--json")
    assert done.code == 0
    assert json.loads(done.out)["bucket"] is None


def test_images_that_were_baked_are_named_with_the_command_that_deletes_them() -> None:
    stand_in()
    machine = launch()
    tags = [{"ResourceType": "image", "Tags": LaunchTags("fleet-1", BUCKET, "me", 0.0, None).tags()}]
    odd = "baked [/x]"  # brackets and slashes are fine in the name of an image
    image = aws().ask("ec2", "create_image", InstanceId=machine, Name=odd, TagSpecifications=tags)["ImageId"]
    aws().ask("ec2", "terminate_instances", InstanceIds=[machine])
    done = teardown()
    assert done.code == 0
    assert f"image {image} ({odd}) stays, and costs" in done.out
    assert f"aws ec2 deregister-image --delete-associated-snapshots --region us-east-1 --image-id {image}" in done.out


def test_snapshots_whose_image_was_removed_without_them_are_named_with_the_command_that_deletes_them() -> None:
    stand_in()
    mine, others = (LaunchTags("fleet-1", bucket, "me", 0.0, None).tags() for bucket in (BUCKET, "other"))
    volume = aws().ask("ec2", "create_volume", Size=1, AvailabilityZone="us-east-1a")["VolumeId"]
    lone, _ = (
        aws().ask(
            "ec2",
            "create_snapshot",
            VolumeId=volume,
            TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}],
        )["SnapshotId"]
        for tags in (mine, others)
    )
    machine = launch()
    tags = [{"ResourceType": kind, "Tags": mine} for kind in ("image", "snapshot")]
    image = aws().ask("ec2", "create_image", InstanceId=machine, Name="baked", TagSpecifications=tags)
    aws().ask("ec2", "terminate_instances", InstanceIds=[machine])
    assert lone_snapshots(aws(), BUCKET) == [], "while one is being made nobody knows whose they are"
    assert lone_snapshots(aws(), BUCKET) == [lone]
    done = teardown()
    assert f"aws ec2 delete-snapshot --region us-east-1 --snapshot-id {lone}" in done.out
    assert image["ImageId"] in done.out


def test_teardown_asks_first_and_a_no_changes_nothing() -> None:
    stand_in()
    assert run("teardown", answer="n\n").code == 1
    assert has_stack()
    assert run("teardown", answer="y\n").code == 0
    assert not has_stack()


def test_a_deletion_that_failed_says_which_resource_and_why(double: Double) -> None:
    stand_in()
    reason = "Cannot delete a policy attached to entities."

    def fail(request: Request) -> None:
        backend().stacks.update(backend().deleted_stacks)  # moto has deleted it
        event(NAME, "AWS::CloudFormation::Stack", "DELETE_IN_PROGRESS", "User Initiated")
        event("LauncherPolicy", "AWS::IAM::ManagedPolicy", "DELETE_FAILED", reason)
        moto_stack().status = "DELETE_FAILED"

    double.after("DeleteStack", fail)
    with pytest.raises(StackFailed, match=rf"is DELETE_FAILED: LauncherPolicy \(AWS::IAM::ManagedPolicy\): {reason}"):
        teardown()
