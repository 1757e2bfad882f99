"""A trace with other names, so that it can be shared: a replay of it comes to the same end.

Replaced are names of namespaces, objects, containers, nodes, images and ports, labels with their values, taints,
resources that are not Kubernetes' own, and every other text whose field is not listed here as harmless. A text becomes
the same one everywhere, so that selectors, affinities, zones and tolerations hold as before, and the order of names
stays. Amounts, numbers of pods, schedules and times stay as they are: they are what a replay is about.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from env.demand import DEMAND_ANNOTATION, DEMAND_WINDOW_ANNOTATION, read_window
from env.engine.manifests.edited_container import DEFAULT_CONTAINER
from env.engine.manifests.priorities import SYSTEM_PRIORITIES
from env.snapshot.reading import LISTED
from env.trace.document import Manifest, Trace
from env.trace.upgrade import upgraded

Rename = Callable[[str, str], str]
"""A category and a text to what replaces it."""

_SAME = frozenset(
    (
        *("", "true", "false", "True", "False", "Unknown", "metadata.name"),
        *("default", "default-scheduler", "kube-system", "kube-public", "kube-node-lease", *SYSTEM_PRIORITIES),
    )
)
"""Texts that every cluster has."""
_NUMBER = re.compile(r"-?\d{1,7}", re.ASCII)
"""Values that affinities may compare as numbers; longer ones may be of an account or a telephone."""

_HOST = "kubernetes.io/hostname"
_KEYS = frozenset((
    *("app", "k8s-app", "type", "pod-template-hash", "controller-revision-hash", "pod-template-generation"),
    *(f"app.kubernetes.io/{name}" for name in ("name", "instance", "version", "component", "part-of", "managed-by")),
    *(f"kubernetes.io/{name}" for name in ("arch", "os", "hostname", "metadata.name")),
    *(f"beta.kubernetes.io/{name}" for name in ("arch", "os", "instance-type")),
    *(f"{domain}/{name}" for domain in ("topology.kubernetes.io", "failure-domain.beta.kubernetes.io")
      for name in ("zone", "region")),
    *(f"node-role.kubernetes.io/{name}" for name in ("control-plane", "master")),
    *(f"node.kubernetes.io/{name}" for name in (
        "instance-type", "not-ready", "unreachable", "unschedulable", "memory-pressure", "disk-pressure",
        "pid-pressure", "network-unavailable", "out-of-service", "exclude-from-external-load-balancers")),
    "node.cloudprovider.kubernetes.io/uninitialized", "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
))  # fmt: skip
"""Keys of labels and taints that are Kubernetes' own, or that say nothing."""
_VALUES_STAY = frozenset(f"{domain}kubernetes.io/{name}" for domain in ("", "beta.") for name in ("arch", "os"))

_RESOURCES = re.compile(
    r"(requests\.|limits\.)?(cpu|memory|ephemeral-storage|pods|storage|hugepages-\w+|nvidia\.com/gpu|amd\.com/gpu)"
    r"|services(\.\w+)?|configmaps|secrets|persistentvolumeclaims|replicationcontrollers|resourcequotas"
    r"|count/\w+(\.(apps|batch|autoscaling|policy|networking\.k8s\.io))?",
    re.ASCII,
)
_AMOUNTS = frozenset(
    ("requests", "limits", "hard", "capacity", "overhead", "default", "defaultRequest", "max", "min",
     "maxLimitRequestRatio", "resources")
)  # fmt: skip
_LABELS = frozenset(("labels", "matchLabels", "nodeSelector"))
_KEY_FIELDS = frozenset(("topologyKey", "matchLabelKeys", "mismatchLabelKeys"))
_STAY = frozenset((
    *("apiVersion", "kind", "operator", "effect", "type", "cpu", "memory", "schedule", "restartPolicy", "protocol"),
    *("whenUnsatisfiable", "nodeAffinityPolicy", "nodeTaintsPolicy", "podManagementPolicy", "whenDeleted"),
    *("whenScaled", "completionMode", "concurrencyPolicy", "podReplacementPolicy", "action", "preemptionPolicy"),
    *("unhealthyPodEvictionPolicy", "volumeMode", "accessModes", "selectPolicy", "maxUnavailable", "maxSurge"),
    *("minAvailable", "averageValue", "scopes", "scopeName", "succeededIndexes", "made_from"),
))  # fmt: skip
"""Fields of words that Kubernetes defines, and of numbers."""
_LEFT_OUT = frozenset(("timeZone", "hostIP", "managedBy"))
_CATEGORIES = {
    "namespace": "namespace",
    "namespaces": "namespace",
    "containers": "container",
    "initContainers": "container",
    "containerName": "container",
    "container": "container",
    "image": "image",
    "nodeName": "node",
    "names": "node",
    "ports": "port",
    "volumes": "volume",
    "resource": "resource",
    "os": "os",
}


def anonymous(trace: Trace) -> Trace:
    """The trace with other names, in its events and in its metadata."""
    scenario = trace.extra.get("metadata", {})
    given = {
        "events": [
            {**event, **{key: [each for each in event[key] if _is_listed(each)] for key in _OBJECTS}}
            for event in trace.events
        ],
        "unapplied": [each for each in scenario.get("unapplied", ()) if _is_listed(each)],
        "scenario": scenario.get("scenario", {}),
        "lives": [
            {"kind": kind, "namespace": owner.partition("/")[0], "name": owner.partition("/")[2], "lives": lives}
            for (kind, owner), lives in trace.pod_lifecycles.items()
        ],
    }
    seen: dict[str, str] = {}

    def note(category: str, text: str) -> str:
        seen.setdefault(text, category)
        return text

    _walk(given, "", note)
    new = _numbered(seen)
    made = _walk(given, "", lambda _, text: new[text])
    metadata = {key: made[key] for key in ("scenario", "unapplied") if made[key]}
    lives = {(each["kind"], f"{each['namespace']}/{each['name']}"): each["lives"] for each in made["lives"]}
    document = {"version": 1, "events": made["events"], "pod_lifecycles": lives, "metadata": metadata}
    return Trace(upgraded(document), trace.name)


