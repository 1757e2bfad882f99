"""`ec2-workers bake`: an image comes of it or a reason why not, and no machine is left either way."""

from __future__ import annotations

import base64
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from double import Double
from launches import Done, run_to_its_end

from env.errors import UsageError
from infra.ec2.aws import Aws, AwsError
from infra.ec2.fleet import Instance, find, launch_tags
from infra.ec2.launch import bake
from infra.ec2.launch.bake import BakedImage, BakeFailed, Baking, baked_images, check_name, installed
from infra.ec2.launch.plan import AL2023
from infra.ec2.stack import changes
from infra.ec2.watch.reports import InstanceReport, ReportedState, ReportedStatus
from protocol.commands.buckets import open_bucket
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.clock import Clock, system_clock

BUCKET = "a-bucket"
BAKED = ("ending", "baked")


@cache
def aws() -> Aws:
    return Aws()


def put(worker: str, name: str, body: str) -> None:
    aws().ask("s3", "put_object", Bucket=BUCKET, Key=keys.machine_file(worker, name), Body=body.encode())


def says(worker: str, state: str, doing: str, step: int = 0) -> None:
    put(worker, "status.json", json.dumps({"state": state, "doing": doing, "step": step, "steps": 9, "since": 1.0}))


# -- from a machine to its image -------------------------------------------------------------------------


@pytest.fixture
def instance(double: Double) -> Instance:
    """A machine that was launched to be baked."""
    aws().ask("s3", "create_bucket", Bucket=BUCKET)
    image = aws().ask("ssm", "get_parameter", Name=AL2023)["Parameter"]["Value"]
    tags = [{"ResourceType": "instance", "Tags": launch_tags("bake-1", BUCKET, "someone", 4e9, 0.1)}]
    aws().ask("ec2", "run_instances", ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=tags)
    return find(aws())[0]


@cache
def bucket() -> Bucket:
    return open_bucket(BUCKET)


@dataclass
class Story:
    """A bake of `instance` whose waits are the next scene of a story; the last one goes on and on."""

    instance: Instance
    scenes: list[Callable[[], object]]

    def __post_init__(self) -> None:
        self.shown: list[str] = []
        self.said: list[str] = []
        self.seconds = 0.0
        self.stopped = False

    def run(self, name: str = "an-image") -> BakedImage:
        return Baking(aws(), bucket(), self.instance, self._machine(), self.shown.append, self.said.append).run(name)

    def _machine(self) -> Clock:
        return replace(system_clock(), now=lambda: self.seconds, sleep=self._sleep, stopping=lambda: self.stopped)

    def _sleep(self, seconds: float) -> None:
        self.seconds += seconds
        if self.scenes:
            (self.scenes.pop(0) if len(self.scenes) > 1 else self.scenes[0])()

    def stop(self) -> None:
        self.stopped = True


def test_an_image_is_made_once_all_is_installed(instance: Instance) -> None:
    one = instance.id
    story = Story(instance, [lambda: says(one, "booting", "torch", 4), lambda: says(one, *BAKED), lambda: None])
    image = story.run()
    assert story.shown == [
        f"{one}: starting",
        f"{one}: step 4 of 9: torch",
        f"{one}: baked",
        f"{image.id}: pending",
        f"{image.id}: available",
    ]
    assert (image.name, image.state, image.bucket) == ("an-image", "available", BUCKET)


def test_an_image_and_its_snapshot_are_tagged_from_birth(instance: Instance, double: Double) -> None:
    says(instance.id, *BAKED)
    image = Story(instance, []).run()
    wanted = {"Project": "sim-arena", "sim-arena:bucket": BUCKET, "sim-arena:group": "bake-1", "Name": "an-image"}
    for service, rows, ids in (("images", "Images", [image.id]), ("snapshots", "Snapshots", list(image.snapshots))):
        (row,) = aws().ask("ec2", f"describe_{service}", **{f"{rows[:-1]}Ids": ids})[rows]
        assert wanted.items() <= {tag["Key"]: tag["Value"] for tag in row["Tags"]}.items()
    assert [one.id for one in baked_images(aws(), BUCKET)] == [one.id for one in baked_images(aws())] == [image.id]
    assert baked_images(aws(), "another-bucket") == []
    assert "TagSpecification.1.Tag.1.Key" in double.asked("CreateImage")[-1].parameters


