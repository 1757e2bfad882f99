"""What of an object a trace holds: an allow-list, so that nothing secret is in it."""

from __future__ import annotations

import json

import pytest
from written import workload

from env.errors import ManifestError
from env.snapshot.clean import cleaned, kept_and_unknown
from env.trace.document import Manifest

SECRET = "hunter2"


def _full() -> Manifest:
    """A Deployment as `kubectl get -o yaml` prints it, with a secret wherever one may be."""
    probe = {"httpGet": {"path": "/", "port": 80, "httpHeaders": [{"name": "Authorization", "value": SECRET}]}}
    hook = {"preStop": {"exec": {"command": ["sh", "-c", SECRET]}}}
    container = {
        "name": "app",
        "image": "registry.example/app:1",
        "command": ["run", SECRET],
        "args": [f"--password={SECRET}"],
        "env": [{"name": "PASSWORD", "value": SECRET}],
        "envFrom": [{"secretRef": {"name": SECRET}}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "ports": [{"containerPort": 80, "hostPort": 8080, "protocol": "TCP"}],
        "livenessProbe": probe,
        "readinessProbe": probe,
        "startupProbe": probe,
        "lifecycle": hook,
        "volumeMounts": [{"name": "data", "mountPath": f"/{SECRET}"}],
        "terminationMessagePath": "/dev/termination-log",
        "securityContext": {"runAsUser": 0, "windowsOptions": {"gmsaCredentialSpec": SECRET}},
    }
    pod = {
        "containers": [container],
        "initContainers": [{**container, "name": "init", "restartPolicy": "Always"}],
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        "priorityClassName": "gold",
        "serviceAccountName": "app",
        "imagePullSecrets": [{"name": SECRET}],
        "hostAliases": [{"ip": "1.2.3.4", "hostnames": [SECRET]}],
        "dnsPolicy": "ClusterFirst",
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "config", "configMap": {"name": SECRET}},
            {"name": "token", "projected": {"sources": [{"secret": {"name": SECRET}}]}},
            {"name": "csi", "csi": {"driver": "x", "volumeAttributes": {"password": SECRET}}},
        ],
    }
    web = workload("Deployment", "web", "shop", pod, replicas=2, revisionHistoryLimit=10)
    web["metadata"] |= {
        "labels": {"app": "web"},
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": SECRET,
            "example.com/token": SECRET,
            "kubectl.kubernetes.io/default-container": "app",
        },
        "managedFields": [{"manager": SECRET}],
        "resourceVersion": "1",
        "uid": SECRET,
    }
    web["spec"]["template"]["metadata"]["annotations"] = {
        "vault.hashicorp.com/agent-inject-template": SECRET,
        "sim-arena.io/demand": '{"app": {"cpu": "1"}}',
    }
    web["status"] = {"conditions": [{"message": SECRET}]}
    return web


def test_nothing_secret_is_kept() -> None:
    assert SECRET in json.dumps(_full())
    assert SECRET not in json.dumps(cleaned(_full()))


def test_what_scheduler_admission_and_controllers_read_is_kept() -> None:
    kept, unknown = kept_and_unknown(_full())
    pod = kept["spec"]["template"]["spec"]
    container = {
        "name": "app",
        "image": "registry.example/app:1",
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "ports": [{"containerPort": 80, "hostPort": 8080, "protocol": "TCP"}],
    }
    assert unknown == []
    assert kept["metadata"] == {
        "name": "web",
        "namespace": "shop",
        "labels": {"app": "web"},
        "annotations": {"kubectl.kubernetes.io/default-container": "app"},
    }
    assert kept["spec"]["template"]["metadata"]["annotations"] == {"sim-arena.io/demand": '{"app": {"cpu": "1"}}'}
    assert pod["containers"] == [container]
    assert pod["initContainers"] == [{**container, "name": "init", "restartPolicy": "Always"}]
    assert pod["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    assert set(pod) == {
        *("containers", "initContainers", "nodeSelector", "tolerations", "affinity", "topologySpreadConstraints"),
        *("priorityClassName", "serviceAccountName", "volumes"),
    }
    assert (set(kept), set(kept["spec"])) == (
        {"apiVersion", "kind", "metadata", "spec"},
        {"replicas", "selector", "template"},
    )


def test_a_job_loses_the_selector_that_the_api_server_gave_it() -> None:
    labels = {"app": "x", "controller-uid": "1", "batch.kubernetes.io/controller-uid": "1"}
    spec = {
        "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "1"}},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a"}], "restartPolicy": "Never"}},
    }
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x", "namespace": "n"}, "spec": spec}
    kept = cleaned(job)["spec"]
    assert "selector" not in kept
    assert kept["template"]["metadata"]["labels"] == {"app": "x"}
    by_hand = {**job, "spec": {**spec, "manualSelector": True}}
    assert cleaned(by_hand)["spec"]["selector"] == spec["selector"]


def test_the_object_that_was_given_is_not_changed() -> None:
    given = _full()
    cleaned(given)
    assert given == _full()


def test_whole_numbers_may_be_written_as_floats() -> None:
    assert cleaned(workload("Deployment", "web", "n", replicas=3.0))["spec"]["replicas"] == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"affinity": [[]]}, None),
        ({"affinity": {"a": None}}, None),
        ({"tolerations": [None]}, r"tolerations\[0\]|null in a list"),
        ({"nodeSelector": {"a": "x" * 5_000}}, "longer than 4,096 characters"),
        ({"nodeSelector": {str(n): "" for n in range(1_001)}}, "1,001 entries; at most 1,000 are read"),
        ({"schedulerName": "x" * 5_000}, "longer than 4,096 characters"),
        ({"nodeSelector": ["a"]}, "nodeSelector: must be a map"),
        ({"containers": {}}, "containers: must be a list"),
    ],
)
def test_values_of_another_type_or_size_are_refused_by_name(change: Manifest, reason: str | None) -> None:
    web = workload("Deployment", "web", "n", pod={"containers": [{"name": "a"}], **change})
    if reason is None:
        cleaned(web)
        return
    with pytest.raises(ManifestError, match=reason):
        cleaned(web)


def test_what_is_kept_as_it_is_may_not_be_nested_without_end() -> None:
    deep: Manifest = {}
    for _ in range(50):
        deep = {"a": deep}
    with pytest.raises(ManifestError, match="nested too deep"):
        cleaned(workload("Deployment", "web", "n", pod={"containers": [{"name": "a"}], "affinity": deep}))
