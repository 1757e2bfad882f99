"""`trace record`: what it says and writes, a watch in virtual time, and the role in the docs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_api import FakeApi
from town import Town, oom_killed, running
from typer.testing import CliRunner

from env.demand import read_demand
from env.kube.client import Timer
from env.kube.connect import connect
from env.quantity import MIB
from env.snapshot.reading import LISTED
from env.trace.document import load_trace
from env.usage.metrics_api import POD_METRICS
from infra.commands import app
from runner.commands.trace_record import LOOK_EVERY_S, _record
from runner.options.usage import UsageChoice

ROOT = Path(__file__).parents[3]


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with FakeApi() as api:
        yield api


@pytest.fixture
def town(fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    monkeypatch.setenv("KUBECONFIG", str(fake.write_kubeconfig(tmp_path / "kubeconfig")))
    town = Town(fake)
    town.deployment("web", running(), running())
    town.deployment("hungry", oom_killed())
    return town


def _run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["trace", "record", *arguments])


def test_the_context_is_the_first_line_and_the_trace_is_written(town: Town, tmp_path: Path) -> None:
    done = _run("--to", str(tmp_path / "now.sktrace"))
    assert done.exit_code == 0
    assert re.match(r"context fake \(http://127.*\), all namespaces, read only\n", done.stdout)
    assert "Deployment shop/hungry: 0 of 1 ready, OOM-killed: app, CrashLoopBackOff (1)" in done.stdout
    assert [str(each) for each in load_trace(tmp_path / "now.sktrace").deployments()] == ["shop/web", "shop/hungry"]


def test_json_is_alone_on_stdout(town: Town, tmp_path: Path) -> None:
    done = _run("--to", str(tmp_path / "now.sktrace"), "-n", "shop", "--json")
    found = json.loads(done.stdout)
    assert found["objects"] == {"Namespace": 1, "Deployment": 2}
    assert found["nodes"] == 2
    assert done.stderr.startswith("context fake")


def test_what_is_refused_is_said(town: Town, fake: FakeApi, tmp_path: Path) -> None:
    fake.fail(403, path="/cronjobs")
    assert "left out  CronJob *: not read: GET" in _run("--to", str(tmp_path / "now.sktrace")).stdout


def test_what_containers_use_is_their_demand_in_the_trace(town: Town, fake: FakeApi, tmp_path: Path) -> None:
    use = {"name": "app", "usage": {"cpu": "123456789n", "memory": "200Mi"}}
    metrics = {"metadata": {"namespace": "shop", "name": "web-5d4f8c7b9-00001"}, "window": "15s", "containers": [use]}
    fake.answers[POD_METRICS] = {"items": [metrics]}
    path = tmp_path / "now.sktrace"
    found = json.loads(_run("--to", str(path), "--json").stdout)
    assert found["usage"] == {"known": 1, "missing": ["Deployment shop/hungry container app"]}
    objects = {each["metadata"]["name"]: each for each in load_trace(path).events[0]["applied_objs"]}
    templates = {
        name: each["spec"]["template"]["metadata"] for name, each in objects.items() if each["kind"] != "Namespace"
    }
    assert read_demand(templates["web"]["annotations"]) == {"app": (124, 200 * MIB)}
    assert "annotations" not in templates["hungry"]


def test_a_cluster_without_a_metrics_api_is_recorded_and_it_is_said(town: Town, tmp_path: Path) -> None:
    done = _run("--to", str(tmp_path / "now.sktrace"))
    assert done.exit_code == 0
    assert "metrics API: there is none in this cluster" in done.stderr
    assert re.search(r"use known +0 of 2 containers", done.stdout)


def test_without_workloads_there_is_nothing_to_record(fake: FakeApi, town: Town, tmp_path: Path) -> None:
    for name in ("web", "hungry"):
        fake.remove("deployments", name, "shop")
    for pod in fake.all("pods"):
        fake.remove("pods", pod["metadata"]["name"], "shop")
    done = _run("--to", str(tmp_path / "now.sktrace"))
    assert done.exit_code == 3
    assert "context fake: no workloads; nothing was written" in done.stderr
    fake.fail(403, path="/deployments")
    done = _run("--to", str(tmp_path / "now.sktrace"))
    assert done.exit_code == 1
    assert "no workloads among what may be read; Deployment *: not read: GET" in " ".join(done.stderr.split())
    assert not (tmp_path / "now.sktrace").exists()


def test_an_anonymous_trace_has_none_of_the_names(town: Town, tmp_path: Path) -> None:
    assert _run("--to", str(tmp_path / "now.sktrace"), "--anonymous").exit_code == 0
    data = (tmp_path / "now.sktrace").read_bytes()
    assert [name for name in (b"shop", b"hungry", b"node-1\x00", b"fake") if name in data] == []


def test_a_watch_records_what_changes_and_lasts_as_long_as_it_is_asked_to(town: Town, fake: FakeApi) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        if now[0] < 1.5 * LOOK_EVERY_S <= now[0] + seconds:
            town.deployment("late", running())
            fake.remove("deployments", "hungry", "shop")
        now[0] += seconds

    api = replace(connect(timer=Timer(lambda: now[0], sleep)), request_timeout_s=5.0)
    trace = _record(api, "context fake", (), 4 * LOOK_EVERY_S, UsageChoice()).trace()
    api.close()
    start = trace.events[0]["ts"]
    assert [event["ts"] - start for event in trace.events] == [0, 2 * LOOK_EVERY_S, 4 * LOOK_EVERY_S]
    assert [each["metadata"]["name"] for each in trace.events[1]["applied_objs"]] == ["late"]
    assert [each["metadata"]["name"] for each in trace.events[1]["deleted_objs"]] == ["hungry"]


def test_a_look_that_fails_is_no_change(town: Town, fake: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        if now[0] < LOOK_EVERY_S / 2 <= now[0] + seconds:
            fake.fail(401, path="/deployments")
        now[0] += seconds

    api = replace(connect(timer=Timer(lambda: now[0], sleep)), request_timeout_s=5.0)
    recording = _record(api, "context fake", (), 2 * LOOK_EVERY_S, UsageChoice())
    api.close()
    assert recording.changes == []
    assert "this look failed, the next one follows: GET" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--watch", "soon"], ["--kube-context", "nosuch"], ["-n", "shpo"]])
def test_wrong_usage_writes_nothing(arguments: list[str], town: Town, tmp_path: Path) -> None:
    assert _run("--to", str(tmp_path / "now.sktrace"), *arguments).exit_code != 0
    assert not (tmp_path / "now.sktrace").exists()


def test_the_role_in_the_docs_allows_what_is_read_and_nothing_more() -> None:
    page = (ROOT / "docs/record.md").read_text()
    (role,) = (
        each
        for block in re.findall(r"```yaml\n(.*?)```", page, re.S)
        for each in yaml.safe_load_all(block)
        if each["kind"] == "ClusterRole"
    )
    allowed = {
        (group, plural)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for plural in rule["resources"]
        if rule["verbs"] == ["get", "list"]
    }
    read = {(each.api_version.rpartition("/")[0], each.plural) for each in LISTED}
    assert allowed == read | {("metrics.k8s.io", "pods")}
    assert all(rule["verbs"] == ["get", "list"] for rule in role["rules"])


def test_a_watch_keeps_the_most_that_containers_used(town: Town, fake: FakeApi) -> None:
    now = [0.0]

    def used(memory: str, cpu: str) -> None:
        use = {"name": "app", "usage": {"cpu": cpu, "memory": memory}}
        metrics = {"metadata": {"namespace": "shop", "name": "web-5d4f8c7b9-00001"}, "containers": [use]}
        fake.answers[POD_METRICS] = {"items": [metrics]}

    def sleep(seconds: float) -> None:
        used(*(("300Mi", "90m") if now[0] < 1.5 * LOOK_EVERY_S else ("100Mi", "110m")))
        now[0] += seconds

    used("200Mi", "100m")
    api = replace(connect(timer=Timer(lambda: now[0], sleep)), request_timeout_s=5.0)
    usage = _record(api, "context fake", (), 3 * LOOK_EVERY_S, UsageChoice()).usage
    api.close()
    (use,) = (each for each in usage.uses.values() if each.source == "metrics API")
    assert (use.memory_bytes, use.cpu_m, use.samples) == (300 * MIB, 110, 4)
    assert use.window_s == pytest.approx(3 * LOOK_EVERY_S)