@pytest.mark.parametrize(
    ("status", "ec2", "expected"),
    [
        (("failed", "torch: no such host (exit code 1)"), {}, "the machine is failed: torch: no such host"),
        (("ending", "no sign of work"), {}, "the machine is ending: no sign of work"),
        (("working", "the worker runs"), {}, "the machine is working: the worker runs"),
        (None, {"state": "terminated", "why": "Server.InternalError"}, "the machine has ended: Server.InternalError"),
        (("booting", "torch"), {"state": "shutting-down"}, "the machine has ended: EC2 does not say why"),
    ],
)
def test_a_machine_that_will_not_be_ready_is_not_waited_for(
    status: tuple[str, str] | None, ec2: dict[str, Any], expected: str
) -> None:
    instance = Instance("i-0", "r", "ra", "t", False, "running", 0.0)
    report = InstanceReport(ReportedStatus(state=ReportedState(status[0]), doing=status[1]) if status else None)
    with pytest.raises(BakeFailed, match=f"^{expected}"):
        installed(report, replace(instance, **ec2))


def test_a_machine_that_has_said_that_it_is_ready_is_ready_even_if_it_ended() -> None:
    gone = Instance("i-0", "r", "ra", "t", False, "terminated", 0.0)
    assert installed(InstanceReport(ReportedStatus(state=ReportedState.ENDING, doing="baked")), gone)
    assert not installed(InstanceReport(), None)


def test_neither_installing_nor_copying_is_waited_for_for_ever(
    instance: Instance, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bake, "POLL_S", 600.0)
    story = Story(instance, [lambda: says(instance.id, "booting", "torch", 4)])
    with pytest.raises(BakeFailed, match=r"^installing took more than 60 min$"):
        story.run()
    assert story.seconds == 3600
    says(instance.id, *BAKED)
    for_ever: list[Callable[[], object]] = [lambda: setattr(made(), "state", "pending")]

    def made() -> Any:
        return double.image(baked_images(aws())[0].id)

    with pytest.raises(BakeFailed, match=r"^copying the disk to ami-\w+ took more than 90 min$"):
        Story(instance, for_ever).run("another")


def test_an_image_that_fails_is_named_with_the_reason_and_how_to_remove_it(instance: Instance, double: Double) -> None:
    says(instance.id, *BAKED)
    double.after(
        "DescribeImages", lambda request: setattr(double.image(request.values("ImageId")[0]), "state", "failed")
    )
    double.lose_answer("DescribeImages", times=1)
    story = Story(instance, [])
    with pytest.raises(BakeFailed, match=r"^ami-\w+ is failed: "):
        story.run()
    assert "deregister-image --delete-associated-snapshots --region us-east-1 --image-id ami-" in story.said[-1]


def test_an_image_whose_answer_was_lost_is_found_by_its_name(instance: Instance, double: Double) -> None:
    says(instance.id, *BAKED)
    double.lose_answer("CreateImage", when=lambda request: "DryRun" not in request.parameters)
    image = Story(instance, []).run()
    assert [one.id for one in baked_images(aws())] == [image.id]


def test_a_missing_right_to_make_images_shows_before_the_waiting(instance: Instance, double: Double) -> None:
    double.fail("CreateImage", "UnauthorizedOperation", "no")
    story = Story(instance, [])
    with pytest.raises(AwsError, match="UnauthorizedOperation"):
        story.run()
    assert story.seconds == 0


def test_what_is_rehearsed_is_what_will_be_asked_for(instance: Instance, double: Double) -> None:
    says(instance.id, *BAKED)
    Story(instance, []).run()
    first, second = (dict(request.parameters) for request in double.asked("CreateImage"))
    assert first.pop("DryRun") == "true"
    assert first == second


def test_a_laptop_may_be_without_a_network_for_a_while_but_not_for_long(instance: Instance, double: Double) -> None:
    story = Story(instance, [*[lambda: None] * 20, lambda: says(instance.id, *BAKED)])
    double.refuse("DescribeInstances", when=lambda request: story.seconds < 200)
    assert story.run()
    double.refuse("DescribeInstances")
    with pytest.raises(AwsError, match="no answer"):
        Story(instance, []).run("another")


def test_told_to_stop_it_does_not_wait_on(instance: Instance) -> None:
    story = Story(instance, [])
    story.scenes.append(story.stop)
    with pytest.raises(KeyboardInterrupt):
        story.run()
    assert baked_images(aws()) == []


def test_a_name_is_checked_before_anything_is_launched(instance: Instance) -> None:
    says(instance.id, *BAKED)
    image = Story(instance, []).run()
    check_name(aws(), "another (1)")
    for name in ("", "ab", "a*b", "x" * 129, "a\nbc"):
        with pytest.raises(UsageError, match="use 3 to 128"):
            check_name(aws(), name)
    with pytest.raises(UsageError, match=f"{image.id} in us-east-1 has it"):
        check_name(aws(), image.name)


# -- the command -----------------------------------------------------------------------------------------


@pytest.fixture
def account(double: Double, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Double:
    """An account after setup, seen from a folder with a wheel."""
    aws().ask("s3", "create_bucket", Bucket=BUCKET)
    changes.deploy(aws(), BUCKET, vpc=None, closes_rounds=True, reporter=changes.Reporter(lambda line: None))
    (tmp_path / "requirements.lock").write_text("")
    (tmp_path / "sim_arena-0.1.0-py3-none-any.whl").write_bytes(b"a wheel")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bake, "POLL_S", 0.01)
    return double


