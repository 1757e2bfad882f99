"""A trace with other names: none of the old ones is in it, and a replay comes to the same end."""

from __future__ import annotations

from typing import Any

import hostile

from env.engine.manifests.terms import Taint
from env.problems.nodes import NodePool, NodePools
from env.snapshot.anonymous import anonymous
from env.snapshot.snapshot import Snapshot, trace_of
from env.trace.document import Trace, read_trace

Manifest = dict[str, Any]

SECRET = ("acme", "payments", "checkout", "ledger", "eu-central-7", "acme.corp/team", "registry.acme.corp", "fpga")


def _pod(**spec: Any) -> Manifest:
    resources = {"requests": {"cpu": "1", "memory": "1Gi", "acme.corp/fpga": "1"}}
    image = "registry.acme.corp/checkout:7"
    annotations = {"sim-arena.io/demand": '{"checkout": {"memory": "2Gi"}}', "sim-arena.io/log": "acme"}
    return {
        "metadata": {"labels": {"app": "checkout", "acme.corp/team": "payments"}, "annotations": annotations},
        "spec": {"containers": [{"name": "checkout", "image": image, "resources": resources}], **spec},
    }


def _object(kind: str, name: str, api_version: str = "apps/v1", namespace: str = "payments", **rest: Any) -> Manifest:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **rest}


def _trace() -> Trace:
    selector = {"matchLabels": {"acme.corp/team": "payments"}}
    numbers = {"key": "acme.corp/disks", "operator": "Gt", "values": ["3"]}
    zones = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["eu-central-7a"]}
    spread = {"maxSkew": 1, "topologyKey": "acme.corp/rack", "whenUnsatisfiable": "DoNotSchedule",
              "labelSelector": selector}  # fmt: skip
    pod = _pod(
        affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [numbers, zones]}]}}},
        tolerations=[{"key": "acme.corp/team", "operator": "Equal", "value": "payments", "effect": "NoSchedule"}],
        topologySpreadConstraints=[spread],
        priorityClassName="acme-high",
    )  # fmt: skip
    limits = [{"type": "Container", "defaultRequest": {"acme.corp/fpga": "1"}, "max": {"cpu": "8"}}]
    hard = {"requests.cpu": "40", "requests.acme.corp/fpga": "9", "count/deployments.apps": "5"}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
    own = {"type": "External", "external": {"metric": {"name": "acme_queue"}}}
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 7}}}
    objects = (
        _object("Namespace", "payments", "v1", ""),
        _object("PriorityClass", "acme-high", "scheduling.k8s.io/v1", "", value=7),
        _object("LimitRange", "acme", "v1", spec={"limits": limits}),
        _object("ResourceQuota", "acme", "v1", spec={"hard": hard}),
        _object("Deployment", "checkout", spec={"replicas": 3, "selector": selector, "template": pod}),
        _object("StatefulSet", "ledger", spec={"serviceName": "ledger", "selector": selector, "template": _pod()}),
        _object("HorizontalPodAutoscaler", "checkout", "autoscaling/v2",
                spec={"maxReplicas": 9, "metrics": [own, cpu], "scaleTargetRef": target}),
        _object("ScaledObject", "acme", "keda.sh/v1alpha1", spec={}),
    )  # fmt: skip
    labels = (("acme.corp/disks", "4"), ("acme.corp/rack", "acme-7"), ("topology.kubernetes.io/zone", "eu-central-7a"))
    nodes = NodePool(2, names=("node-acme-1", "node-acme-2"), labels=labels,
                     taints=(Taint("acme.corp/team", "payments", "NoSchedule"),),
                     resources=(("acme.corp/fpga", 2),))  # fmt: skip
    return trace_of(Snapshot("acme", objects, NodePools((nodes,))))


def test_no_name_of_the_cluster_is_left() -> None:
    data = anonymous(_trace()).to_bytes()
    assert [text for text in SECRET if text.encode() in data] == []


