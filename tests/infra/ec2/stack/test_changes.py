"""Changes of a stack that fail, or meet changes of others, against the double."""

from __future__ import annotations

import signal
import subprocess
import threading

import pytest
from double import Double, Request
from stacks import BUCKET, NAME, aws, event, make, moto_stack, run, stand_in

from env.errors import UsageError
from infra.ec2.aws import AwsError
from infra.ec2.commands.stack import _reporting
from infra.ec2.stack import changes
from infra.ec2.stack.changes import Change, Reporter, StackAction, StackFailed, next_action
from infra.ec2.stack.description import StackDescription, read_stack
from infra.local import s3
from infra.local.processes import clean_environment, command

pytestmark = pytest.mark.usefixtures("regions")


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
        ("CREATE_COMPLETE", StackAction.UPDATE),
        ("UPDATE_COMPLETE", StackAction.UPDATE),
        ("UPDATE_ROLLBACK_COMPLETE", StackAction.UPDATE),
        ("ROLLBACK_COMPLETE", StackAction.DELETE),
        ("ROLLBACK_FAILED", StackAction.DELETE),
        ("CREATE_FAILED", StackAction.DELETE),
        ("DELETE_FAILED", StackAction.DELETE),
        ("REVIEW_IN_PROGRESS", StackAction.DELETE),
        ("UPDATE_ROLLBACK_FAILED", StackAction.HELP),
        ("DELETE_COMPLETE", StackAction.CREATE),
    ],
)
def test_each_state_of_a_stack_has_its_next_step(status: str, action: StackAction) -> None:
    assert next_action(StackDescription("id", NAME, status, {}, {})) is action


def test_where_there_is_no_stack_one_is_created() -> None:
    assert next_action(None) is StackAction.CREATE


def test_a_stack_that_only_a_person_can_mend_is_named_with_the_command() -> None:
    stand_in()
    moto_stack().status = "UPDATE_ROLLBACK_FAILED"
    with pytest.raises(StackFailed, match=f"continue-update-rollback --stack-name {NAME} --region us-east-1"):
        make()


def test_another_operation_on_the_stack_is_waited_for() -> None:
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


def test_a_stack_that_another_process_creates_at_the_same_moment_is_taken(double: Double) -> None:
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