@pytest.fixture
def command(account: Double, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs `ec2-workers` to its end; no traceback is ever seen."""

    return partial(run_to_its_end, monkeypatch, capfd)


BAKE = ("bake", "--bucket", BUCKET, "--source", "sim_arena-0.1.0-py3-none-any.whl", "--instance-type", "c6i.large")


def newest() -> Instance:
    return find(aws(), gone=True)[-1]


def states() -> list[str]:
    return [one.state for one in find(aws(), gone=True)]


def once_it_looks(double: Double, call: Callable[[], object]) -> None:
    """When the command first asks how the machine is."""
    double.before(
        "ListObjectsV2", lambda request: call(), when=lambda request: request.parameters["prefix"] == "workers/"
    )


def test_an_image_is_baked_the_machine_ended_and_the_image_launched(
    account: Double, command: Callable[..., Done]
) -> None:
    once_it_looks(account, lambda: says(newest().id, *BAKED))
    done = command(*BAKE, "--name", "ours", "--json")
    assert done.code == 0, done.err
    image = json.loads(done.out)
    assert (image["name"], image["state"]) == ("ours", "available")
    assert states() == ["terminated"]
    assert f"{newest().id}: ended" in done.err
    launched = account.asked("RunInstances")[-1].parameters
    assert "BAKE=1" in base64.b64decode(launched["UserData"]).decode()
    again = command("launch", "--bucket", BUCKET, *BAKE[3:], "--count", "1", "--ami", image["id"])
    assert again.code == 0, again.err
    assert account.asked("RunInstances")[-1].parameters["ImageId"] == image["id"]


def test_a_boot_that_fails_shows_the_end_of_its_log(account: Double, command: Callable[..., Done]) -> None:
    def fails() -> None:
        put(newest().id, "boot.log", "\n".join(f"line {n}" for n in range(50)) + "\nno space left\x1b[2J\n")
        says(newest().id, "failed", "torch: no space left (exit code 1)")

    once_it_looks(account, fails)
    done = command(*BAKE)
    assert done.code == 1
    assert "error: the machine is failed: torch: no space left (exit code 1)" in done.err
    assert "  no space left\n" in done.err
    assert "line 48" in done.err
    assert "line 20\n" not in done.err
    assert states() == ["terminated"]
    assert baked_images(aws()) == []


def test_where_no_machine_can_be_had_it_says_so(account: Double, command: Callable[..., Done]) -> None:
    account.fail(
        "RunInstances", "InsufficientInstanceCapacity", when=lambda request: "DryRun" not in request.parameters
    )
    done = command(*BAKE)
    assert done.code == 1
    assert "no machine can be had (InsufficientInstanceCapacity)" in done.err
    assert states() == []


@pytest.mark.parametrize("at", ["installing", "copying"])
def test_ctrl_c_ends_the_machine(account: Double, command: Callable[..., Done], at: str) -> None:
    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    if at == "installing":
        once_it_looks(account, interrupt)
    else:
        once_it_looks(account, lambda: says(newest().id, *BAKED))
        account.after(
            "CreateImage", lambda request: interrupt(), when=lambda request: "DryRun" not in request.parameters
        )
    done = command(*BAKE)
    assert done.code == 130
    assert "ending the machine; once more to leave at once" in done.err
    assert states() == ["terminated"]
    assert ("may still come to be; to remove it: aws ec2 deregister-image" in done.err) == (at == "copying")


@pytest.mark.parametrize("operation", ["DescribeSubnets", "PutObject"])
def test_ctrl_c_before_the_machine_launches_none(account: Double, command: Callable[..., Done], operation: str) -> None:
    account.after(operation, lambda request: os.kill(os.getpid(), signal.SIGINT))
    assert command(*BAKE).code == 130
    assert states() == []


def test_a_machine_that_could_not_be_ended_is_named_with_the_command(
    account: Double, command: Callable[..., Done]
) -> None:
    once_it_looks(account, lambda: says(newest().id, *BAKED))
    account.fail("TerminateInstances", "UnauthorizedOperation", "no")
    done = command(*BAKE)
    assert done.code == 1
    assert done.out.startswith("ami-"), "there is an image"
    assert f"run: ec2-workers terminate --region us-east-1 --group {newest().group}" in done.err


def test_a_taken_name_or_a_missing_stack_launches_nothing(account: Double, command: Callable[..., Done]) -> None:
    assert command(*BAKE, "--name", "a*b").code == 2
    done = command("bake", "--bucket", "elsewhere", *BAKE[3:])
    assert done.code == 1
    assert "ec2-workers setup --bucket elsewhere" in done.err
    assert not account.asked("RunInstances")
