"""`-f` and `sim-arena trace make`, and manifests where a trace is expected."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from env.problems.scenario import scenario_from_trace
from env.trace import load_trace
from infra.scripts import start

Call = Callable[[str], tuple[int, str, str]]

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: registry.example/web:1
        env: [{name: TOKEN, value: hunter2}]
        resources: {requests: {cpu: 500m, memory: 256Mi}}
---
apiVersion: example.com/v1
kind: Cache
metadata: {name: front, namespace: shop}
"""


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Runs a command line in a folder with `deploy/web.yaml`; exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    Path("deploy").mkdir()
    Path("deploy/web.yaml").write_text(WEB)

    def run(line: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", line.split())
        with pytest.raises(SystemExit) as left:
            start(line.split()[0])
        said = capfd.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return run


def test_trace_make_writes_a_trace_and_says_what_is_not_in_it(call: Call) -> None:
    code, out, _ = call("sim-arena trace make -f deploy --to web.sktrace --nodes 2x4:8Gi")
    assert code == 0
    assert [" ".join(line.split()) for line in out.splitlines()] == [
        "wrote web.sktrace",
        "from deploy",
        "objects 1 Deployment",
        "nodes 2 x 4 CPU, 8Gi, 110 pods",
        "not replayed name why",
        "Cache shop/front is a custom resource (example.com/v1); what its controller makes of it is not known",
    ]
    trace = load_trace("web.sktrace")
    assert b"hunter2" not in trace.to_bytes()
    scenario = scenario_from_trace(trace, name="web")
    assert (scenario.target, scenario.nodes.count, scenario.nodes.pools[0].cpu_m) == (3, 2, 4_000)


def test_trace_make_as_json_lists_objects_and_what_is_left_out(call: Call) -> None:
    code, out, _ = call("sim-arena trace make -f deploy/web.yaml --to web.sktrace --json")
    found = json.loads(out)
    assert code == 0
    assert found["objects"] == [{"kind": "Deployment", "namespace": "shop", "name": "web"}]
    assert [(each["kind"], each["matters"]) for each in found["skipped"]] == [("Cache", True)]


def test_commands_take_manifests_in_place_of_a_trace_and_say_what_they_leave_out(
    call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    code, out, _ = call("sim-arena episode -f deploy --agent noop --steps 1 --json")
    assert (code, json.loads(out)["scenario"]) == (0, "deploy")
    assert json.loads(out)["solved"]
    assert "manifests deploy: not in the replay: Cache shop/front: is a custom resource" in caplog.text


def test_manifests_come_from_standard_input_too(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(WEB.encode())))
    code, out, _ = call("sim-arena episode -f - --agent noop --steps 1 --json")
    assert (code, json.loads(out)["solved"]) == (0, True)


def test_suggest_answers_for_a_cluster_as_kubectl_prints_it(call: Call) -> None:
    dump = Path(__file__).parents[2] / "env" / "snapshot" / "popular" / "kubectl-get-all.yaml"
    code, out, _ = call(f"sim-arena suggest -f {dump} --json")
    assert code == 1
    assert [each["name"] for each in json.loads(out)["workloads"] if not each["is_ready"]] == ["import"]


def test_a_run_keeps_where_its_manifests_are_and_goes_on_from_there(call: Call, tmp_path: Path) -> None:
    code, _, _ = call("sim-arena train -f deploy --agent greedy --episodes 1 --steps 1 --to run")
    assert code == 0
    assert json.loads(Path("run/config.json").read_text())["filename"] == [str(tmp_path / "deploy")]
    assert call("sim-arena train --load run --episodes 2")[0] == 0


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("sim-arena train -f - --to run", "sim-arena trace make -f - --to web.sktrace"),
        ("sim-arena episode -f deploy --problem cpu", "--problem cpu: generates a trace, but -f deploy is given"),
        ("sim-arena episode -f deploy --trace x", "--trace x: cannot be had together with -f deploy"),
        ("sim-arena evaluate -f deploy --suite rooms", "--suite rooms: cannot be had together with -f deploy"),
        ("sim-arena episode -f deploy --env doctor", "--filename: is of --env cluster"),
        ("sim-arena trace make --to x", "-f: say which manifests"),
        ("sim-arena trace show deploy/web.yaml", "sim-arena trace make -f deploy/web.yaml --to web.sktrace"),
        ("sim-arena trace show trace.json", "is JSON; a SimKube trace is MessagePack"),
        ("sim-arena trace show web.json", "is JSON, and a trace is MessagePack; manifests go to -f"),
        ("sim-arena episode --trace deploy", "folder deploy: holds no .msgpack or .sktrace file; it holds manifests?"),
        ("dispatch submit --bucket b-1 -f deploy --agent dqn", "make one with: sim-arena trace make -f deploy"),
    ],
)
def test_what_does_not_go_together_is_told_with_the_command_that_takes_it(call: Call, line: str, reason: str) -> None:
    Path("trace.json").write_text(json.dumps({"version": 2, "config": {}, "events": []}))
    Path("web.json").write_text(json.dumps(next(yaml.safe_load_all(WEB))))
    code, out, err = call(line)
    assert (code, out) == (2, "")
    assert reason in err
    assert len(err.splitlines()) == 1


def test_trace_show_lists_workloads_of_all_kinds_and_what_no_driver_applies(call: Call) -> None:
    other = WEB.split("---")[0].replace("kind: Deployment", "kind: StatefulSet").replace("name: web, n", "name: db, n")
    Path("deploy/db.yaml").write_text(f"{other}---\n{{apiVersion: v1, kind: Namespace, metadata: {{name: shop}}}}\n")
    assert call("sim-arena trace make -f deploy --to all.sktrace")[0] == 0
    lines = [line.split() for line in call("sim-arena trace show all.sktrace")[1].splitlines()]
    assert ["unapplied", "Namespace", "shop"] in lines
    assert lines[-2:] == [["shop", "web", "3", "500m", "256Mi"], ["shop", "StatefulSet", "db", "3", "500m", "256Mi"]]
    shown = json.loads(call("sim-arena trace show all.sktrace --json")[1])
    assert [each["kind"] for each in shown["other_workloads"]] == ["StatefulSet"]
