"""`sim-arena rl diagnose` as a user meets it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_api import FakeApi
from live_objects import Ward, crashing, running, waiting

from agents.ppo.agent import PPO
from agents.spaces import doctor as doctor_spaces

Cli = Callable[..., Any]


def test_a_healthy_cluster_is_told_so_with_exit_code_0(ward: Ward, cli: Cli) -> None:
    ward.deployment("web", running())
    ward.measure({"node-1": ("1", "1Gi")}, {"web-5d4f8c7b9-00000": ("50m", "1Mi")})
    done = cli("rl", "diagnose")
    assert done.code == 0
    first, last = done.out.splitlines()
    assert re.fullmatch(r"context fake \(http://127\.0\.0\.1:\d+\), all namespaces, read only", first)
    assert last == "nothing is wrong"


def test_what_is_wrong_comes_with_evidence_and_commands_and_exit_code_1(ward: Ward, cli: Cli) -> None:
    ward.node("node-2", cordoned=True)
    ward.deployment("web", crashing(), crashing())
    done = cli("rl", "diagnose")
    assert done.code == 1
    _, _, report = done.out.partition("wrong: 3 findings\n")
    assert report == (
        "node-cordoned: Node node-2: Ready, but cordoned: no pods are placed on it\n"
        "    kubectl describe node node-2\n"
        "    kubectl uncordon node-2\n"
        "crash-loop: Pod default/web-5d4f8c7b9-00000 (and 1 more of web): CrashLoopBackOff: Error, exit code 1, "
        "restarted 4 times\n"
        "    kubectl describe pod web-5d4f8c7b9-00000 -n default\n"
        "    kubectl logs web-5d4f8c7b9-00000 -n default -c c --previous\n"
        "    kubectl delete pod web-5d4f8c7b9-00000 -n default\n"
    )


def test_the_document_holds_all_of_it_and_nothing_else_is_on_stdout(fake: FakeApi, ward: Ward, cli: Cli) -> None:
    ward.node("node-2", cordoned=True)
    done = cli("rl", "diagnose", "--json", "--namespace", "default")
    found = json.loads(done.out)
    assert (done.code, found["verdict"], found["mode"], found["namespaces"]) == (1, "wrong", "read only", ["default"])
    assert (found["context"], found["server"], found["doctor"]) == ("fake", fake.url, "by hand")
    assert found["features"]["nodes_ready"] == 0.5
    assert found["features"]["cpu_usage_percent"] is None
    assert [(each["what"], each["name"], each["commands"][-1]) for each in found["wrong"]] == [
        ("node-cordoned", "node-2", "kubectl uncordon node-2")
    ]
    assert {step["action"] for step in found["steps"]} >= {"get-nodes", "check-logs", "uncordon-node", "wait"}
    assert "namespace default, read only" in done.err


def test_commands_name_the_context_that_was_named(ward: Ward, cli: Cli) -> None:
    ward.node("node-2", cordoned=True)
    assert "    kubectl --context fake uncordon node-2\n" in cli("rl", "diagnose", "--kube-context", "fake").out


@pytest.mark.parametrize("status", [403, 500])
def test_a_kind_that_cannot_be_read_is_an_error_and_no_report(fake: FakeApi, ward: Ward, cli: Cli, status: int) -> None:
    fake.fail(status, path=r"/deployments\?", times=99)
    done = cli("rl", "diagnose")
    assert (done.code, len(done.out.splitlines())) == (1, 1)
    assert f"/deployments: {status}" in done.err


def test_what_only_an_action_reads_and_is_refused_makes_no_healthy_cluster(fake: FakeApi, ward: Ward, cli: Cli) -> None:
    fake.fail(403, path="resourcequotas", times=99)
    done = cli("rl", "diagnose")
    assert done.code == 1
    assert "not read: quotas: GET /api/v1/resourcequotas: 403 Forbidden" in done.out
    assert done.out.endswith("nothing wrong was found, but not all could be read\n")
    assert json.loads(cli("rl", "diagnose", "--json").out)["verdict"] == "not all read"


def test_no_kubeconfig_is_wrong_usage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cli: Cli) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    done = cli("rl", "diagnose")
    assert (done.code, "kubeconfig" in done.err) == (2, True)


def test_no_server_is_an_error(fake: FakeApi, tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(path.read_text().replace(fake.url, "http://127.0.0.1:9"))
    done = cli("rl", "diagnose")
    assert (done.code, "no answer from http://127.0.0.1:9" in done.err) == (1, True)


def test_a_namespace_that_does_not_exist_is_wrong_usage(ward: Ward, cli: Cli) -> None:
    assert cli("rl", "diagnose", "--namespace", "nowhere").code == 2


def test_writing_needs_a_terminal_or_yes_before_anything_is_read(fake: FakeApi, ward: Ward, cli: Cli) -> None:
    done = cli("rl", "diagnose", "--allow-writes", "uncordon-node")
    assert (done.code, fake.requests) == (2, [])
    assert "no terminal to ask at" in done.err
    assert "--yes" in done.err


def test_with_yes_it_writes_what_is_named_and_nothing_else(
    fake: FakeApi, ward: Ward, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("env.live.cluster.SETTLES_S", 0.0)
    ward.node("node-2", cordoned=True)
    ward.pod("alone", crashing())
    ward.deployment("web", crashing())
    done = cli("rl", "diagnose", "--allow-writes", "UNCORDON_NODE", "--yes", "-s", "7")
    assert "may write: uncordon-node" in done.out.splitlines()[0]
    assert "   done: uncordon node node-2" in done.out.splitlines()
    assert not (fake.get("nodes", "node-2") or {})["spec"].get("unschedulable")
    assert [method for method, _ in fake.requests if method != "GET"] == ["PATCH", "PATCH"]


def test_a_dry_run_shows_what_would_be_done_and_writes_nothing(fake: FakeApi, ward: Ward, cli: Cli) -> None:
    ward.node("node-2", cordoned=True)
    done = cli("rl", "diagnose", "--allow-writes", "uncordon-node,drain-node", "--dry-run")
    assert "dry run of drain-node, uncordon-node" in done.out.splitlines()[0]
    assert "   would be done: uncordon node node-2" in done.out.splitlines()
    assert (fake.get("nodes", "node-2") or {})["spec"]["unschedulable"]


@pytest.mark.parametrize("where", [[], ["--simulation"]])
def test_an_action_that_does_not_write_cannot_be_allowed_to(ward: Ward, cli: Cli, where: list[str]) -> None:
    done = cli("rl", "diagnose", *where, "--allow-writes", "uncordon")
    assert (done.code, "did you mean 'uncordon-node'?" in done.err) == (2, True)


def test_a_model_acts_by_its_path_or_name(ward: Ward, cli: Cli, home: Path) -> None:
    ward.node("node-2", cordoned=True)
    models = home / ".sim-arena" / "models"
    models.mkdir(parents=True)
    PPO(seed=0, spaces=doctor_spaces()).save(models / "first.pt")
    for name in ("first", "first.pt", str(models / "first.pt")):
        done = cli("rl", "diagnose", "-m", name, "-s", "3", "--json")
        assert (done.code, json.loads(done.out)["doctor"]) == (1, str(models / "first.pt"))
    done = cli("rl", "diagnose", "-m", "frist")
    assert (done.code, "did you mean 'first.pt'?" in done.err) == (2, True)


def test_the_report_does_not_depend_on_what_a_model_looked_at(ward: Ward, cli: Cli, home: Path) -> None:
    ward.node("node-2", cordoned=True)
    ward.deployment("web", crashing())
    PPO(seed=3, spaces=doctor_spaces()).save(home / "untrained.pt")
    one = json.loads(cli("rl", "diagnose", "-m", "untrained.pt", "-s", "1", "--json").out)
    assert [each["what"] for each in one["wrong"]] == ["node-cordoned", "crash-loop"]


def test_a_model_of_another_environment_is_refused(ward: Ward, cli: Cli, home: Path) -> None:
    PPO(seed=0).save(home / "other.pt")
    done = cli("rl", "diagnose", "-m", "other.pt")
    assert (done.code, "SimArena/Cluster-v0" in done.err) == (2, True)


def test_the_configuration_names_the_model(ward: Ward, cli: Cli, home: Path) -> None:
    (home / ".sim-arena").mkdir()
    PPO(seed=0, spaces=doctor_spaces()).save(home / "mine.pt")
    config = {"pufferlib": {"modelPath": str(home / "mine.pt")}}
    (home / ".sim-arena" / "config.json").write_text(json.dumps(config))
    assert json.loads(cli("rl", "diagnose", "--json").out)["doctor"] == str(home / "mine.pt")


def test_a_simulated_cluster_needs_no_kubeconfig(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "none")
    done = cli("rl", "diagnose", "--simulation", "--seed", "1", "-s", "5", "--json")
    found = json.loads(done.out)
    assert (found["mode"], done.code) == ("simulation", 0 if found["solved"] else 1)
    assert 1 <= len(found["steps"]) <= 5


def test_hostile_names_reach_neither_the_terminal_nor_a_command(fake: FakeApi, ward: Ward, cli: Cli) -> None:
    name = "x;rm -rf $(HOME)\x1b[2J"
    ward.pod(name, waiting("CrashLoopBackOff", "\x1b]0;evil\x07", reason="Error", exitCode=1))
    done = cli("rl", "diagnose")
    assert done.code == 1
    assert all(line.isprintable() for line in done.out.splitlines())
    commands = [line.strip() for line in done.out.splitlines() if line.strip().startswith("kubectl")]
    assert [each for each in commands if "rm" in shlex.split(each)] == []
