"""What is one revision and what is another, as a Kubernetes 1.36 decides it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from env.engine.manifests.normal_form import by_text, by_value
from env.engine.manifests.objects import read_object
from env.engine.manifests.pod_schema import TYPES
from env.errors import QuantityError
from env.trace.document import Manifest

Make = Callable[..., Any]


def template(container: Manifest | None = None, metadata: Manifest | None = None, **spec: Any) -> Manifest:
    """A pod template of one container."""
    return {
        "metadata": {"labels": {"app": "web"}, **(metadata or {})},
        "spec": {"containers": [{"name": "web", "image": "web:1", **(container or {})}], **spec},
    }


def volume(**source: Any) -> Manifest:
    return template(volumes=[{"name": "v", **source}])


def asking(cpu: Any = "1", **memory: Any) -> Manifest:
    return {"resources": {"requests": {"cpu": cpu, **memory}}}


PROBE = {"httpGet": {"port": 80}}
FIELD = {"fieldPath": "metadata.name"}

SAME = {
    "null": (template(metadata={"creationTimestamp": None}), template()),
    "empty list": (template({"args": [], "env": None}), template()),
    "empty map": (template(metadata={"annotations": {}}, nodeSelector={}), template()),
    "empty resources": (template({"resources": {"limits": {}}}), template()),
    "false": (template({"tty": False}, hostNetwork=False), template()),
    "empty text": (template({"workingDir": ""}, nodeName=""), template()),
    "pod defaults": (
        template(
            restartPolicy="Always",
            dnsPolicy="ClusterFirst",
            schedulerName="default-scheduler",
            securityContext={},
            terminationGracePeriodSeconds=30,
        ),
        template(),
    ),
    "container defaults": (
        template({"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}),
        template(),
    ),
    "pull policy of a tag": (template({"imagePullPolicy": "IfNotPresent"}), template()),
    "pull policy of latest": (
        template({"image": "r.example:5000/web", "imagePullPolicy": "Always"}),
        template({"image": "r.example:5000/web"}),
    ),
    "pull policy of a digest": (
        template({"image": "web@sha256:" + "0" * 64, "imagePullPolicy": "IfNotPresent"}),
        template({"image": "web@sha256:" + "0" * 64}),
    ),
    "port": (
        template({"ports": [{"containerPort": 80, "protocol": "TCP", "hostPort": 0}]}),
        template({"ports": [{"containerPort": 80}]}),
    ),
    "probe": (
        template(
            {
                "livenessProbe": {
                    "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
                    "periodSeconds": 10,
                    "timeoutSeconds": 1,
                    "successThreshold": 1,
                    "failureThreshold": 3,
                    "initialDelaySeconds": 0,
                }
            }
        ),
        template({"livenessProbe": PROBE}),
    ),
    "hook": (
        template({"lifecycle": {"preStop": {"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}}}}),
        template({"lifecycle": {"preStop": PROBE}}),
    ),
    "fieldRef": (
        template({"env": [{"name": "A", "valueFrom": {"fieldRef": {**FIELD, "apiVersion": "v1"}}}]}),
        template({"env": [{"name": "A", "valueFrom": {"fieldRef": FIELD}}]}),
    ),
    "divisor": (
        template(
            {"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu", "divisor": "0"}}}]}
        ),
        template({"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu"}}}]}),
    ),
    "empty variable": (template({"env": [{"name": "A", "value": ""}]}), template({"env": [{"name": "A"}]})),
    "service account": (template(serviceAccount="a", serviceAccountName="a"), template(serviceAccountName="a")),
    "old service account": (template(serviceAccount="a"), template(serviceAccountName="a")),
    "no volume source": (volume(), volume(emptyDir={})),
    "configMap": (volume(configMap={"name": "c", "defaultMode": 420}), volume(configMap={"name": "c"})),
    "secret": (volume(secret={"secretName": "s", "defaultMode": 420}), volume(secret={"secretName": "s"})),
    "hostPath": (volume(hostPath={"path": "/x", "type": ""}), volume(hostPath={"path": "/x"})),
    "token": (
        volume(
            projected={
                "defaultMode": 420,
                "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}],
            }
        ),
        volume(projected={"sources": [{"serviceAccountToken": {"path": "t"}}]}),
    ),
    "claim": (
        volume(ephemeral={"volumeClaimTemplate": {"spec": {"volumeMode": "Filesystem"}}}),
        volume(ephemeral={"volumeClaimTemplate": {"spec": {}}}),
    ),
    "cpu": (template(asking("1000m")), template(asking("1"))),
    "number": (template(asking(1)), template(asking("1"))),
    "memory": (template(asking(memory="1024Mi")), template(asking(memory="1Gi"))),
    "overhead": (template(overhead={"cpu": "0.25"}), template(overhead={"cpu": "250m"})),
    "pod level": (template(resources={"requests": {"cpu": "2000m"}}), template(resources={"requests": {"cpu": 2}})),
    "sizeLimit": (volume(emptyDir={"sizeLimit": "1024Mi"}), volume(emptyDir={"sizeLimit": "1Gi"})),
    "selector": (
        template(topologySpreadConstraints=[{"maxSkew": 1, "labelSelector": {"matchLabels": {}}}]),
        template(topologySpreadConstraints=[{"maxSkew": 1, "labelSelector": {}}]),
    ),
}

OTHER = {
    "label": (template(metadata={"labels": {"app": "web", "a": ""}}), template()),
    "annotation": (template(metadata={"annotations": {"a": "1"}}), template()),
    "empty affinity": (template(affinity={}), template()),
    "empty securityContext of a container": (template({"securityContext": {}}), template()),
    "explicit false": (template(automountServiceAccountToken=False), template()),
    "explicit zero": (template(terminationGracePeriodSeconds=0), template()),
    "what only pods default": (template(enableServiceLinks=True), template()),
    "pull policy": (template({"imagePullPolicy": "Always"}), template()),
    "spread policy": (
        template(topologySpreadConstraints=[{"maxSkew": 1, "nodeTaintsPolicy": "Ignore"}]),
        template(topologySpreadConstraints=[{"maxSkew": 1}]),
    ),
    "request of a limit": (
        template({"resources": {"limits": {"cpu": 1}, "requests": {"cpu": 1}}}),
        template({"resources": {"limits": {"cpu": 1}}}),
    ),
    "request of nothing": (template(asking(0)), template()),
    "order": (template({"args": ["a", "b"]}), template({"args": ["b", "a"]})),
    "optional": (volume(configMap={"name": "c", "optional": False}), volume(configMap={"name": "c"})),
    "empty emptyDir": (volume(emptyDir={"sizeLimit": 0}), volume(emptyDir={})),
}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
@pytest.mark.parametrize("name", SAME)
def test_templates_of_one_meaning_are_of_one_revision(name: str, kind: str) -> None:
    one, other = SAME[name]
    assert revision(kind, one) == revision(kind, other)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
@pytest.mark.parametrize("name", OTHER)
def test_templates_of_another_meaning_are_of_another_revision(name: str, kind: str) -> None:
    one, other = OTHER[name]
    assert revision(kind, one) != revision(kind, other)


def revision(kind: str, pod_template: Manifest) -> Any:
    manifest = {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"template": copy.deepcopy(pod_template)},
    }
    found = read_object(manifest, {})
    assert found is not None
    template = found.spec.template  # type: ignore[union-attr]
    return template.revision  # type: ignore[union-attr]


@pytest.mark.parametrize(("kind", "is_same"), [("Deployment", True), ("StatefulSet", False), ("DaemonSet", False)])
def test_only_a_deployment_compares_a_quantity_across_notations(kind: str, is_same: bool) -> None:
    one, other = template(asking(memory="1Gi")), template(asking(memory="1073741824"))
    assert (revision(kind, one) == revision(kind, other)) is is_same


def test_every_type_that_a_field_names_is_there_or_plain() -> None:
    named = {word.partition("=")[0].partition(":")[2].lstrip("*[]") for text in TYPES.values() for word in text.split()}
    assert named - set(TYPES) == {"", "Plain", "q", "{}", "{q}"}


@pytest.mark.parametrize("normal_form", [by_value, by_text])
def test_a_normal_form_is_its_own_normal_form(normal_form: Make) -> None:
    for one, other in [*SAME.values(), *OTHER.values()]:
        for each in (one, other):
            assert normal_form(normal_form(each)) == normal_form(each)


def test_a_quantity_that_the_api_server_would_refuse_is_an_error() -> None:
    with pytest.raises(QuantityError, match="much"):
        by_value(volume(emptyDir={"sizeLimit": "much"}))


# --- what follows for a cluster -------------------------------------------------------------------------------------


def test_another_spelling_starts_no_rollout(cluster: Make, node: Make, manifest: Make) -> None:
    small = cluster(node("a", cpu="4"))
    small.apply(manifest(replicas=3, cpu="1", dnsPolicy="ClusterFirst")).apply(manifest(replicas=3, cpu="1000m"))
    assert small.state() == (3, 0, 3)
