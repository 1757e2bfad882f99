"""How machines are shown at any width: ids are whole, what they share is said once."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from infra.ec2.commands.launch_view import instances_table
from infra.ec2.commands.status import picture as status_picture
from infra.ec2.commands.terminate import picture
from infra.ec2.commands.view import chosen, person
from infra.ec2.fleet import Instance
from infra.ec2.watch.status import FleetStatus, Totals, instance_row

IDS = tuple(f"i-{number:017x}" for number in range(0xA0, 0xA4))
ARN = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_AdministratorAccess_0123456789abcdef/jane@example.com"


def machine(one: str, group: str = "a-fleet-with-quite-a-long-name", region: str = "ap-southeast-1") -> Instance:
    return Instance(one, region, f"{region}a", "m7i-flex.xlarge", False, "running", 0.0, group, "a-bucket", ARN)


MACHINES = (*(machine(one) for one in IDS[:3]), machine(IDS[3], "other", "us-east-1"))


def printed(what: object, console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    console.print(what)
    return console.file.getvalue()


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("terminal", [True, False])
def test_ids_are_never_cut(columns: int, terminal: bool) -> None:
    def console() -> Console:
        return Console(file=io.StringIO(), width=columns, force_terminal=terminal, color_system=None)

    rows = [(one, "running") for one in MACHINES]
    for shown in (
        printed(picture(rows), console()),
        printed(instances_table(MACHINES), console()),
        printed(status_picture(FLEET), console()),
    ):
        assert [one for one in IDS if one in shown] == list(IDS)


FLEET = FleetStatus(
    tuple(instance_row(one, None, 60.0) for one in MACHINES), Totals(4, 0.0, 0.0, 0, 0), ("a bucket is gone",)
)


def test_what_machines_share_is_said_once_above_them_and_who_launched_them_in_a_word() -> None:
    console = Console(file=io.StringIO(), width=80)
    shown = printed(picture([(one, "ends") for one in MACHINES]), console)
    assert shown.count("a-fleet-with-quite-a-long-name in ap-southeast-1, bucket a-bucket\n") == 1
    assert shown.count("other in us-east-1, bucket a-bucket\n") == 1
    assert [line.split() for line in shown.splitlines() if line.startswith("i-")] == [
        [one, "m7i-flex.xlarge", "jane@example.com", "ends"] for one in IDS
    ]


def test_the_sum_comes_first_where_the_end_may_be_below_the_window() -> None:
    lines = printed(status_picture(FLEET, sum_first=True), Console(file=io.StringIO(), width=80)).splitlines()
    assert lines[0].startswith("4 machines, about $0.00 an hour")
    assert lines[1] == "warning: a bucket is gone"


@pytest.mark.parametrize(
    ("owner", "who"),
    [
        (ARN, "jane@example.com"),
        ("arn:aws:iam::123456789012:user/team/jane", "jane"),
        ("arn:aws:iam::123456789012:root", "root"),
        ("me", "me"),
        ("", ""),
    ],
)
def test_a_person_is_the_end_of_an_arn(owner: str, who: str) -> None:
    assert person(owner) == who


def test_what_was_looked_for_is_named() -> None:
    assert chosen(None, None) == ""
    assert chosen("shop", None) == " of group 'shop'"
    assert chosen("shop", "") == " of group 'shop' and bucket ''"
