"""`suggest` on a source of many workloads: who fails, what is proposed, and whether all of it fits together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents.kinds import make_agent
from env.embedded.cluster import EmbeddedCluster
from env.problems.nodes import NodePool, NodePools
from env.snapshot.now import WorkloadNow
from env.snapshot.pods import Key
from env.trace.document import Manifest, Trace
from runner.suggest.answer import Question, answer
from runner.suggest.rows import Answer

GIB = 2**30
NODES = NodePools((NodePool(2, 4_000, 8 * GIB, 110),))


def workload(name: str, cpu: str, replicas: int = 2, kind: str = "Deployment", **pod: Any) -> Manifest:
    labels = {"app": name}
    containers = [{"name": "main", "image": name, "resources": {"requests": {"cpu": cpu, "memory": "64Mi"}}}]
    annotations = pod.pop("annotations", {})
    template = {"metadata": {"labels": labels, "annotations": annotations}, "spec": {"containers": containers, **pod}}
    spec: Manifest = {"selector": {"matchLabels": labels}, "template": template}
    if kind != "DaemonSet":
        spec["replicas"] = replicas
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}


SHOP = (workload("web", "5", 1), workload("cart", "6", 1), workload("ads", "100m"))


def trace_of(*manifests: Manifest) -> Trace:
    kinds = {f"apps/v1.{each['kind']}": {"podSpecTemplatePaths": ["/spec/template"]} for each in manifests}
    document = {
        "version": 2,
        "config": {"trackedObjects": kinds},
        "events": [{"ts": 0, "applied_objs": list(manifests), "deleted_objs": []}],
        "index": {},
        "pod_lifecycles": {},
    }
    return Trace(document, "shop")


def answered(*manifests: Manifest, lower: bool = False) -> Answer:
    question = Question(trace_of(*manifests), NODES, lower=lower)
    return answer(question, make_agent("heuristic", seed=0), 100)


def proposed(found: Answer) -> dict[str, tuple[str, ...]]:
    return {row.before.name: row.changes for row in found.proposals}


def test_each_workload_that_fails_gets_a_proposal_beside_the_others() -> None:
    found = answered(*SHOP)
    assert proposed(found) == {"cart": ("cpu 6 -> 4",), "web": ("cpu 5 -> 3500m",)}
    assert (len(found.failing), found.staying) == (2, ())
    assert [row.before.name for row in found.rows] == ["cart", "web", "ads"]


def test_those_that_fit_alone_and_not_together_share_what_there_is() -> None:
    web, cart = workload("web", "5"), workload("cart", "6")
    assert proposed(answered(web, workload("ads", "100m"))) == {"web": ("cpu 5 -> 3500m",)}
    assert proposed(answered(cart, workload("ads", "100m"))) == {"cart": ("cpu 6 -> 3500m",)}
    found = answered(web, cart, workload("ads", "100m"))
    assert proposed(found) == {"cart": ("cpu 6 -> 1500m",), "web": ("cpu 5 -> 1500m",)}
    assert found.staying == ()


def test_where_nothing_fits_together_that_is_the_verdict() -> None:
    every = [workload(f"web-{number}", "5", replicas=60) for number in range(4)]
    found = answered(*every)
    assert len(found.failing) == 4
    assert found.staying
    assert all(row.note for row in found.staying)


def test_in_a_large_cluster_proposals_are_made_for_the_worst_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.suggest.proposals._PODS_REPLAYED", 0)
    found = answered(*(workload(f"web-{number:02}", "5", replicas=1) for number in range(5)))
    notes = {row.before.name: row.note for row in found.staying}
    assert notes["web-04"] == "not tried: proposals are made for the worst 3 of 5; see --workload"
    assert [name for name, note in notes.items() if note.startswith("not tried")] == ["web-03", "web-04"]


def test_the_verdict_is_that_of_a_replay_of_all_patches() -> None:
    found = answered(*SHOP)
    manifests = [workload("web", "3500m", 1), workload("cart", "4", 1), workload("ads", "100m")]
    states = EmbeddedCluster().survey(trace_of(*manifests), NODES, None)
    assert sorted(states, key=lambda each: each.name) == sorted(
        (row.after for row in found.rows), key=lambda each: each.name
    )


def test_what_a_proposal_saves_is_counted_over_all_pods() -> None:
    (row,) = answered(workload("web", "5"), workload("ads", "100m")).proposals
    assert (row.cpu_m, row.memory_bytes) == (2 * (4_000 - 5_000 - 500), 0)


def test_pods_that_run_are_not_lowered_while_their_use_is_not_known() -> None:
    web = workload("web", "3", replicas=3)
    kept = answered(web, workload("ads", "100m"))
    assert kept.proposals == ()
    assert kept.rows[0].note.startswith("cpu 3 -> 2 would do, but pods run and their use is not known")
    assert proposed(answered(web, workload("ads", "100m"), lower=True)) == {"web": ("cpu 3 -> 2",)}
    known = workload("web", "3", replicas=3, annotations={"sim-arena.io/demand": '{"main": {"cpu": "1"}}'})
    assert proposed(answered(known, workload("ads", "100m"))) == {"web": ("cpu 3 -> 1150m",)}


def test_what_would_do_names_the_container_where_there_are_several() -> None:
    sidecar = {"name": "envoy", "image": "x", "restartPolicy": "Always", "resources": {"requests": {"cpu": "3"}}}
    found = answered(workload("web", "100m", replicas=3, initContainers=[sidecar]), workload("ads", "100m"))
    assert found.rows[0].note.startswith("envoy: cpu 3 -> ")


def test_what_no_action_mends_is_said_of_its_row_and_the_others_are_mended() -> None:
    found = answered(workload("win", "1", nodeSelector={"kubernetes.io/os": "windows"}), workload("web", "5"))
    assert proposed(found) == {"web": ("cpu 5 -> 4",)}
    (row,) = found.staying
    assert row.before.name == "win"
    assert row.note == "2 of 2 nodes without label kubernetes.io/os=windows (node selector)"


def test_what_runs_in_the_cluster_is_left_alone_where_the_replay_finds_no_room_for_it() -> None:
    now = {("Deployment", "shop", "web"): WorkloadNow(Key("Deployment", "shop", "web"), wanted=2, ready=2, updated=2)}
    question = Question(trace_of(workload("web", "5"), workload("ads", "100m")), NODES, now=now)
    found = answer(question, make_agent("heuristic", seed=0), 100)
    web = next(row for row in found.rows if row.before.name == "web")
    assert (web.before.lacking, web.is_ready, web.disagrees, web.patch) == (2, True, True, None)
    assert web.note.startswith("Ready in the cluster")
    assert (found.failing, found.staying, found.proposals) == ((), (), ())


def test_no_proposal_takes_pods_that_run_from_a_workload_that_is_not_whole_either() -> None:
    found = answered(workload("late", "5", 1), workload("web", "3", 3))
    late, web = (next(row for row in found.rows if row.before.name == name) for name in ("late", "web"))
    assert (web.before.ready, web.after.ready) == (2, 2)
    assert (late.patch, late.note) == (None, "would take shop/web pods that run")


def test_every_kind_of_workload_is_looked_at() -> None:
    found = answered(workload("agent", "5", kind="DaemonSet"), workload("db", "5", kind="StatefulSet"))
    assert {str(row.before.workload): row.before.lacking for row in found.rows} == {
        "DaemonSet shop/agent": 2,
        "StatefulSet shop/db": 2,
    }


@pytest.fixture
def shop(tmp_path: Path) -> str:
    (tmp_path / "shop.sktrace").write_bytes(trace_of(*SHOP).to_bytes())
    return "shop.sktrace"


def test_the_table_is_worst_first_with_a_command_for_each(cli: Any, shop: str) -> None:
    told = cli("suggest", "--trace", shop, "--nodes", "2x4:8Gi")
    assert told.code == 0
    assert "not ready  2 of 3 workloads" in told.out
    rows = [line.split()[0] for line in told.out.splitlines() if line.startswith("shop/")]
    assert rows == ["shop/cart", "shop/web"]
    assert "with all proposals together all workloads are Ready; cores -3.5, GiB 0" in told.out
    assert told.out.count("kubectl patch deployment") == 2


def test_json_has_every_workload_with_its_patch(cli: Any, shop: str) -> None:
    document = json.loads(cli("suggest", "--trace", shop, "--nodes", "2x4:8Gi", "--json").out)
    assert (document["not_ready"], document["not_ready_with_proposals"], document["proposals"]) == (2, 0, 2)
    cart, web, ads = document["workloads"]
    assert (cart["name"], cart["before"]["ready"], cart["after"]["ready"]) == ("cart", 0, 1)
    assert cart["patch"]["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "4"}
    assert (web["cpu_m"], ads["patch"]) == (-1_500, None)


def test_only_workloads_of_a_namespace_get_proposals_and_rows(cli: Any, tmp_path: Path) -> None:
    other = workload("web", "6", 1)
    other["metadata"]["namespace"] = "other"
    (tmp_path / "shop.sktrace").write_bytes(trace_of(*SHOP, other).to_bytes())
    document = json.loads(cli("suggest", "--trace", "shop.sktrace", "-n", "other", "--json").out)
    assert [(each["namespace"], each["name"]) for each in document["workloads"]] == [("other", "web")]
    told = cli("suggest", "--trace", "shop.sktrace", "-n", "absent")
    assert (told.code, "no workloads in namespace absent" in told.err) == (2, True)


def test_one_of_many_is_shown_in_detail_where_it_is_named(cli: Any, shop: str) -> None:
    told = cli("suggest", "--trace", shop, "--nodes", "2x4:8Gi", "--deploy", "web")
    assert told.code == 0
    assert "actions   2 x reduce_cpu_small" in told.out


def test_a_workload_of_another_kind_is_shown_in_detail_where_it_is_named(cli: Any, tmp_path: Path) -> None:
    manifests = [workload("db", "5", kind="StatefulSet"), workload("ads", "100m")]
    (tmp_path / "shop.sktrace").write_bytes(trace_of(*manifests).to_bytes())
    told = cli("suggest", "--trace", "shop.sktrace", "--nodes", "2x4:8Gi", "--workload", "StatefulSet/shop/db")
    assert told.code == 0
    assert "workload  StatefulSet shop/db" in told.out
    assert "kubectl patch statefulset db -n shop" in told.out


def test_exit_codes_say_whether_something_stays_not_ready(cli: Any, tmp_path: Path) -> None:
    win = workload("win", "1", nodeSelector={"kubernetes.io/os": "windows"})
    for name, manifests, code in (
        ("stays", (win, workload("web", "1")), 1),
        ("well", (workload("web", "1"), workload("ads", "1")), 3),
    ):
        (tmp_path / f"{name}.sktrace").write_bytes(trace_of(*manifests).to_bytes())
        told = cli("suggest", "--trace", f"{name}.sktrace")
        assert told.code == code
        assert ("win" if code == 1 else "nothing is wrong") in told.err


@pytest.mark.parametrize("option", [("--target", "3"), ("--to", "patch.json"), ("--cluster", "simkube")])
def test_options_of_one_workload_need_its_name(cli: Any, shop: str, option: tuple[str, str]) -> None:
    told = cli("suggest", "--trace", shop, *option)
    assert (told.code, option[0] in told.err, "--workload" in told.err) == (2, True, True)
