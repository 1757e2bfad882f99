"""`suggest --usage FILE` with weeks of samples: with manifests, and with the file alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

POD = "web-6d4b9c7f5-x7k2p"
DOCS = Path(__file__).parents[3] / "docs"
START = 1_763_337_600  # Monday, 17 November 2025


@pytest.fixture(autouse=True)
def no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))


def samples(path: Path, days: int, pod: str = POD) -> str:
    """300Mi, and 400Mi each noon; 50m of CPU."""
    lines = ["time,namespace,pod,container,cpu,memory"]
    for hour in range(0, 24 * days, 2):
        lines.append(f"{START + hour * 3600},shop,{pod},web,50m,{400 if hour % 24 == 12 else 300}Mi")
    path.write_text("\n".join(lines))
    return str(path)


def manifest(path: Path, memory: str) -> str:
    container = {"name": "web", "image": "web", "resources": {"requests": {"cpu": "100m", "memory": memory}}}
    spec = {"containers": [container]}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": spec}
    metadata = {"name": "web", "namespace": "shop"}
    selector = {"matchLabels": {"app": "web"}}
    deployment = {"replicas": 1, "selector": selector, "template": template}
    path.write_text(
        json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": deployment})
    )
    return str(path)


def test_the_file_alone_gives_requests_and_a_backtest(cli: Any, tmp_path: Path) -> None:
    told = cli("suggest", "--usage", samples(tmp_path / "use.csv", 15))
    assert told.code == 0
    assert told.err.startswith("no cluster is read: kubeconfig")
    assert "use: file use.csv: 360 samples of 1 container: cpu, memory; 14.9 days to 2025-12-01 22:00 UTC" in told.out
    assert "days 1 to 7 are history; days 8 to 15 test, week by week" in told.out
    rows = [line.split() for line in told.out.splitlines()]
    (answer,) = [row for row in rows if row[:1] == ["shop/web"] and "backtest:" in row]
    (proposed,) = [row for row in rows if row[:1] == ["proposed:"]]
    assert answer[1:3] == ["58m", proposed[2]]
    assert proposed[3:6] == ["0", "of", "32"]
    assert [row[0] for row in rows if "of" in row and "32" in row][-2:] == ["VPA", "KRR"]
    assert told.out.endswith("and then there are patches\n")


def test_of_less_than_two_weeks_the_rule_speaks_and_says_so(cli: Any, tmp_path: Path) -> None:
    told = cli("suggest", "--usage", samples(tmp_path / "use.csv", 13))
    assert "memory of 1 container by its peak: 13 days of use; a backtest takes 14" in told.out
    assert "460Mi   its peak" in told.out
    assert "OOM windows" not in told.out


def test_json_has_what_the_table_has(cli: Any, tmp_path: Path) -> None:
    found = json.loads(cli("suggest", "--usage", samples(tmp_path / "use.csv", 15), "--json").out)
    (container,), (test,) = found["containers"], found["backtests"]
    assert (container["workload"], container["cpu_m"], test["history_windows"]) == ("web", 58, 28)
    by_name = {each["name"]: each for each in test["rules"]}
    assert container["memory_bytes"] == by_name[test["proposed"]["name"]]["request_bytes"]
    assert by_name["KRR"]["oom_rate"] == {"value": 0, "low": 0, "high": pytest.approx(0.107, abs=0.001)}


def test_the_price_of_a_window_above_is_said_and_can_be_another(cli: Any, tmp_path: Path) -> None:
    use = samples(tmp_path / "use.csv", 15)
    assert "kappa     12: a window above the request costs as much" in cli("suggest", "--usage", use).out
    (test,) = json.loads(cli("suggest", "--usage", use, "--kappa", "3", "--json").out)["backtests"]
    assert test["kappa"] == 3.0


def test_markdown_and_one_workload_of_a_file(cli: Any, tmp_path: Path) -> None:
    told = cli("suggest", "--usage", samples(tmp_path / "use.csv", 15), "--markdown", "--deploy", "web")
    assert told.code == 0
    assert "| memory | request | OOM windows | held | cost |\n|---|---|---|---|---|\n| shop/web, typically" in told.out
    told = cli("suggest", "--usage", samples(tmp_path / "use.csv", 15), "--deploy", "other")
    assert (told.code, "tells the use of no workload that is meant; nothing to do" in told.err) == (3, True)


def test_a_picture_is_drawn_where_there_is_something_to_draw(cli: Any, tmp_path: Path) -> None:
    deploy, picture = manifest(tmp_path / "web.json", "2Gi"), tmp_path / "weeks.png"
    use = samples(tmp_path / "use.csv", 15)
    told = cli("suggest", "-f", deploy, "--usage", use, "--picture", str(picture))
    assert (told.code, f"wrote {picture}: 1 container\n" in told.err) == (0, True)
    assert picture.read_bytes().startswith(b"\x89PNG")
    told = cli("suggest", "--usage", samples(tmp_path / "use.csv", 3), "--picture", str(picture))
    assert (told.code, "not written, as of no container two weeks of use are known" in told.err) == (0, True)


def test_patches_need_to_know_what_is_requested_now(cli: Any, tmp_path: Path) -> None:
    told = cli("suggest", "--usage", samples(tmp_path / "use.csv", 15), "--patch-dir", "patches")
    assert (told.code, "--patch-dir, --fail-on: what they request now is not known" in told.err) == (2, True)


def test_a_cluster_that_was_asked_for_and_is_not_there_is_an_error(cli: Any, tmp_path: Path) -> None:
    told = cli("suggest", "--usage", samples(tmp_path / "use.csv", 15), "--context", "prod")
    assert (told.code, told.out) == (2, "")


def test_a_file_that_cannot_be_read_is_named(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "use.csv").write_text("time,pod,cpu\nnever,web-0,1\n")
    told = cli("suggest", "--usage", str(tmp_path / "use.csv"))
    assert (told.code, "usage file use.csv, line 2: time 'never'" in told.err) == (2, True)


@pytest.mark.parametrize(("memory", "why"), [("2Gi", "has 2048Mi"), ("100Mi", "has 100Mi")])
def test_with_manifests_the_backtests_request_is_the_patch(cli: Any, tmp_path: Path, memory: str, why: str) -> None:
    deploy = manifest(tmp_path / "web.json", memory)
    found = json.loads(cli("suggest", "-f", deploy, "--usage", samples(tmp_path / "use.csv", 15), "--json").out)
    (row,), (test,) = found["workloads"], found["backtests"]
    asked = f"{test['proposed']['request_bytes'] // 2**20}Mi"
    assert f"memory by weeks of use needs {asked}, {why}" in row["sizes"]
    assert row["patch"]["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["memory"] == asked
    assert row["after"]["ready"] == 1


def test_what_was_measured_is_replayed_instead_of_an_annotation(cli: Any, tmp_path: Path) -> None:
    deploy = Path(manifest(tmp_path / "web.json", "2Gi"))
    written = json.loads(deploy.read_text())
    written["spec"]["template"]["metadata"]["annotations"] = {"sim-arena.io/demand": '{"web": {"cpu": "90m"}}'}
    deploy.write_text(json.dumps(written))
    told = cli("suggest", "-f", str(deploy), "--usage", samples(tmp_path / "use.csv", 3))
    assert "cpu 100m -> 58m" in told.out


def test_a_request_near_what_the_backtest_says_stays(cli: Any, tmp_path: Path) -> None:
    use = samples(tmp_path / "use.csv", 15)
    found = json.loads(cli("suggest", "--usage", use, "--json").out)
    asked = found["containers"][0]["memory_bytes"] * 1.05
    told = json.loads(
        cli("suggest", "-f", manifest(tmp_path / "web.json", str(int(asked))), "--usage", use, "--json").out
    )
    assert not any("memory" in each for each in told["workloads"][0]["sizes"])


def test_the_sample_of_the_docs_has_all_rules_with_the_trained_agent_first(cli: Any) -> None:
    sample = DOCS / "samples" / "shop-use.csv"
    tests = json.loads(cli("suggest", "--usage", str(sample), "--json").out)["backtests"]
    assert [each["workload"] for each in tests] == ["checkout", "recommendations"]
    assert [rule["name"] for rule in tests[0]["rules"]] == ["learned", "seasonal", "VPA", "KRR"]


def test_the_page_shows_what_is_printed_of_the_sample(cli: Any) -> None:
    page = (DOCS / "usage.md").read_text()
    printed = cli("suggest", "--usage", str(DOCS / "samples" / "shop-use.csv")).out
    table = printed[printed.index("container ") : printed.index("what they request now")]
    assert [line for line in table.splitlines() if line.rstrip() not in page] == []
