"""`sim-arena plan`: what may be had, what it costs, what is printed, and exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from large import drawn

from env.errors import ConfigError
from env.plan.prices import read_prices, shipped_prices
from env.plan.spare import placeholder
from env.problems.node_text import parse_nodes, parse_taints
from env.problems.nodes import NodePools
from env.snapshot import read_manifests, trace_of
from env.usage.usage_file import read_usage_file
from infra.commands import app
from runner.commands.console import run
from runner.plan.question import Allowed, offers_for, parted
from runner.plan.requests import enough

Ran = tuple[int, str, str]


def manifest(name: str, cpu: str, replicas: int, memory: str = "64Mi", **pod: Any) -> dict[str, Any]:
    labels = {"app": name}
    containers = [{"name": "main", "image": name, "resources": {"requests": {"cpu": cpu, "memory": memory}}}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers, **pod}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": spec,
    }


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs the command on manifests; exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*manifests: dict[str, Any], options: str) -> Ran:
        (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(manifests))
        monkeypatch.setattr(sys, "argv", ["sim-arena", "plan", "-f", "all.yaml", *options.split()])
        with pytest.raises(SystemExit) as left:
            run(app)
        captured = capsys.readouterr()
        return int(left.value.code or 0), captured.out, captured.err

    return call


def test_a_plan_that_saves_nodes_is_exit_code_0_and_its_json_has_pools_bound_and_move(
    planned: Callable[..., Ran],
) -> None:
    code, out, _ = planned(manifest("web", "1", 6), options="--nodes 5x4:8Gi --json")
    found = json.loads(out)
    assert code == 0
    assert (found["nodes_now"], found["nodes_plan"], found["bound"]) == (5, 2, 2)
    assert found["pools"] == [
        {"name": "4 CPU, 8Gi", "size": "4 CPU, 8Gi, 110 pods", "now": 5, "plan": 2, "zones": {}, "usd_per_hour": None}
    ]
    assert found["move"]["is_done"]
    assert len(found["move"]["drained"]) == 3
    assert [each["name"] for each in found["autoscalers"]] == ["Cluster Autoscaler", "Karpenter"]


def test_nothing_to_save_is_exit_code_3(planned: Callable[..., Ran]) -> None:
    code, _, said = planned(manifest("web", "1", 6), options="--nodes 2x4:8Gi")
    assert code == 3
    assert "nothing to save" in said


def test_a_pod_larger_than_any_type_is_named_with_exit_code_1(planned: Callable[..., Ran]) -> None:
    code, _, said = planned(manifest("web", "1", 6), manifest("huge", "9", 1), options="--nodes 5x4:8Gi")
    assert code == 1
    assert "Deployment shop/huge: a pod asks for 9 CPU" in said


def test_more_nodes_than_there_are_is_a_plan_where_those_do_not_suffice(planned: Callable[..., Ran]) -> None:
    code, out, _ = planned(manifest("web", "1", 12), options="--nodes 2x4:8Gi")
    assert code == 0
    assert "3 nodes instead of 2" in out
    assert "1 workload not Ready for room: Deployment shop/web" in out


def test_a_blocked_move_is_exit_code_1_and_says_by_what(planned: Callable[..., Ran]) -> None:
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "maxUnavailable": 0},
    }
    code, out, _ = planned(manifest("web", "1", 6), budget, options="--nodes 5x4:8Gi")
    assert code == 1
    assert "PodDisruptionBudget shop/web allows no eviction" in out


def test_what_a_placeholder_would_save_is_said_with_its_manifests(planned: Callable[..., Ran]) -> None:
    code, out, _ = planned(*map(drawn, range(100)), options="--nodes 30x8:32Gi --survive node --json")
    found = json.loads(out)
    assert code == 0
    assert found["with a spare"].startswith("18 nodes, if a placeholder keeps one free: this is the least")
    assert (found["nodes_plan"], found["spare"]["nodes"][0]["count"]) == (22, 18)
    assert [each["kind"] for each in found["spare"]["manifests"]] == ["PriorityClass", "Deployment"]


def test_markdown_has_no_markup_of_others(planned: Callable[..., Ran]) -> None:
    _, out, _ = planned(manifest("web", "1", 6), options="--nodes 5x4:8Gi --markdown")
    assert out.startswith("### 2 nodes instead of 5")
    assert "| 4 CPU, 8Gi |" in out


def test_dollars_decide_where_all_types_have_prices(planned: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text("type,usd_per_hour,cpu,memory\nsmall,1,4,8Gi\nlarge,1.5,8,16Gi\n")
    code, out, _ = planned(manifest("web", "1", 16), options="--prices prices.csv --json")
    found = json.loads(out)
    assert code == 0
    assert {each["name"]: each["plan"] for each in found["pools"]} == {"large": 2}
    assert found["usd_per_hour_plan"] == found["bound"] == 3
    assert found["prices"] == "prices.csv"


def test_use_lowers_requests_and_patches_are_printed(planned: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "use.csv").write_text("namespace,workload,container,cpu,memory\nshop,web,main,100m,20Mi\n")
    code, out, _ = planned(manifest("web", "1", 6), options="--nodes 5x4:8Gi --usage use.csv")
    assert code == 0
    assert "1 node instead of 5" in out
    assert "kubectl patch deployment web -n shop" in out


def test_requests_that_are_enough_replace_others_and_replicas_stay(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(yaml.safe_dump(manifest("web", "1", 6)))
    (tmp_path / "use.csv").write_text("namespace,workload,container,cpu,memory\nshop,web,main,100m,20Mi\n")
    trace = trace_of(read_manifests([str(tmp_path / "web.yaml")]))
    found = enough(trace, read_usage_file(tmp_path / "use.csv"))
    (patch,) = found.patches
    assert "replicas" not in patch.body["spec"]
    (applied,) = found.trace.events[0]["applied_objs"]
    assert applied["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "115m"


def test_the_request_of_a_placeholder_stays_though_it_uses_nothing(tmp_path: Path) -> None:
    _, made = placeholder(np.array([4_000, 2**33, 110]))
    (tmp_path / "spare.yaml").write_text(yaml.safe_dump(made))
    (tmp_path / "use.csv").write_text("namespace,workload,container,cpu,memory\ndefault,spare-node,pause,1m,1Mi\n")
    trace = trace_of(read_manifests([str(tmp_path / "spare.yaml")]))
    assert not enough(trace, read_usage_file(tmp_path / "use.csv")).patches


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("type\nm6i.large\n", "row 1: needs a type and usd_per_hour"),
        ("type,usd_per_hour\nm6i.large,0\n", "row 1: usd_per_hour 0: must be more than 0"),
        ("type,usd_per_hour\nm6i.large,nan\n", "row 1: usd_per_hour nan"),
        ("type,usd_per_hour\nm6i.large,1\nm6i.large,2\n", "row 2: m6i.large is there twice"),
        ("type,usd_per_hour\nm6i.huge,1\n", "row 1: instance type 'm6i.huge' is unknown"),
        ("type,usd_per_hour,cpu\nbig,1,4\n", "row 1: big: has one of cpu and memory"),
        ("type,usd_per_hour,gpu\nm6i.large,1,4\n", "row 1: 'gpu' is no column"),
        ('{"type": "m6i.large"}', "JSON must be a list"),
        ('[{"type": "m6i.large", "usd_per_hour": [1]}]', "row 1"),
        ("", "0 rows"),
        ("type,usd_per_hour\n" + "m6i.large,1\n" * 3_000, "more than 2,000 rows"),
    ],
)
def test_a_wrong_price_list_is_refused_with_the_row(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "prices").write_text(text)
    with pytest.raises(ConfigError, match="prices") as refused:
        read_prices(tmp_path / "prices")
    assert why in str(refused.value)


def test_the_shipped_list_has_a_size_and_a_price_for_every_type() -> None:
    prices = shipped_prices()
    assert len(prices.types) > 100
    assert prices.usd_per_hour["m6i.xlarge"] == 0.192
    assert prices.types["m6i.xlarge"] == parse_nodes("1xm6i.xlarge").pools[0]


def offers(nodes: NodePools | None, *types: str, zones: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    return [(each.name, each.zone) for each in offers_for(nodes, Allowed(types, zones, shipped_prices()))]


def test_without_types_a_plan_uses_the_kinds_that_there_are() -> None:
    nodes = parse_nodes("3xm6i.large,2x16:32Gi").marked({"pool": "web"}, [])
    assert offers(nodes) == [("m6i.large", ""), ("16 CPU, 32Gi", "")]
    assert offers(nodes, zones=("a", "b"))[:2] == [("m6i.large", "a"), ("m6i.large", "b")]


def test_new_types_get_the_labels_and_zones_that_nodes_have() -> None:
    nodes = parse_nodes("3xm6i.large").marked({"pool": "web", "topology.kubernetes.io/zone": "z"}, [])
    (offer,) = offers_for(nodes, Allowed(("r6i.large",), (), shipped_prices()))
    assert dict(offer.node.labels)["pool"] == "web"
    assert offer.zone == "z"
    assert offer.usd_per_hour == 0.126


def test_nodes_of_the_control_plane_are_no_part_of_a_plan() -> None:
    tainted = parse_nodes("1x4:8Gi").marked({}, parse_taints(["node-role.kubernetes.io/control-plane:NoSchedule"]))
    every = NodePools((*parse_nodes("3xm6i.large").pools, *tainted.pools))
    assert parted(every) == (parse_nodes("3xm6i.large"), tainted)


def test_any_leaves_out_burstable_types_and_those_of_other_architectures() -> None:
    names = {name for name, _ in offers(None, "any")}
    assert "c6a.xlarge" in names
    assert not [name for name in names if name.startswith("t3.")]


def test_nothing_that_says_what_may_be_had_is_wrong_usage() -> None:
    with pytest.raises(ConfigError, match="which nodes"):
        offers(None)
