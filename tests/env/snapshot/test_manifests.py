"""`read_manifests`: which objects of files and folders are in a snapshot, and what is said of the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from written import POD, keys, said, snapshot, workload

from env.errors import ManifestError
from env.snapshot import read_manifests
from env.trace.document import Manifest


def test_the_same_name_in_two_namespaces_is_two_workloads_and_none_is_default(tmp_path: Path) -> None:
    every = [workload("Deployment", "web", namespace) for namespace in ("a", "b", None)]
    assert keys(snapshot(tmp_path, *every)) == ["Deployment a/web", "Deployment b/web", "Deployment default/web"]


def test_of_objects_of_one_name_the_last_one_counts_and_that_is_said(tmp_path: Path) -> None:
    found = snapshot(tmp_path, workload("Deployment", "web", replicas=1), workload("Deployment", "web", replicas=5))
    assert [each["spec"]["replicas"] for each in found.objects] == [5]
    file = tmp_path / "all.yaml"
    assert said(found) == [
        f"Deployment default/web: there are two; that of {file}, document 2 counts, that of {file}, document 1 does not"
    ]


def test_objects_with_a_generated_name_are_as_many_as_were_written(tmp_path: Path) -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"generateName": "load-"}}
    job["spec"] = {"template": {"spec": {**POD, "restartPolicy": "Never"}}}
    found = snapshot(tmp_path, job, job)
    assert len(set(keys(found))) == 2
    assert all(key.startswith("Job default/load-") for key in keys(found))


def test_what_pods_need_comes_first_then_daemon_sets_then_the_rest_as_written(tmp_path: Path) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"pods": 5}}}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    found = snapshot(
        tmp_path,
        workload("StatefulSet", "db"),
        workload("Deployment", "a"),
        workload("DaemonSet", "logs"),
        quota,
        namespace,
    )
    assert [each["kind"] for each in found.objects] == [
        "Namespace", "ResourceQuota", "DaemonSet", "StatefulSet", "Deployment"
    ]  # fmt: skip
    assert found.objects[0]["metadata"] == {"name": "shop", "namespace": ""}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"])
def test_workloads_of_each_kind_count(tmp_path: Path, kind: str) -> None:
    assert keys(snapshot(tmp_path, workload(kind, "x"))) == [f"{kind} default/x"]


def test_lists_are_taken_apart_also_typed_ones_whose_items_name_no_kind(tmp_path: Path) -> None:
    bare = {key: value for key, value in workload("Deployment", "b").items() if key in ("metadata", "spec")}
    inner = {"apiVersion": "v1", "kind": "List", "items": [workload("Deployment", "a")]}
    typed = {"apiVersion": "apps/v1", "kind": "DeploymentList", "metadata": {}, "items": [bare]}
    every = {"apiVersion": "v1", "kind": "List", "items": [inner, typed]}
    (tmp_path / "all.json").write_text(json.dumps(every))
    assert keys(read_manifests([str(tmp_path / "all.json")])) == ["Deployment default/a", "Deployment default/b"]


def test_what_a_controller_made_is_its_owners(tmp_path: Path) -> None:
    def made(kind: str, name: str, owner: str, of: str, **more: object) -> Manifest:
        group = "batch/v1" if owner in ("Job", "CronJob") else "apps/v1"
        reference = {"apiVersion": group, "kind": owner, "name": of, "controller": True, "uid": "1"}
        base = workload(kind, name) if kind == "ReplicaSet" else {"apiVersion": "v1", "kind": "Pod", "spec": POD}
        return {**base, "metadata": {"name": name, "namespace": "default", "ownerReferences": [reference], **more}}

    found = snapshot(
        tmp_path,
        workload("Deployment", "web"),
        made("ReplicaSet", "web-5f6", "Deployment", "web"),
        made("Pod", "web-5f6-abc", "ReplicaSet", "web-5f6"),
        made("Pod", "web-77d-abc", "ReplicaSet", "web-77d", labels={"pod-template-hash": "77d"}),
        made("Pod", "alone-9-abc", "ReplicaSet", "alone-9"),
        made("Pod", "kafka-0", "StrimziPodSet", "kafka"),
    )
    assert keys(found) == ["Deployment default/web", "Pod default/alone-9-abc", "Pod default/kafka-0"]
    assert said(found) == [
        "ReplicaSet default/web-5f6: is made by Deployment default/web",
        "Pod default/web-5f6-abc: is made by ReplicaSet default/web-5f6",
        "Pod default/web-77d-abc: is made by Deployment default/web",
    ]


def test_what_has_ended_or_goes_or_is_only_a_helm_test_is_not_there(tmp_path: Path) -> None:
    def pod(name: str, status: Manifest | None = None, **metadata: object) -> Manifest:
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, **metadata},
            "spec": POD,
            "status": status,
        }

    found = snapshot(
        tmp_path,
        pod("runs", {"phase": "Running"}),
        pod("done", {"phase": "Succeeded"}),
        pod("goes", deletionTimestamp="2025-01-01T00:00:00Z"),
        pod("test", annotations={"helm.sh/hook": "test"}),
        pod("hook", annotations={"helm.sh/hook": "pre-install,pre-upgrade"}),
    )
    assert keys(found) == ["Pod default/runs", "Pod default/hook"]
    assert [each.partition(": ")[2] for each in said(found)] == [
        "has ended",
        "is being deleted",
        "is a hook of Helm for test, which no installation runs",
    ]


def test_a_pod_of_a_cluster_keeps_its_node_only_if_that_is_there(tmp_path: Path) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {**POD, "nodeName": "n1"}}
    running = {**pod, "status": {"phase": "Running"}}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
    node["status"] = {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}}
    assert "nodeName" not in snapshot(tmp_path, running).objects[0]["spec"]
    both = snapshot(tmp_path, running, node)
    assert both.objects[0]["spec"]["nodeName"] == "n1"
    assert both.nodes is not None
    assert both.nodes.pools[0].names == ("n1",)


@pytest.mark.parametrize(
    ("api_version", "kind", "why"),
    [
        ("extensions/v1beta1", "Deployment", "not served since Kubernetes 1.16; the current version is apps/v1"),
        ("apps/v1beta2", "StatefulSet", "not served since Kubernetes 1.16; the current version is apps/v1"),
        ("batch/v1beta1", "CronJob", "not served since Kubernetes 1.25; the current version is batch/v1"),
        ("policy/v1beta1", "PodDisruptionBudget", "the current version is policy/v1"),
        ("autoscaling/v2beta2", "HorizontalPodAutoscaler", "the current version is autoscaling/v2"),
        ("node.k8s.io/v1alpha1", "RuntimeClass", "is not served; the current version is node.k8s.io/v1"),
        ("v1", "ReplicationController", "not simulated; a Deployment is"),
        ("monitoring.coreos.com/v1", "Prometheus", "is a custom resource (monitoring.coreos.com/v1)"),
        ("argoproj.io/v1alpha1", "Rollout", "is a custom resource"),
        ("serving.knative.dev/v1", "Service", "is a custom resource"),
        ("gateway.networking.k8s.io/v1", "Gateway", "is a custom resource"),
        ("kustomize.config.k8s.io/v1beta1", "Kustomization", "render it first: kubectl kustomize"),
    ],
)
def test_kinds_and_versions_that_are_not_simulated_are_named_and_may_matter(
    tmp_path: Path, api_version: str, kind: str, why: str
) -> None:
    other = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "namespace": "n"}, "spec": {}}
    found = snapshot(tmp_path, workload("Deployment", "web"), other)
    assert keys(found) == ["Deployment default/web"]
    assert [(each.kind, each.name, each.matters) for each in found.skipped] == [(kind, "n/x", True)]
    assert why in found.skipped[0].why


@pytest.mark.parametrize(
    "kind", ["Service", "ConfigMap", "Secret", "CustomResourceDefinition", "ClusterRole", "Ingress"]
)
def test_kinds_that_change_nothing_about_pods_are_skipped_and_do_not_matter(tmp_path: Path, kind: str) -> None:
    other = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "system:x"}, "data": {"a": "{{ .Values }}"}}
    found = snapshot(tmp_path, workload("Deployment", "web"), other)
    assert [(each.kind, each.name, each.matters) for each in found.skipped] == [(kind, "system:x", False)]


@pytest.mark.parametrize(
    ("replicas", "kind", "bounds", "made"),
    [
        (None, "HorizontalPodAutoscaler", {"minReplicas": 3, "maxReplicas": 9}, 3),
        (5, "HorizontalPodAutoscaler", {"minReplicas": 3, "maxReplicas": 9}, 5),
        (20, "HorizontalPodAutoscaler", {"maxReplicas": 9}, 9),
        (0, "HorizontalPodAutoscaler", {"minReplicas": 3, "maxReplicas": 9}, 0),
        (None, "ScaledObject", {"minReplicaCount": 2}, 2),
    ],
)
def test_replicas_are_within_the_bounds_of_an_autoscaler(
    tmp_path: Path, replicas: int | None, kind: str, bounds: Manifest, made: int
) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    scaler = {"kind": kind, "metadata": {"name": "web"}, "spec": {"scaleTargetRef": target, **bounds}}
    scaler["apiVersion"] = "keda.sh/v1alpha1" if kind == "ScaledObject" else "autoscaling/v2"
    found = snapshot(tmp_path, workload("Deployment", "web", replicas=replicas), scaler)
    assert [each["spec"]["replicas"] for each in found.objects if each["kind"] == "Deployment"] == [made]


def test_a_container_without_an_image_is_said(tmp_path: Path) -> None:
    found = snapshot(tmp_path, workload("Deployment", "web", pod={"containers": [{"name": "app"}]}))
    assert keys(found) == ["Deployment default/web"]
    assert said(found) == [
        "Deployment default/web: container app has no image, so that an API server refuses it; the replay takes it"
    ]


def test_fields_that_kubernetes_does_not_know_are_said(tmp_path: Path) -> None:
    pod = {"containers": [{"name": "app", "image": "x", "limits": {"cpu": 1}}], "nodeselector": {"a": "b"}}
    found = snapshot(tmp_path, workload("Deployment", "web", pod=pod, replica=3))
    assert sorted(each.why.partition(":")[0] for each in found.skipped) == [
        "spec.replica",
        "spec.template.spec.containers[0].limits",
        "spec.template.spec.nodeselector",
    ]


def _broken() -> list[tuple[Manifest | str, str]]:
    web = workload("Deployment", "web")

    def changed(**spec: object) -> Manifest:
        return {**web, "spec": {**web["spec"], **spec}}

    def container(**fields: object) -> Manifest:
        return workload("Deployment", "web", pod={"containers": [{"name": "app", **fields}]})

    def budget(**spec: object) -> Manifest:
        return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"}, "spec": spec}

    return [
        ("a: b", "document 2: not a Kubernetes object: it has no apiVersion and no kind"),
        ("NAME: web\nLAST DEPLOYED: today\nMANIFEST:", "`helm template` prints manifests and nothing else"),
        ("services: {}\nversion: '3'", "kompose convert"),
        ("- a\n- b", "document 2: a list, not a Kubernetes object"),
        ("kind: Deployment\nmetadata: {name: x}", "document 2: not a Kubernetes object: it has no apiVersion"),
        ("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: {{ .Values.x }}}", "render it first: helm template"),
        ('apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: "{{ .Release.Name }}"}', "helm template"),
        ({**web, "apiVersion": "apps/v2"}, "apiVersion 'apps/v2': there is no such Deployment"),
        ({**web, "apiVersion": "v1"}, "the current one is apps/v1"),
        (
            {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
             "metadata": {"name": "x"}, "webhooks": [{"name": "x", "rules": [{"resources": "pods"}]}]},
            "ValidatingWebhookConfiguration x: resources: must be a list of texts",
        ),
        ({**web, "kind": "deployment"}, "kind 'deployment': there is no such kind; did you mean 'Deployment'?"),
        ("hunter2", "document 2: a text, not a Kubernetes object"),
        ({**web, "metadata": None}, "Deployment without metadata"),
        ({**web, "metadata": {}}, "Deployment: metadata.name: is missing"),
        ({**web, "metadata": {"name": 12}}, "metadata.name 12: must be text; put it in quotes"),
        ({**web, "metadata": {"name": "${APP}"}}, "fill in its variables first"),
        ({**web, "metadata": {"name": "Web"}}, "metadata.name 'Web': must be lower-case letters"),
        ({**web, "metadata": {"name": "web", "labels": {"v": 1.1}}}, "metadata.labels.v: 1.1 is not text"),
        ({**web, "spec": None}, "containers: must have at least one container"),
        ({**web, "spec": []}, "spec: must be a map"),
        (changed(replicas="3"), "replicas '3': must be a whole number"),
        (changed(selector=None), "spec.selector: is missing"),
        (changed(selector={"matchLabels": {"app": "other"}}), "spec.selector: does not match the labels"),
        (changed(strategy={"rollingUpdate": {"maxSurge": "25"}}), "maxSurge '25'"),
        (changed(replicas=2**31), "must be a whole number from 0 to 2,147,483,647"),
        (changed(replicas="${REPLICAS}"), "fill in its variables first"),
        (changed(strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}), "must not both be 0"),
        (changed(strategy={"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}), "must not be there with type Recr"),
        (changed(strategy={"type": "recreate"}), "strategy.type 'recreate': must be RollingUpdate or Recreate"),
        (budget(maxUnavailable="one"), "maxUnavailable 'one': must be a whole number"),
        (budget(minAvailable="150%"), "spec.minAvailable 150%: must be 100% at most"),
        (budget(minAvailable=1, maxUnavailable=1), "spec: has minAvailable and maxUnavailable; leave one out"),
        (container(env=[{"name": "PORT", "value": 7331}]), "container app: env PORT: is a number, not text; put it in"),
        (container(args=["--port", 7331]), "container app: args[1]: is a number, not text"),
        ({**web, "metadata": {"name": "web", "annotations": {"a": True}}}, "metadata.annotations.a: is true or false"),
        ("a:\n  b: 1\n\tc: 2", ": a tab; YAML is indented with spaces"),
        (container(resources={"requests": {"memory": "512mb"}}), "container app: requests.memory: quantity '512mb'"),
        (container(resources={"requests": {"cpu": 2}, "limits": {"cpu": 1}}), "requests 2 of cpu, more than its limit"),
        (container(resources=[1]), "spec.template.spec.containers[0].resources: must be a map"),
        (workload("Deployment", "web", pod={"containers": [{"image": "x"}]}), "containers[0]: has no name"),
        (workload("Deployment", "web", pod={"containers": [{"name": "a"}, {"name": "a"}]}), "two containers"),
        (workload("Deployment", "web", pod={"containers": [None]}), "containers[0]: must be a map"),
        (workload("Deployment", "web", pod={**POD, "nodeSelector": {"gpu": True}}), "gpu: true is not text"),
    ]  # fmt: skip


@pytest.mark.parametrize(("broken", "reason"), _broken())
def test_a_broken_manifest_is_told_with_its_file_and_document_in_one_line(
    tmp_path: Path, broken: Manifest | str, reason: str
) -> None:
    with pytest.raises(ManifestError) as error:
        snapshot(tmp_path, workload("Deployment", "first"), broken)
    assert str(error.value).startswith(f"{tmp_path / 'all.yaml'}, document 2")
    assert reason in str(error.value)
    assert "7331" not in str(error.value)
    assert "\n" not in str(error.value)


def test_amounts_that_are_hardly_meant_are_said(tmp_path: Path) -> None:
    resources = {"requests": {"cpu": "500Mi", "memory": "100m"}, "limits": {"memory": 128}}
    pod = {
        "containers": [{"name": "app", "image": "x", "resources": resources}, POD["containers"][0] | {"name": "fine"}]
    }
    assert [
        each.partition(": container ")[2] for each in said(snapshot(tmp_path, workload("Deployment", "web", pod=pod)))
    ] == [
        "app: requests.cpu 500Mi is 524,288,000 cores; m stands for a thousandth of one",
        "app: requests.memory 100m is less than a byte; Mi stands for 2^20 bytes",
        "app: limits.memory 128 is 128 bytes; Mi stands for 2^20 bytes",
    ]


def test_manifests_without_anything_that_makes_pods_are_an_error_that_says_what_there_is(tmp_path: Path) -> None:
    old = {"apiVersion": "extensions/v1beta1", "kind": "Deployment", "metadata": {"name": "web"}}
    with pytest.raises(
        ManifestError, match=r"nothing that makes pods; Deployment web: .*the current version is apps/v1"
    ):
        snapshot(tmp_path, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}}, old)


def test_nulls_are_fields_that_are_not_there(tmp_path: Path) -> None:
    web = workload("Deployment", "web", replicas=None, strategy=None)
    web["metadata"]["annotations"] = None
    web["spec"]["template"]["spec"] = {**POD, "initContainers": None, "affinity": {"podAntiAffinity": None}}
    web["spec"]["template"]["metadata"]["creationTimestamp"] = None
    assert snapshot(tmp_path, web).objects[0] == {
        **workload("Deployment", "web", "default"),
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {**POD, "affinity": {}}},
        },
    }