def test_the_kind_that_an_autoscaler_scales_is_replaced_where_it_is_not_kubernetes_own() -> None:
    target = {"apiVersion": "acme.corp/v1", "kind": "Ledger", "name": "ledger"}
    scaler = _object("HorizontalPodAutoscaler", "x", "autoscaling/v2", spec={"scaleTargetRef": target})
    (event,) = anonymous(trace_of(Snapshot("x", (scaler,)))).events
    (made,) = event["applied_objs"]
    assert made["spec"]["scaleTargetRef"]["kind"] == "Custom"
    assert made["spec"]["scaleTargetRef"]["apiVersion"] == "example.com/v1"


WORDS = frozenset((
    *("apiVersion", "kind", "operator", "effect", "whenUnsatisfiable", "type", "made_from", "resource"),
    *("cpu", "memory", "max", "defaultRequest", "hard", "requests", "resources"),
))  # fmt: skip
"""Fields, or the maps around them, of words that Kubernetes defines and of amounts: API servers take nothing else."""


def test_a_text_anywhere_else_is_replaced() -> None:
    trace = _trace()
    document = {"events": trace.events, "metadata": trace.extra["metadata"]}
    for path in hostile.places(document):
        if not isinstance(_at(document, path), str) or WORDS & set(path[-2:]):
            continue
        changed = hostile.changed(document, path, "ledger-of-acme")
        assert b"ledger-of-acme" not in anonymous(Trace({**trace.document, **changed}, "x")).to_bytes(), path


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def test_names_are_the_same_ones_everywhere() -> None:
    trace = anonymous(_trace())
    objects = {each["kind"]: each for each in trace.events[0]["applied_objs"]}
    deployment, pool = objects["Deployment"], trace.extra["metadata"]["scenario"]["nodes"][0]
    template = deployment["spec"]["template"]
    team = {key: value for key, value in template["metadata"]["labels"].items() if key != "app"}
    assert deployment["spec"]["selector"]["matchLabels"] == team
    (toleration,), (taint,) = template["spec"]["tolerations"], pool["taints"]
    assert (toleration["key"], toleration["value"]) == (taint["key"], taint["value"])
    terms = template["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    numbers, zones = terms["nodeSelectorTerms"][0]["matchExpressions"]
    assert pool["labels"][numbers["key"]] == "4"
    assert numbers["values"] == ["3"]
    assert [pool["labels"][zones["key"]]] == zones["values"]
    assert template["spec"]["topologySpreadConstraints"][0]["topologyKey"] in pool["labels"]
    (container,) = template["spec"]["containers"]
    assert set(container["resources"]["requests"]) == {"cpu", "memory", *pool["resources"]}
    assert f'{{"{container["name"]}": ' in template["metadata"]["annotations"]["sim-arena.io/demand"]
    scaler = objects["HorizontalPodAutoscaler"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert [each["type"] for each in scaler["metrics"]] == ["Resource"]
    classes = [each for each in trace.extra["metadata"]["unapplied"] if each["kind"] == "PriorityClass"]
    assert classes[0]["metadata"]["name"] == template["spec"]["priorityClassName"]


def test_it_is_a_trace_that_reads_back_and_stays_as_it_is() -> None:
    trace = anonymous(_trace())
    again = read_trace(trace.to_bytes(), "again")
    assert again.document == trace.document
    assert set(again.index) == {"apps/v1.Deployment", "apps/v1.StatefulSet"}


def test_the_order_of_names_stays() -> None:
    names = [f"name-{number}" for number in (3, 1, 20, 11)]
    objects = [_object("Deployment", name, spec={"template": {"spec": {"containers": []}}}) for name in names]
    made = [
        each["metadata"]["name"]
        for each in anonymous(trace_of(Snapshot("x", tuple(objects)))).events[0]["applied_objs"]
    ]
    assert [names[made.index(each)] for each in sorted(made)] == sorted(names)
