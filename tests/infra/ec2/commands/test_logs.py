"""`ec2-workers logs`: from the bucket, also when the machine is gone, else from EC2's console."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from double import Double
from fleets import BUCKET, launch, new_bucket, writes
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from env.errors import SimArenaError, UsageError
from infra.ec2.commands.main import app
from infra.ec2.watch.reports import LINE, last_line, plain, short
from protocol.wire.bucket import Bucket


@pytest.fixture
def place(double: Double) -> Bucket:
    return new_bucket()


@pytest.fixture
def machine(double: Double, place: Bucket) -> str:
    return launch()


def logs(*arguments: str) -> Result:
    done = CliRunner().invoke(app, ["logs", *arguments])
    if done.exception is not None and not isinstance(done.exception, (SystemExit, SimArenaError)):
        raise done.exception
    return done


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets what is on the console of all instances."""
    return lambda text: monkeypatch.setattr("moto.ec2.responses.general.SAMPLE_CONSOLE_OUTPUT", text)


def test_both_logs_are_printed_in_the_order_of_a_machines_life(place: Bucket, machine: str) -> None:
    writes(place, machine, "boot.log", b"booted\n")
    writes(place, machine, "worker.log", b"working\nresting")
    done = logs(machine)
    assert (done.exit_code, done.stdout) == (0, "booted\nworking\nresting\n")
    assert f"a shell there: aws ssm start-session --target {machine} --region us-east-1" in done.stderr
    assert logs(machine, "--boot").stdout == "booted\n"


def test_logs_outlive_the_machine(double: Double, place: Bucket, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    writes(place, machine, "boot.log", b"the end\n")
    double.end(machine)
    done = logs(machine)
    assert (done.exit_code, done.stdout) == (0, "the end\n")
    assert "a shell there" not in done.stderr
    double.forget(machine)
    done = logs(machine)
    assert (done.exit_code, done.stdout) == (3, "")
    assert "pass its --bucket" in done.stderr
    assert logs(machine, "--bucket", BUCKET).stdout == "the end\n"
    monkeypatch.setenv("SIM_ARENA_BUCKET", BUCKET)
    assert logs(machine).stdout == "the end\n"


def test_a_reader_of_the_bucket_needs_no_right_to_ask_ec2(double: Double, place: Bucket, machine: str) -> None:
    writes(place, machine, "worker.log", b"working\n")
    double.fail("DescribeInstances", "UnauthorizedOperation")
    assert logs(machine, "--bucket", BUCKET).stdout == "working\n"
    done = logs(machine)
    assert done.exit_code == 1
    assert "UnauthorizedOperation" in done.stderr


def test_another_bucket_in_the_environment_does_not_hide_the_machines_own(
    place: Bucket, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIM_ARENA_BUCKET", "no-such-bucket")
    writes(place, machine, "worker.log", b"working\n")
    assert logs(machine).stdout == "working\n"


def test_of_a_boot_that_died_before_it_could_write_the_console_is_shown(
    double: Double, machine: str, console: Callable[[str], None]
) -> None:
    asked: list[object] = []
    double.before("GetConsoleOutput", lambda request: asked.append(request.parameters.get("Latest")))
    console("cloud-init: \x1b[31mno such bucket\x1b[0m\r\n")
    done = logs(machine)
    assert (done.exit_code, done.stdout) == (0, "cloud-init: no such bucket\n")
    assert "== console, as EC2 saw it" in done.stderr
    assert asked == ["true"]


def test_types_without_a_console_of_now_show_the_one_that_ec2_kept(
    double: Double, machine: str, console: Callable[[str], None]
) -> None:
    console("kept")
    double.fail("GetConsoleOutput", "UnsupportedOperation", when=lambda request: "Latest" in request.parameters)
    assert logs(machine).stdout == "kept\n"


def test_a_bucket_that_refuses_is_not_hidden_by_the_console(double: Double, machine: str) -> None:
    double.fail("GetObject", "AccessDenied")
    done = logs(machine)
    assert done.exit_code == 0
    assert "== console, as EC2 saw it" in done.stderr
    assert f"warning: s3://{BUCKET}: GET workers/{machine}/boot.log: 403 AccessDenied" in done.stderr


def test_nothing_anywhere_is_exit_code_3(double: Double, machine: str, console: Callable[[str], None]) -> None:
    console("")
    done = logs(machine)
    assert (done.exit_code, done.stdout) == (3, "")
    assert "nothing written yet" in done.stderr


def test_what_could_not_be_asked_is_told_when_there_is_nothing_else(double: Double, machine: str) -> None:
    double.fail("GetConsoleOutput", "UnauthorizedOperation")
    double.fail("GetObject", "AccessDenied")
    done = logs(machine)
    assert done.exit_code == 1
    assert f"{machine}: its logs cannot be read" in done.stderr
    assert "AccessDenied" in done.stderr
    assert "get_console_output" in done.stderr


@pytest.mark.parametrize("name", ["", "i-", "i-0123", "i-0123456789ABCDEF0", "../i-01234567", "i-0123456789abcdef0\n"])
def test_what_is_no_instance_id_is_wrong_usage(name: str) -> None:
    done = logs("--bucket", BUCKET, "--", name)
    assert isinstance(done.exception, UsageError)
    assert done.exception.exit_code == 2


def test_a_hostile_log_does_not_reach_the_terminal_as_it_is(place: Bucket, machine: str) -> None:
    hostile = b"\x1b[2J\x1b]0;owned\x07 a\tb\r10%\r20%\r\n\x1b]52;c;cm0=\xff\n\xe2\x80\xae[red]\x00end"
    writes(place, machine, "worker.log", hostile)
    assert logs(machine).stdout == " a    b\n10%\n20%\n?]52;c;cm0=\ufffd\n?[red]?end\n"


@given(st.text(alphabet=st.sampled_from("\x1b[]0;mJ\x07\\\r\n\t\x9b\u202eab P_^"), max_size=60) | st.text(max_size=60))
def test_plain_text_has_nothing_but_printable_lines(text: str) -> None:
    for line in plain(text).split("\n"):
        assert line.isprintable()
    assert short(text).isprintable()
    assert len(short(text)) <= LINE
    assert short(plain(text)) == short(text)


def test_plain_text_takes_no_longer_for_escapes_that_never_end() -> None:
    for start in ("\x1b[", "\x1b]", "\x1b[0", "\x1b[0;"):
        assert plain(start * 100_000).isprintable()
        assert plain(start + "0" * 200_000).isprintable()


@pytest.mark.parametrize(("log", "line"), [("", ""), ("\n \n", ""), ("a\nb \n\n", "b"), ("x" * 400, "x" * 300)])
def test_the_last_line_that_says_anything(log: str, line: str) -> None:
    assert last_line(log) == line
