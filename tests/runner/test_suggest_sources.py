"""`suggest` on manifests, on a cluster and with usage: what is read, what is said of it, and what is written."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_api import FakeApi
from town import Town, oom_killed, running

from env.trace.document import Manifest

KUBECTL = next(
    (str(path) for path in Path.home().glob(".cache/sim-arena/control-plane-*/bin/kubectl")), shutil.which("kubectl")
)


def workload(name: str, cpu: str, memory: str = "64Mi", kind: str = "Deployment", namespace: str = "shop") -> Manifest:
    labels = {"app": name}
    env = [{"name": "PASSWORD", "value": "hunter2"}, {"name": "SIZE", "value": "1e3"}]
    requests = {"cpu": cpu, "memory": memory}
    containers = [{"name": "main", "image": name, "env": env, "resources": {"requests": requests}}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}


def write(folder: Path, *manifests: Manifest) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "all.yaml").write_text("\n---\n".join(map(json.dumps, manifests)))
    return str(folder)


@pytest.fixture
def shop(tmp_path: Path) -> str:
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
    return write(tmp_path / "deploy", workload("web", "20"), workload("db", "1", "40Gi", "StatefulSet"), widget)


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    """A cluster of two nodes of 4 CPU that the kubeconfig leads to."""
    with FakeApi() as api:
        monkeypatch.setenv("KUBECONFIG", str(api.write_kubeconfig(tmp_path / "kubeconfig")))
        yield Town(api)


def by_name(document: Any) -> dict[str, Any]:
    return {each["name"]: each for each in document["workloads"]}


# --- manifests ------------------------------------------------------------------------------------------------------


def test_manifests_of_every_kind_get_proposals_and_what_is_no_part_of_it_is_named(cli: Any, shop: str) -> None:
    told = cli("suggest", "-f", shop)
    assert told.code == 0
    assert "nodes      3 x 16 CPU, 32Gi, 110 pods; assumed, give yours with --nodes" in told.out
    assert "left out: Widget" in told.out
    assert "kubectl patch statefulset db -n shop" in told.out
    assert "these lower requests whose use is not known" in told.out


def test_a_folder_of_patches_makes_of_the_manifests_what_was_replayed(cli: Any, shop: str, tmp_path: Path) -> None:
    told = cli("suggest", "-f", shop, "--patch-dir", "patches")
    assert "to apply it: kubectl apply -k patches\n" in told.err
    kustomization = yaml.safe_load((tmp_path / "patches" / "kustomization.yaml").read_text())
    assert sorted(kustomization["resources"]) == ["given/deployment-shop-web.json", "given/statefulset-shop-db.json"]
    given = json.loads((tmp_path / "patches" / "given" / "deployment-shop-web.json").read_text())
    assert given == workload("web", "20")
    if KUBECTL is None:
        pytest.skip("kubectl is not installed")
    built = subprocess.run([KUBECTL, "kustomize", "patches"], cwd=tmp_path, capture_output=True, check=True).stdout
    made = {each["metadata"]["name"]: each for each in yaml.safe_load_all(built)}
    assert made == {"web": workload("web", "16"), "db": workload("db", "1", "16Gi", "StatefulSet")}


def test_a_manifest_without_a_namespace_is_patched_as_it_is(cli: Any, tmp_path: Path) -> None:
    manifest = workload("web", "20", namespace="default")
    del manifest["metadata"]["namespace"]
    cli("suggest", "-f", write(tmp_path / "one", manifest), "--patch-dir", "patches")
    patch = yaml.safe_load((tmp_path / "patches" / "deployment-default-web.yaml").read_text())
    assert patch["metadata"] == {"name": "web"}


def test_patches_of_a_trace_are_for_server_side_apply(cli: Any, shop: str, tmp_path: Path) -> None:
    cli("trace", "make", "-f", shop, "--to", "shop.sktrace")
    told = cli("suggest", "--trace", "shop.sktrace", "--patch-dir", "patches")
    assert "to apply it: kubectl apply -k patches --server-side --force-conflicts\n" in told.err
    kustomization = yaml.safe_load((tmp_path / "patches" / "kustomization.yaml").read_text())
    assert "patches" not in kustomization
    assert kustomization["resources"] == ["deployment-shop-web.yaml", "statefulset-shop-db.yaml"]


def test_a_folder_that_holds_something_is_not_written_to(cli: Any, shop: str) -> None:
    told = cli("suggest", "-f", shop, "--patch-dir", "deploy")
    assert (told.code, told.out) == (2, "")
    assert "--patch-dir deploy: is there and not empty" in told.err


def test_markdown_has_no_markup_of_others(cli: Any, shop: str, tmp_path: Path) -> None:
    name = "a_b*c|d<e>@me#1"
    (tmp_path / f"{name}.yaml").write_text((tmp_path / "deploy" / "all.yaml").read_text())
    told = cli("suggest", "-f", f"{name}.yaml", "--markdown")
    assert "### 2 of 2 workloads not Ready" in told.out
    assert "- source: a&#95;b&#42;c&#124;d&#60;e>&#64;me&#35;1.yaml" in told.out
    assert "| shop/web | 2 x 20 CPU, 64Mi | 0 of 2 | 2 pending: Insufficient cpu | cpu 20 -> 16 | -8 | 0 |" in told.out
    assert told.out.count("```") == 2


def test_fail_on_not_ready_is_about_what_is_given(cli: Any, shop: str, tmp_path: Path) -> None:
    failing = cli("suggest", "-f", shop, "--fail-on", "not-ready")
    assert (failing.code, "2 workloads not Ready as given: shop/web, StatefulSet shop/db" in failing.err) == (1, True)
    well = write(tmp_path / "well", workload("web", "1"))
    assert cli("suggest", "-f", well, "--fail-on", "not-ready").code == 0
    assert cli("suggest", "-f", well).code == 3


def test_one_workload_of_manifests_is_shown_in_detail_where_it_is_named(cli: Any, shop: str) -> None:
    told = cli("suggest", "-f", shop, "--deploy", "web")
    assert told.code == 0
    assert "actions   8 x reduce_cpu_small" in told.out


# --- a cluster ------------------------------------------------------------------------------------------------------


def test_without_a_source_the_current_context_is_read_and_its_name_is_the_first_line(cli: Any, town: Town) -> None:
    town.deployment("web", running(), running("node-2"))
    told = cli("suggest")
    assert told.code == 3
    assert told.out.startswith("context fake (http://127.0.0.1:")
    assert "all namespaces, read only\n" in told.out
    assert {method for method, *_ in town.api.requests} <= {"GET"}


def test_where_cluster_and_replay_disagree_the_row_says_so(cli: Any, town: Town) -> None:
    town.deployment("web", running(), oom_killed("node-2"))
    told = cli("suggest", "--json")
    web = by_name(json.loads(told.out))["web"]
    assert (web["is_ready"], web["agrees"], web["before"]["ready"], web["cluster"]["ready"]) == (False, False, 2, 1)
    assert web["note"].startswith("the cluster says 1 of 2 ready, OOM-killed: app")
    assert told.code == 1


def test_what_may_not_be_read_is_named_and_left_out(cli: Any, town: Town) -> None:
    town.deployment("web", running())
    town.api.fail(403, path="/statefulsets")
    told = cli("suggest")
    assert "left out: StatefulSet *: not read: GET" in told.out
    assert "nothing is wrong; what was left out may be; nothing to do" in told.err


def test_manifests_are_tried_on_the_nodes_of_the_cluster_beside_what_runs_there(
    cli: Any, town: Town, tmp_path: Path
) -> None:
    for number in range(6):
        town.deployment(f"old-{number}", running("node-1" if number % 2 else "node-2"))
    new = write(tmp_path / "new", workload("web", "3"))
    document = json.loads(cli("suggest", "-f", new, "--nodes", "cluster", "--json").out)
    assert document["nodes"] == "2 x 4 CPU, 8Gi, 110 pods"
    web = by_name(document)["web"]
    assert (web["before"]["ready"], web["changes"]) == (0, ["cpu 3 -> 2500m"])
    assert len(document["workloads"]) == 7


# --- usage ----------------------------------------------------------------------------------------------------------


def test_with_use_too_much_is_lowered_and_too_little_raised_to_what_is_enough(cli: Any, tmp_path: Path) -> None:
    source = write(tmp_path / "deploy", workload("web", "4", "4Gi"), workload("cart", "100m", "1Gi"))
    (tmp_path / "use.csv").write_text(
        "namespace,workload,container,cpu,memory,window\nshop,web,main,1,3500Mi,7d\nshop,cart,main,1,900Mi,7d\n"
    )
    told = cli("suggest", "-f", source, "--usage", "use.csv", "--json")
    document = json.loads(told.out)
    web, cart = (by_name(document)[name] for name in ("web", "cart"))
    assert web["changes"] == ["cpu 4 -> 1150m"]
    assert web["sizes"] == ["cpu needs 1, has 4"]
    assert (web["cpu_m"], web["memory_bytes"]) == (-5_700, 0)
    assert cart["changes"] == ["cpu 100m -> 1150m"]
    assert told.code == 0


def test_without_use_nothing_that_runs_is_lowered(cli: Any, tmp_path: Path) -> None:
    assert cli("suggest", "-f", write(tmp_path / "deploy", workload("web", "10")), "--lower").code == 3


def test_more_is_not_given_where_that_takes_others_their_room(cli: Any, tmp_path: Path) -> None:
    source = write(tmp_path / "deploy", workload("a", "1"), workload("b", "2500m"))
    (tmp_path / "use.csv").write_text("namespace,workload,container,cpu,memory,window\nshop,a,main,2,,7d\n")
    document = json.loads(cli("suggest", "-f", source, "--usage", "use.csv", "--nodes", "2x4:8Gi", "--json").out)
    a = by_name(document)["a"]
    assert (a["patch"], a["sizes"]) == (None, ["cpu needs 2, has 1"])
    assert a["note"] == "what is enough would leave shop/b without room"


def test_less_is_not_asked_for_where_pods_that_run_then_take_others_their_room(cli: Any, tmp_path: Path) -> None:
    source = write(tmp_path / "deploy", workload("a", "5"), workload("b", "2500m"))
    (tmp_path / "use.csv").write_text("namespace,workload,container,cpu,memory,window\nshop,a,main,2,,7d\n")
    document = json.loads(cli("suggest", "-f", source, "--usage", "use.csv", "--nodes", "2x4:8Gi", "--json").out)
    a, b = (by_name(document)[name] for name in ("a", "b"))
    assert (a["patch"], b["after"]["ready"]) == (None, 2)


def test_a_folder_that_cannot_be_made_is_said(shop: str, cli: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = cli("suggest", "-f", shop, "--patch-dir", "file/patches")
    assert told.code == 2
    assert "--patch-dir file/patches: cannot be written (Not a directory)" in " ".join(told.err.split())