_OBJECTS = ("applied_objs", "deleted_objs")
_KINDS = frozenset(
    (("v1", "ServiceAccount"), ("node.k8s.io/v1", "RuntimeClass"), *((each.api_version, each.kind) for each in LISTED))
)


def _is_listed(manifest: Manifest) -> bool:
    return (manifest["apiVersion"], manifest["kind"]) in _KINDS


def _numbered(seen: Mapping[str, str]) -> dict[str, str]:
    """Each text's new one, in the order of the old ones."""
    of_category: dict[str, list[str]] = defaultdict(list)
    for text, category in seen.items():
        of_category[category].append(text)
    found: dict[str, str] = {}
    for category, texts in of_category.items():
        width = len(str(len(texts)))
        domain = "example.com/" if category == "resource" else ""
        found |= {text: f"{domain}{category}-{number:0{width}}" for number, text in enumerate(sorted(texts), start=1)}
    return found


def _walk(value: Any, field: str, rename: Rename, category: str = "text") -> Any:
    """A value that stands in `field`; a name in it is one of `category`."""
    if isinstance(value, str):
        return _text(value, field, rename, category)
    if isinstance(value, list):
        return [_walk(each, field, rename, category) for each in value]
    if not isinstance(value, dict):
        return value
    if field in _LABELS:
        return {_key(key, rename): _value(key, text, rename) for key, text in value.items()}
    if field in _AMOUNTS and "type" not in value and all(isinstance(each, str | int) for each in value.values()):
        return {_resource(name, rename): amount for name, amount in value.items()}
    if field == "annotations":
        return _annotations(value, rename)
    if isinstance(value.get("key"), str):
        return _requirement(value, rename)
    inner = _category_of(value, field, category)
    return {key: _walk(child, key, rename, inner) for key, child in _kept(value, field).items()}


def _category_of(value: Manifest, field: str, category: str) -> str:
    """What the names in a map are."""
    if isinstance(value.get("kind"), str):
        return str(value["kind"]).lower()
    return _CATEGORIES.get(field, category if field in ("metadata", "spec") else "text")


def _kept(value: Manifest, field: str) -> Manifest:
    kept = {key: child for key, child in value.items() if key not in _LEFT_OUT}
    if field == "scaleTargetRef" and (str(kept.get("apiVersion")), str(kept.get("kind"))) not in _KINDS:
        kept |= {"apiVersion": "example.com/v1", "kind": "Custom"}
    if isinstance(kept.get("metrics"), list):  # an autoscaler's; others than resources have names of their own
        kept["metrics"] = [
            each for each in kept["metrics"] if isinstance(each, dict) and each.get("type") == "Resource"
        ]
    return kept


def _text(text: str, field: str, rename: Rename, category: str) -> str:
    if field in _STAY or text in _SAME:
        return text
    if field in _KEY_FIELDS:
        return _key(text, rename)
    if field == "name" and category in ("resource", "os"):
        return text
    return rename(_CATEGORIES.get(field, category), text)


def _key(key: str, rename: Rename) -> str:
    return key if key in _KEYS or key in _SAME else rename("label", key)


def _value(key: str, value: Any, rename: Rename) -> Any:
    """A label's or a taint's value."""
    if not isinstance(value, str) or key in _VALUES_STAY or value in _SAME or _NUMBER.fullmatch(value):
        return value
    zone = {"zone": "zone", "region": "region"}.get(key.rpartition("/")[2], "value")
    return rename("node" if key == _HOST else zone, value)


def _requirement(value: Manifest, rename: Rename) -> Manifest:
    """What labels or taints must be: a map of `key`, `operator`, and `value` or `values`."""
    key = value["key"]
    found = {field: child for field, child in value.items() if field in ("operator", "effect", "tolerationSeconds")}
    if "value" in value:
        found["value"] = _value(key, value["value"], rename)
    if "values" in value:
        values = value["values"] if isinstance(value["values"], list) else []
        found["values"] = [_value(key, each, rename) for each in values]
    return {"key": _key(key, rename), **found}


def _resource(name: str, rename: Rename) -> str:
    if _RESOURCES.fullmatch(name):
        return name
    prefix = next((each for each in ("requests.", "limits.") if name.startswith(each)), "")
    return prefix + rename("resource", name.removeprefix(prefix))


def _annotations(value: Manifest, rename: Rename) -> Manifest:
    """Those that a replay reads and that hold no text of the cluster."""
    found = {}
    if isinstance(value.get(DEFAULT_CONTAINER), str):
        found[DEFAULT_CONTAINER] = rename("container", value[DEFAULT_CONTAINER])
    try:
        demand = json.loads(value.get(DEMAND_ANNOTATION, ""))
        found[DEMAND_ANNOTATION] = json.dumps({rename("container", name): use for name, use in demand.items()})
    except (ValueError, AttributeError):
        pass
    window_s = read_window(value)
    if window_s is not None:
        found[DEMAND_WINDOW_ANNOTATION] = f"{window_s:.0f}s"
    return found
