"""`ec2-workers terminate`: finds by tag, ends what is meant and nothing else, and says what may live on."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import pytest
from double import Double
from typer.testing import CliRunner, Result

from env.errors import UsageError
from infra.ec2.aws import Aws
from infra.ec2.commands.main import app
from infra.ec2.fleet import Instance, find, launch_tags
from infra.ec2.watch import termination
from infra.ec2.watch.termination import Selection, Termination, select, terminate_all
from infra.local.processes import clean_environment, command

AL2023 = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
NOBODY = "i-0123456789abcdef0"

Launch = Callable[..., list[str]]


@cache
def account(region: str) -> Aws:
    return Aws(region)


@pytest.fixture
def launch(double: Double) -> Launch:
    """Launches instances of a group, with the tags of ours; gives their ids."""

    def launched(
        group: str = "web",
        count: int = 1,
        bucket: str = "b",
        region: str = "us-east-1",
        zone: str = "a",
        tags: Any = None,
    ) -> list[str]:
        aws = account(region)
        image = aws.ask("ssm", "get_parameter", Name=AL2023)["Parameter"]["Value"]
        own = launch_tags(group, bucket, "someone", 4e9, 0.1) if tags is None else tags
        answer = aws.ask(
            "ec2",
            "run_instances",
            ImageId=image,
            InstanceType="c6i.large",
            MinCount=count,
            MaxCount=count,
            Placement={"AvailabilityZone": f"{region}{zone}"},
            TagSpecifications=[{"ResourceType": "instance", "Tags": own}] if own else [],
        )
        return [row["InstanceId"] for row in answer["Instances"]]

    return launched


def run(*arguments: str, code: int = 0, typed: str | None = None) -> Result:
    done = CliRunner().invoke(app, ["terminate", *arguments], input=typed)
    said = done.exception if not isinstance(done.exception, SystemExit) else None
    assert getattr(said, "exit_code", done.exit_code) == code, (done.output, done.exception)
    return done


def living(region: str = "us-east-1") -> set[str]:
    filters = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
    rows = account(region).pages("ec2", "describe_instances", "Reservations", Filters=filters)
    return {instance["InstanceId"] for row in rows for instance in row["Instances"]}


# -- what is meant ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("--all", "--group", "web"), ("--all", NOBODY), ("--group", "web", NOBODY)])
def test_what_to_end_is_said_in_exactly_one_way(double: Double, arguments: tuple[str, ...]) -> None:
    run(*arguments, code=2)
    assert not double.log


@pytest.mark.parametrize("odd", ["", "i-1", "i-0123456789ABCDEF0", "i-*", "0123456789abcdef0", "i-0123456789abcdef01"])
def test_what_can_be_no_instance_id_is_named(odd: str) -> None:
    with pytest.raises(UsageError, match=re.escape(repr(odd))):
        Selection(ids=(NOBODY, odd))


def test_nothing_ends_where_one_id_is_malformed(launch: Launch) -> None:
    (one,) = launch()
    assert "'i-1'" in str(run(one, "i-1", code=2).exception)
    assert living() == {one}


def test_a_group_ends_and_no_other(launch: Launch) -> None:
    web, other = launch("web", 3), launch("web-2")
    done = run("--group", "web")
    assert all(one in done.stdout for one in web)
    assert living() == set(other)


def test_a_group_is_a_name_and_no_pattern(launch: Launch) -> None:
    ids = launch("web", 2)
    run("--group", "w*", code=3)
    run("--group", "???", code=3)
    assert living() == set(ids)


def test_all_are_this_projects_only(launch: Launch) -> None:
    launch("web"), launch("shop")
    strangers = launch(tags=[]) + launch(tags=[{"Key": "Project", "Value": "another"}])
    whole = launch_tags("web", "bucket", "someone", 4e9, 0.1)
    strangers += launch(tags=[{"Key": "Project", "Value": "sim-arena"}])  # somebody else's project of this name
    for tag in ("Project", "sim-arena:group", "sim-arena:bucket", "sim-arena:owner", "sim-arena:expires"):
        strangers += launch(tags=[row for row in whole if row["Key"] != tag])
    run("--all", "--yes")
    assert living() == set(strangers)


def test_a_bucket_narrows_what_is_meant(launch: Launch) -> None:
    launch("web", bucket="mine")
    other = launch("web", bucket="other")
    assert "not of this project's with bucket mine" in run(*other, "--bucket", "mine", code=1).stderr
    run("--all", "--yes", "--bucket", "mine")
    assert living() == set(other)
    run("--group", "web", "--bucket", "mine", code=3)


def test_ids_of_others_are_named_and_left_alone_and_the_rest_ends(launch: Launch) -> None:
    (one,), (stranger,) = launch(), launch(tags=[])
    done = run(NOBODY, stranger, one, code=1)
    assert f"{stranger}: not of this project; left alone" in done.stderr
    assert f"{NOBODY}: does not exist in us-east-1" in done.stderr
    assert living() == {stranger}


def test_nothing_to_end_says_where_it_looked(double: Double) -> None:
    done = run("--all", "--region", "us-east-1", "--region", "eu-central-1", code=3)
    assert "nothing to end in us-east-1, eu-central-1" in done.stderr


def test_what_has_ended_already_is_nothing_to_do(launch: Launch) -> None:
    (one,) = launch()
    run(one)
    assert f"{one} has ended already" in run(one, code=3).stderr


# -- asking ----------------------------------------------------------------------------------------------


def test_all_is_refused_without_a_terminal(launch: Launch) -> None:
    ids = launch("web", 2)
    done = run("--all", code=2)
    assert "no terminal to ask at: End 2 instances? Confirm with --yes" in str(done.exception)
    assert all(one in done.stderr for one in (*ids, "someone"))
    assert living() == set(ids)


@pytest.mark.parametrize(("typed", "left"), [("n\n", 1), ("y\n", 0)])
def test_on_a_terminal_all_asks_first(
    launch: Launch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, left: int
) -> None:
    launch()
    master, slave = pty.openpty()
    os.write(master, typed.encode())
    with open(slave) as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        assert (app(["terminate", "--all"], standalone_mode=False) or 0) == left
    os.close(master)
    said = capsys.readouterr().err
    assert "someone" in said
    assert "End 1 instance?" in said
    assert len(living()) == left


# -- ending ----------------------------------------------------------------------------------------------


def test_instances_of_several_regions_end(launch: Launch) -> None:
    launch("web"), launch("web", region="eu-central-1")
    shown = json.loads(run("--group", "web", "--region", "us-east-1", "--region", "eu-central-1", "--json").stdout)
    assert {row["region"] for row in shown["ended"]} == {"us-east-1", "eu-central-1"}
    assert living() == living("eu-central-1") == set()


@pytest.mark.parametrize("operation", ["DescribeInstances", "TerminateInstances"])
def test_a_region_that_cannot_be_asked_keeps_no_other_alive(launch: Launch, double: Double, operation: str) -> None:
    (here,), (there,) = launch(), launch(region="eu-central-1")
    double.fail(operation, "UnauthorizedOperation", "no", when=lambda request: request.region == "us-east-1")
    done = run("--all", "--yes", "--region", "us-east-1", "--region", "eu-central-1", code=1)
    assert "us-east-1: UnauthorizedOperation: no" in done.stderr
    assert "not all may have ended; the same command tries again" in done.stderr
    assert there in done.stdout
    assert living("eu-central-1") == set()
    assert double.instance(here)._state.name == "running"


def test_machines_of_a_bucket_that_may_not_be_touched_keep_no_others_alive(launch: Launch, double: Double) -> None:
    theirs, mine = launch("web", 2, bucket="theirs"), launch("web", 2, bucket="mine")
    double.fail(
        "TerminateInstances", "UnauthorizedOperation", "no", when=lambda asked: theirs[0] in asked.values("InstanceId")
    )
    done = run("--all", "--yes", code=1)
    assert (
        f"{', '.join(sorted(theirs))}: ec2 terminate_instances in us-east-1: UnauthorizedOperation: no" in done.stderr
    )
    assert all(one in done.stdout for one in mine)
    assert living() == set(theirs)


def test_many_end_in_calls_of_bounded_size(launch: Launch, double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(termination, "BATCH", 4)
    launch("web", 10)
    run("--group", "web")
    assert [len(request.values("InstanceId")) for request in double.asked("TerminateInstances")] == [4, 4, 2]
    assert living() == set()


def test_one_that_vanished_in_between_keeps_no_other_alive(launch: Launch, double: Double) -> None:
    ids = launch("web", 7)
    double.before("TerminateInstances", lambda request: double.forget(ids[3]))
    run("--group", "web")
    assert living() == set()


def test_a_protected_instance_is_named_and_the_others_end(launch: Launch) -> None:
    ids = launch("web", 5) + launch("web", 2, zone="b")
    protected = {"InstanceId": ids[2], "DisableApiTermination": {"Value": True}}
    Aws().ask("ec2", "modify_instance_attribute", **protected)
    done = run("--group", "web", "--json", code=1)
    assert f"{ids[2]}: protected against termination" in done.stderr
    assert living() == {ids[2]}
    shown = json.loads(done.stdout)
    assert [row["id"] for row in shown["alive"]] == [ids[2]]
    assert {row["id"] for row in shown["ended"]} == {*ids} - {ids[2]}


def test_a_stopped_instance_ends_too(launch: Launch) -> None:
    (one,) = launch()
    Aws().ask("ec2", "stop_instances", InstanceIds=[one])
    run("--group", "web")
    assert living() == set()


def test_after_lost_answers_it_looks_again_before_it_says_that_they_live(launch: Launch, double: Double) -> None:
    (one,), _ = launch(), launch()
    double.lose_answer("TerminateInstances", times=6)
    assert one in run("--group", "web").stdout
    other = launch()
    double.refuse("TerminateInstances")
    done = run("--group", "web", code=1)
    assert f"{other[0]}: ec2 terminate_instances in us-east-1: no answer from http://127.0.0.1" in done.stderr
    assert "the same command tries again" in done.stderr


def test_a_throttled_request_is_made_again(launch: Launch, double: Double) -> None:
    launch("web", 2)
    double.fail("TerminateInstances", "RequestLimitExceeded", times=3)
    run("--group", "web")
    assert living() == set()


def test_two_at_once_both_say_that_all_end(launch: Launch) -> None:
    launch("web", 3)
    found = select([Aws()], Selection(group="web")).living

    def end_all(_: int) -> list[Termination]:
        terminations: list[Termination] = []
        terminate_all([Aws()], found, terminations.append)
        return terminations

    with ThreadPoolExecutor() as pool:
        both = list(pool.map(end_all, range(2)))
    assert [[termination.ended for termination in terminations] for terminations in both] == [[True] * 3] * 2


def test_interrupted_half_way_it_says_how_far_it_got(launch: Launch, double: Double) -> None:
    launch("web"), launch("web", region="eu-central-1")
    regions = ("--region", "us-east-1", "--region", "eu-central-1")
    children: list[subprocess.Popen[str]] = []
    double.before(
        "TerminateInstances",
        lambda request: children[0].send_signal(signal.SIGINT),
        when=lambda request: request.region == "eu-central-1",
    )
    children.append(
        subprocess.Popen(
            command("ec2-workers", "terminate", "--group", "web", *regions),
            env=clean_environment({name: value for name, value in os.environ.items() if name.startswith("AWS_")}),
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    )
    _, said = children[0].communicate(timeout=60)
    assert children[0].returncode == 130, said
    assert "1 of 2 were ended; the same command ends the others" in said
    assert "Traceback" not in said
    run("--group", "web", *regions, code=3 if not living("eu-central-1") else 0)
    assert living() == living("eu-central-1") == set()


def test_what_tags_say_cannot_steer_a_terminal(launch: Launch) -> None:
    whole = launch_tags("web", "bucket", "someone", 4e9, 0.1)
    row = {"Key": "sim-arena:owner", "Value": "\x9b2J\u202e[red]"}
    launch("web", tags=[*(tag for tag in whole if tag["Key"] != "sim-arena:owner"), row])
    shown = run("--group", "web").stdout
    assert "?2J?[red]" in shown


def test_the_machines_of_a_group_are_found_oldest_first(launch: Launch, double: Double) -> None:
    young, old = launch()[0], launch()[0]
    double.age(old, 60)
    found = find(Aws(), group="web")
    assert [one.id for one in found] == [old, young]
    assert isinstance(found[0], Instance)
    assert (found[0].owner, found[0].usd_per_hour, found[0].expires) == ("someone", 0.1, 4e9)
