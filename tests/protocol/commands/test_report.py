"""`dispatch report` and `sync-server --report` on a real S3 server: the file, the object, the link."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from infra.proof.standin import GROUP, federation, training
from infra.scripts import start
from protocol.commands import dispatch, sync_server
from protocol.commands.buckets import open_bucket
from protocol.commands.report import LONGEST_S
from protocol.commands.status import require_federation
from protocol.jobs.queue import ended, finish
from protocol.jobs.submit import submit_federation
from protocol.rounds.federation import end
from protocol.wire import keys
from protocol.wire.federation_documents import Decision, OutcomeStatus, Participant
from protocol.wire.job_documents import ResultStatus
from protocol.wire.store import S3Store


def run(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(dispatch.app, list(arguments))
    assert done.exit_code == code, done.stderr
    return done


@pytest.fixture
def bucket(bucket_name: str) -> str:
    """A bucket with a federation of two members that has ended after three rounds."""
    place = open_bucket(bucket_name)
    submit_federation(place, federation(2, 3))
    for number in range(1, 4):
        both = tuple(Participant(member=m, weight=9, reward=float(number), solved=1) for m in range(2))
        decision = Decision(round=number, reason="full", participants=both)
        place.create(keys.decision(GROUP, number), decision.to_bytes())
        place.create(keys.global_weights(GROUP, number), b"1")
    for member in range(2):
        finish(place, ended(keys.member_job(GROUP, member), ResultStatus.SUCCESS, ""))
    end(place, GROUP, OutcomeStatus.FINISHED, 3, "all rounds closed", "a" * 64)
    return bucket_name


def test_a_federation_becomes_a_file(bucket: str, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    told = json.loads(run("report", GROUP, "--bucket", bucket, "--to", str(file), "--json").stdout)
    assert (told["report"], told["bytes"]) == (str(file), file.stat().st_size)
    assert told["verdict"].startswith("Finished: all 3 rounds closed")
    assert told["link"] is None
    assert told["requests"]["GET"] == 6
    assert "a" * 64 in file.read_text(encoding="utf-8")
    assert not open_bucket(bucket).exists(keys.report(GROUP))


def test_a_published_report_opens_by_its_link_in_a_browser(bucket: str, tmp_path: Path) -> None:
    for _ in range(2):  # the second one overwrites the first
        done = run(
            "report", GROUP, "--bucket", bucket, "--publish", "--expires", "60", "--to", str(tmp_path / "p.html")
        )
    link = done.stdout.splitlines()[-1]
    assert "X-Amz-Expires=60" in link
    assert "whoever has this link can read the page for 1 min 00 s," in " ".join(done.stderr.split())
    with urllib.request.urlopen(link) as answer:
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.read() == (tmp_path / "p.html").read_bytes()
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(link.split("?")[0])


def test_a_purge_deletes_the_report(bucket: str, tmp_path: Path) -> None:
    run("report", GROUP, "--bucket", bucket, "--publish", "--to", str(tmp_path / "p.html"))
    run("purge", GROUP, "--bucket", bucket, "--yes")
    assert not open_bucket(bucket).exists(keys.report(GROUP))
    run("purge", GROUP, "--bucket", bucket, "--yes", code=3)
    told = json.loads(run("report", GROUP, "--bucket", bucket, "--to", str(tmp_path / "q.html"), "--json").stdout)
    assert told["verdict"].startswith("Finished: all 3 rounds closed")


def test_a_sync_server_publishes_what_it_looked_at(bucket_name: str) -> None:
    place = open_bucket(bucket_name)
    submit_federation(place, federation(1, 1))
    done = CliRunner().invoke(sync_server.app, ["--bucket", bucket_name, "--once", "--report"])
    assert done.exit_code == 0, done.stderr
    assert b"0 of 1 round closed" in (place.get(keys.report(GROUP), 10 << 20) or b"")


def test_event_files_are_written_where_tensorboard_is_installed(bucket: str, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run("report", GROUP, "--bucket", bucket, "--to", str(tmp_path / "p.html"), "--tensorboard", str(tmp_path / "tb"))
    run("download", GROUP, "--bucket", bucket, "--to", str(tmp_path / "out"), code=1)  # these weights are none
    for folder in (tmp_path / "tb", tmp_path / "out" / "tensorboard"):
        events = EventAccumulator(str(folder)).Reload()
        assert [(row.step, row.value) for row in events.Scalars("federation/return")] == [(1, 1), (2, 2), (3, 3)]
        assert [row.value for row in events.Scalars("member/0001")] == [1, 2, 3]
        assert [row.value for row in events.Scalars("federation/solved")] == [1, 1, 1]


def test_the_command_on_the_page_queues_the_same_federation(bucket_name: str, tmp_path: Path) -> None:
    how = ("--federation-size", "3", "--strategy", "fedprox", "--episodes", "7", "--set", "batch_size=8", "--seed", "5")
    run("submit", "--bucket", bucket_name, "--group", "shop", *how, "--heterogeneous", "--round-timeout", "90")
    run("report", "shop", "--bucket", bucket_name, "--to", str(tmp_path / "p.html"))
    from protocol.report.again import submit_lines

    place = open_bucket(bucket_name)
    first = require_federation(place, "shop")
    line = "\n".join(submit_lines(first, place.name)).replace("\\\n", " ")
    run(*shlex.split(line)[1:], "--bucket", bucket_name)
    again = require_federation(place, "shop-again")
    assert again == first.model_copy(update={"group": "shop-again", "created_at": again.created_at})


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nosuch"], 2, "federation 'nosuch': not in"),
        (["../x"], 2, "group '../x'"),
        ([GROUP, "--expires", "60"], 2, "is of the link that --publish prints"),
        ([GROUP, "--publish", "--expires", str(LONGEST_S + 1)], 2, "--expires"),
        ([GROUP, "--score"], 2, "weights of g, round 3"),
        ([GROUP, "--to", "/dev/null/x/page.html"], 2, "make its folder first"),
    ],
)
def test_a_mistake_is_one_line(
    bucket: str,
    arguments: list[str],
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["dispatch", "report", *arguments, "--bucket", bucket])
    with redirect_stderr(StringIO()) as told, pytest.raises(SystemExit) as left:
        start("dispatch")
    assert left.value.code == code
    assert message in " ".join(told.getvalue().split())
    assert "Traceback" not in told.getvalue()


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_a_link_is_signed_for_the_regions_own_host(region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "secret"), ("DEFAULT_REGION", region)):
        monkeypatch.setenv(f"AWS_{name}", value)
    link = S3Store("my-bucket").link(keys.report(GROUP), 3600)
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in link
    assert "secret" not in link
    assert link.startswith(("https://my-bucket.s3.amazonaws.com/", f"https://my-bucket.s3.{region}.amazonaws.com/"))
    assert (region in link.split("?")[0]) == (region != "us-east-1")


def test_the_help_of_report_imports_neither_torch_nor_the_chart_library() -> None:
    heavy = "{'torch', 'plotly', 'boto3', 'numba', 'matplotlib'} & set(sys.modules)"
    code = f"import sys\nimport protocol.commands.report, protocol.commands.sync_server\nsys.exit(bool({heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert training().agent == "dqn"
