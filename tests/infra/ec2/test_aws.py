"""AWS as the commands ask it: what goes wrong is one line that a person can act on."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from double import Double

from env.errors import UsageError
from infra.ec2.aws import Aws, AwsError


def test_a_region_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"^no AWS region: pass --region, or set AWS_DEFAULT_REGION$"):
        Aws()
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert Aws().region == "eu-central-1"
    assert Aws("us-west-2").region == "us-west-2"


def test_a_name_that_can_be_no_region_is_one_line(double: Double) -> None:
    with pytest.raises(AwsError, match="us east"):
        Aws("us east").ask("ec2", "describe_instances")
    assert not double.log


def test_a_profile_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(UsageError, match="nobody"):
        Aws("us-east-1")


def test_without_credentials_it_says_how_to_get_some(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AwsError) as caught:
        Aws().ask("ec2", "describe_instances")
    assert caught.value.code == "NoCredentialsError"
    assert str(caught.value) == (
        "ec2 describe_instances in us-east-1: credentials: there are none"
        " (set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
    )
    assert not double.log


def test_what_is_not_allowed_is_one_line_without_the_encoded_blob(double: Double) -> None:
    blob = "You are not authorized to perform this operation. Encoded authorization failure message: " + 900 * "x"
    double.fail("TerminateInstances", "UnauthorizedOperation", blob)
    with pytest.raises(AwsError) as caught:
        Aws().ask("ec2", "terminate_instances", InstanceIds=["i-0123456789abcdef0"])
    assert caught.value.code == "UnauthorizedOperation"
    assert str(caught.value) == (
        "ec2 terminate_instances in us-east-1: UnauthorizedOperation: You are not authorized to perform this operation."
        " (these credentials may not do this; launching needs what `sim-arena policy launcher --bucket BUCKET` prints,"
        " setup and teardown an administrator)"
    )
    assert len(double.log) == 1, "trying again cannot help"


def test_what_aws_says_cannot_steer_a_terminal(double: Double) -> None:
    double.fail("DescribeInstances", "Odd", "a\x85b\nc" + 2000 * "x")
    with pytest.raises(AwsError) as caught:
        Aws().ask("ec2", "describe_instances")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) <= 1000


@pytest.mark.parametrize("code", ["RequestLimitExceeded", "Throttling", "InternalError", "Unavailable"])
def test_a_throttled_or_tired_server_is_asked_again_and_later(double: Double, waits: list[float], code: str) -> None:
    double.fail("DescribeInstances", code, times=5)
    assert Aws().ask("ec2", "describe_instances")["Reservations"] == []
    assert len(waits) == 5


def test_what_asks_once_leaves_trying_again_to_the_caller(double: Double, waits: list[float]) -> None:
    double.fail("RunInstances", "InsufficientInstanceCapacity", "There is no c6i.large")
    with pytest.raises(AwsError, match="InsufficientInstanceCapacity: There is no"):
        Aws().trying_once().ask("ec2", "run_instances", ImageId="ami-0", MinCount=1, MaxCount=1)
    assert len(double.log) == 1
    assert not waits


def test_the_same_account_can_be_asked_in_another_region(double: Double) -> None:
    here = Aws("us-east-1")
    there = here.elsewhere("eu-central-1")
    for aws in (here, there, here):
        aws.ask("ec2", "describe_instances")
    assert [request.region for request in double.log] == ["us-east-1", "eu-central-1", "us-east-1"]
    assert (here.region, there.region) == ("us-east-1", "eu-central-1")


def test_throttling_that_does_not_end_is_an_error(double: Double) -> None:
    double.fail("DescribeInstances", "RequestLimitExceeded", "Request limit exceeded.")
    with pytest.raises(AwsError, match=r"RequestLimitExceeded: Request limit exceeded\.$") as caught:
        Aws().ask("ec2", "describe_instances")
    assert caught.value.code == "RequestLimitExceeded"
    assert len(double.log) == 6


def test_a_request_is_made_again_when_its_answer_was_lost(double: Double) -> None:
    double.lose_answer("CreateKeyPair")
    with pytest.raises(AwsError) as caught:
        Aws().ask("ec2", "create_key_pair", KeyName="k")
    assert caught.value.code == "InvalidKeyPair.Duplicate", "so what creates needs a client token"


def test_no_answer_names_the_host(double: Double, waits: list[float]) -> None:
    double.refuse("DescribeInstances")
    with pytest.raises(AwsError) as caught:
        Aws().ask("ec2", "describe_instances")
    assert str(caught.value).startswith("ec2 describe_instances in us-east-1: no answer from http://127.0.0.1:")
    assert str(caught.value).endswith(": it closed the connection before it answered")
    assert caught.value.code == "ConnectionClosedError"
    assert len(waits) == 5


def test_a_closed_port_names_the_host(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(AwsError, match=r"no answer from http://127\.0\.0\.1:\d+: connection refused$"):
            Aws().ask("ec2", "describe_instances")


class Proxy(BaseHTTPRequestHandler):
    """Answers all by itself, and not as AWS does."""

    def do_POST(self) -> None:
        body = b"<html><body>Who are you?<br></body></html>"
        self.send_response(407)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


def test_an_answer_that_is_none_of_awss_is_one_line(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    with HTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(AwsError, match="is another service, or one stands before it"):
            Aws().ask("ec2", "describe_instances")
        server.shutdown()


def test_rows_of_all_pages_come_in_turn(double: Double) -> None:
    aws = Aws()
    aws.ask("s3", "create_bucket", Bucket="bucket")
    for key in ("a", "b", "c"):
        aws.ask("s3", "put_object", Bucket="bucket", Key=key)
    rows = aws.pages("s3", "list_objects_v2", "Contents", Bucket="bucket", PaginationConfig={"PageSize": 2})
    assert [row["Key"] for row in rows] == ["a", "b", "c"]
    assert len(double.asked("ListObjectsV2")) == 2


def test_an_error_while_paging_is_of_the_same_kind(double: Double) -> None:
    double.fail("DescribeInstances", "AuthFailure", "AWS was not able to validate the provided access credentials")
    with pytest.raises(AwsError, match="AWS does not know these credentials in this region"):
        list(Aws().pages("ec2", "describe_instances", "Reservations"))


def test_a_wrong_call_is_our_own_mistake_and_no_message_to_a_user(double: Double) -> None:
    with pytest.raises(AttributeError):
        Aws().ask("ec2", "describe_the_weather")
