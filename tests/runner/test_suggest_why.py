"""`suggest`, `step`, `episode` and `trace solve` say why pods are not Ready, and what no action mends."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from env.trace.document import Manifest, Trace, load_trace

SMALL = {"cpu": "100m", "memory": "64Mi"}
INSUFFICIENT = "0/3 nodes are available: 3 Insufficient cpu."
HEURISTIC = ("--agent", "heuristic")


def write(path: Path, replicas: int = 5, requests: Manifest = SMALL, *others: Manifest, **pod: Any) -> str:
    labels = {"app": "web"}
    containers = [{"name": "web", "image": "web", "resources": {"requests": requests}}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers, **pod}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": "web", "namespace": "default"}
    web = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    document = {
        "version": 2,
        "config": {"trackedObjects": {"apps/v1.Deployment": {"podSpecTemplatePaths": ["/spec/template"]}}},
        "events": [{"ts": 0, "applied_objs": [*others, web], "deleted_objs": []}],
        "index": {},
        "pod_lifecycles": {},
    }
    path.write_bytes(Trace(document, "web").to_bytes())
    return str(path)


def test_a_suggestion_says_why_the_recorded_pods_are_pending(cli: Any, tmp_path: Path) -> None:
    trace = write(tmp_path / "web.sktrace", requests={"cpu": "17"})
    result = cli("suggest", "--trace", trace, *HEURISTIC)
    assert result.code == 0
    assert f"why       {INSUFFICIENT}" in result.out
    (why,) = json.loads(cli("suggest", "--trace", trace, *HEURISTIC, "--json").out)["why"]
    assert why.startswith(INSUFFICIENT)


def test_what_no_action_mends_is_said_at_once(cli: Any, tmp_path: Path) -> None:
    trace = write(tmp_path / "web.sktrace", nodeSelector={"kubernetes.io/os": "windows"})
    result = cli("suggest", "--trace", trace)
    reason = "3 of 3 nodes without label kubernetes.io/os=windows (node selector)"
    assert result.code == 1
    assert f"Deployment default/web: no action helps: {reason}" in result.err
    assert "agent" not in result.out
    document = json.loads(cli("suggest", "--trace", trace, "--json").out)
    assert (document["ending"], document["steps"], document["patch"]) == ("unmendable", 0, None)
    assert document["unmendable"] == [reason]


def test_no_search_is_made_for_what_no_action_mends(cli: Any, tmp_path: Path) -> None:
    trace = write(tmp_path / "web.sktrace", requests={**SMALL, "nvidia.com/gpu": "1"})
    result = cli("trace", "solve", trace)
    assert result.code == 1
    assert "no action helps: 3 of 3 nodes without nvidia.com/gpu (container web asks for 1)" in result.err
    assert "why  0/3 nodes are available: 3 Insufficient nvidia.com/gpu." in result.out
    document = json.loads(cli("trace", "solve", trace, "--json").out)
    assert (document["actions"], len(document["why"]), len(document["unmendable"])) == (None, 1, 1)


@pytest.mark.parametrize("command", [("step", "--action", "noop"), ("episode", "--agent", "noop", "--steps", "2")])
def test_what_is_not_solved_is_explained(cli: Any, tmp_path: Path, command: tuple[str, ...]) -> None:
    trace = write(tmp_path / "web.sktrace", requests={"cpu": "17"})
    assert re.search(rf"^why +{INSUFFICIENT}", cli(*command, "--trace", trace).out, re.MULTILINE)
    document = json.loads(cli(*command, "--trace", trace, "--json").out)
    assert document["why"][0].startswith(INSUFFICIENT)


def test_a_workload_scaled_to_zero_is_nothing_to_do(cli: Any, tmp_path: Path) -> None:
    trace = write(tmp_path / "web.sktrace", replicas=0)
    result = cli("suggest", "--trace", trace)
    assert (result.code, result.err) == (3, "error: Deployment default/web: is scaled to zero; nothing to do\n")
    assert json.loads(cli("suggest", "--trace", trace, "--json").out)["ending"] == "scaled-to-zero"


@pytest.mark.parametrize(
    ("pod", "container", "patch"),
    [
        (
            {"initContainers": [{"name": "setup", "resources": {"requests": {"cpu": "17"}}}]},
            "CPU of init container setup: it decides what the pod requests; "
            "memory of container web: it is the first, and no other requests more",
            {"initContainers": [{"name": "setup", "resources": {"requests": {"cpu": "16"}}}]},
        ),
        (
            {
                "containers": [
                    {"name": "proxy", "resources": {"requests": {"cpu": "5m"}}},
                    {"name": "web", "resources": {"requests": {"cpu": "17", "memory": "64Mi"}}},
                ],
            },
            "container web: it decides what the pod requests",
            {"containers": [{"name": "web", "resources": {"requests": {"cpu": "15500m"}}}]},
        ),
    ],
)
def test_a_patch_changes_the_container_at_fault_and_says_so(
    cli: Any, tmp_path: Path, pod: Manifest, container: str, patch: Manifest
) -> None:
    trace = write(tmp_path / "web.sktrace", 3, **pod)
    result = cli("suggest", "--trace", trace, *HEURISTIC)
    assert result.code == 0
    assert f"edits     {container}" in result.out
    document = json.loads(cli("suggest", "--trace", trace, *HEURISTIC, "--json").out)
    assert document["patch"] == {"spec": {"template": {"spec": patch}}}
    assert document["containers"] == container.split("; ")


def test_a_patch_that_ends_a_guarantee_says_so_and_keeps_the_limits(cli: Any, tmp_path: Path) -> None:
    amounts = {"cpu": "17", "memory": "64Mi"}
    only = {"name": "web", "resources": {"requests": amounts, "limits": amounts}}
    trace = write(tmp_path / "web.sktrace", 3, containers=[only])
    document = json.loads(cli("suggest", "--trace", trace, *HEURISTIC, "--json").out)
    (changed,) = document["patch"]["spec"]["template"]["spec"]["containers"]
    assert changed["resources"] == {"requests": {"cpu": "16"}}
    assert document["side_effects"] == [
        "changes the QoS class of its pods from Guaranteed to Burstable; limits stay, as lower ones may kill or "
        "throttle it"
    ]


def test_a_request_leaves_room_for_daemon_sets_that_come_later(cli: Any, tmp_path: Path) -> None:
    labels = {"app": "agent"}
    containers = [{"name": "agent", "resources": {"requests": {"cpu": "300m"}}}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    metadata = {"name": "agent", "namespace": "kube-system"}
    daemon_set = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata}
    daemon_set["spec"] = {"selector": {"matchLabels": labels}, "template": template}
    path = tmp_path / "web.sktrace"
    write(path, 3, {"cpu": "17", "memory": "64Mi"})
    web = load_trace(path).document
    web["events"].append({"ts": 10, "applied_objs": [daemon_set], "deleted_objs": []})
    path.write_bytes(Trace(web, "web").to_bytes())
    document = json.loads(cli("suggest", "--trace", str(path), "--deploy", "web", *HEURISTIC, "--json").out)
    assert document["after"]["resources"]["cpu"] == "15500m"


def test_a_quota_that_allows_too_few_pods_is_named(cli: Any, tmp_path: Path) -> None:
    metadata = {"name": "few", "namespace": "default"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": {"pods": "2"}}}
    result = cli("suggest", "--trace", write(tmp_path / "web.sktrace", 5, SMALL, quota))
    assert result.code == 1
    assert "ResourceQuota default/few allows at most 2 of 5 pods: pods 2" in result.err
    assert 'Error creating: pods "web-' in result.out


def test_limits_that_a_quota_demands_are_named_unless_a_limit_range_gives_them(cli: Any, tmp_path: Path) -> None:
    metadata = {"name": "few", "namespace": "default"}
    spec = {"hard": {"limits.memory": "4Gi"}}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": spec}
    result = cli("suggest", "--trace", write(tmp_path / "web.sktrace", 2, SMALL, quota))
    assert result.code == 1
    assert "ResourceQuota default/few: pods must specify limits.memory for: " in result.err
    defaults = {"limits": [{"type": "Container", "default": {"memory": "1Gi"}}]}
    given = {"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": defaults}
    assert cli("suggest", "--trace", write(tmp_path / "all.sktrace", 2, SMALL, quota, given)).code == 3


def test_replicas_of_an_autoscaler_stay_where_requests_help(cli: Any, tmp_path: Path) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 5}
    metadata = {"name": "web", "namespace": "default"}
    owner = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec}
    trace = write(tmp_path / "web.sktrace", 3, {"cpu": "17"}, owner)
    document = json.loads(cli("suggest", "--trace", trace, *HEURISTIC, "--json").out)
    assert "replicas" not in document["patch"]["spec"]
