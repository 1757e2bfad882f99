"""ResourceQuotas: what the pods of a namespace may ask for together.

Follows kubernetes 1.36 `pkg/quota/v1/evaluator/core/pods.go` and
`staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from env.engine.manifests.fields import Manifest, as_map, as_maps, as_text, as_texts
from env.engine.manifests.resource_list import ONE, ZERO, ResourceList, of_pod, read_resources

COUNT = "count/pods"
"""Counts pods that have ended, too."""

_HUGE_PAGES = "hugepages-"
# Where a quota names one of these, every container has to ask for it.
_DEMANDED = {"cpu", "memory", *(f"{part}.{name}" for part in ("requests", "limits") for name in ("cpu", "memory"))}
_COMPUTE = {"pods", COUNT, "ephemeral-storage", "requests.ephemeral-storage", "limits.ephemeral-storage", *_DEMANDED}


@dataclass(frozen=True, eq=False)
class ResourceQuota:
    """A ResourceQuota, read.

    Attributes:
        hard: What pods may ask for together, of the names that are about pods.
        scopes: Which pods it counts: (scope, operator, values), all of which must hold.
    """

    hard: ResourceList
    scopes: tuple[tuple[str, str, tuple[str, ...]], ...] = ()


def read_resource_quota(spec: Manifest) -> tuple[ResourceQuota, list[str]]:
    """The `spec` of a ResourceQuota, and the names in it that are not about pods.

    Raises:
        ValueError, QuantityError: A field that the API server would refuse.
    """
    hard = read_resources(spec, "hard")
    expressions = as_maps(as_map(spec, "scopeSelector"), "matchExpressions")
    scopes = [(scope, "Exists", ()) for scope in as_texts(spec, "scopes")]
    selected = [
        (as_text(each, "scopeName"), as_text(each, "operator"), tuple(as_texts(each, "values"))) for each in expressions
    ]
    about_pods = {name: each for name, each in hard.items() if _is_about_pods(name)}
    return ResourceQuota(about_pods, (*scopes, *selected)), sorted(set(hard) - set(about_pods))


def _is_about_pods(name: str) -> bool:
    bare = name.removeprefix("requests.")
    is_extended = name.startswith("requests.") and "/" in bare and "kubernetes.io/" not in bare
    return name in _COMPUTE or bare.startswith(_HUGE_PAGES) or is_extended


def counts(quota: ResourceQuota, pod: Manifest) -> bool:
    """Whether it counts a pod of this spec."""
    return bool(quota.hard) and all(_holds(scope, operator, values, pod) for scope, operator, values in quota.scopes)


def _holds(scope: str, operator: str, values: tuple[str, ...], pod: Manifest) -> bool:
    match scope:
        case "Terminating":
            return pod.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return pod.get("activeDeadlineSeconds") is None
        case "BestEffort":
            return _is_best_effort(pod)
        case "NotBestEffort":
            return not _is_best_effort(pod)
        case "PriorityClass":
            name = as_text(pod, "priorityClassName")
            match operator:
                case "In":
                    return name in values
                case "NotIn":
                    return name not in values
                case "DoesNotExist":
                    return not name
            return bool(name)
        case "CrossNamespacePodAffinity":
            affinity = as_map(pod, "affinity")
            return any(_names_namespaces(as_map(affinity, key)) for key in ("podAffinity", "podAntiAffinity"))
    return False


def _is_best_effort(pod: Manifest) -> bool:
    every = [pod, *as_maps(pod, "containers"), *as_maps(pod, "initContainers")]
    lists = (read_resources(as_map(each, "resources"), part) for each in every for part in ("requests", "limits"))
    return not any(each.get(name, ZERO).milli for each in lists for name in ("cpu", "memory"))


def _names_namespaces(affinity: Manifest) -> bool:
    required = as_maps(affinity, "requiredDuringSchedulingIgnoredDuringExecution")
    preferred = as_maps(affinity, "preferredDuringSchedulingIgnoredDuringExecution")
    terms = [*required, *(as_map(each, "podAffinityTerm") for each in preferred)]
    return any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms)


def usage(pod: Manifest) -> ResourceList:
    """What a pod of this spec takes of quotas, 0 left out."""
    requests, limits = (of_pod(pod, part, overhead=True) for part in ("requests", "limits"))
    found = {COUNT: ONE, **_named(requests, limits)}
    return {name: each for name, each in found.items() if each.milli}


def _named(requests: ResourceList, limits: ResourceList) -> ResourceList:
    """Requests and limits under the names that quotas give them."""
    found: ResourceList = {"pods": ONE}
    for name, each in requests.items():
        if name in ("cpu", "memory", "ephemeral-storage") or name.startswith(_HUGE_PAGES):
            found |= {name: each, f"requests.{name}": each}
        elif "/" in name:
            found[f"requests.{name}"] = each
    found |= {f"limits.{name}": limits[name] for name in ("cpu", "memory", "ephemeral-storage") if name in limits}
    return found


def unspecified(quota: ResourceQuota, pod: Manifest) -> str:
    """What containers do not ask for though the quota is about it, in the API server's words; "" for nothing."""
    whole = as_map(pod, "resources")
    if any(name in ("cpu", "memory") for part in ("requests", "limits") for name in as_map(whole, part)):
        return ""
    demanded = sorted(_DEMANDED & set(quota.hard))
    missing: dict[str, list[str]] = {}
    for container in (*as_maps(pod, "containers"), *as_maps(pod, "initContainers")):
        resources = as_map(container, "resources")
        named = _named(read_resources(resources, "requests"), read_resources(resources, "limits"))
        for name in demanded:
            if name not in named:
                missing.setdefault(name, []).append(as_text(container, "name"))
    if not missing:
        return ""
    listed = "; ".join(f"{name} for: {','.join(sorted(missing[name]))}" for name in sorted(missing))
    return f"must specify {listed}"


def exceeded(name: str, quota: ResourceQuota, used: Mapping[str, int], asked: ResourceList) -> str:
    """What a new pod takes too much of, in the API server's words; "" if there is room for it.

    Args:
        name: The quota's.
        quota: The quota.
        used: What the pods that there are take of it, in thousandths.
        asked: What the new one takes.
    """
    over = [
        each
        for each in sorted(asked)
        if each in quota.hard and used.get(each, 0) + asked[each].milli > quota.hard[each].milli
    ]
    if not over:
        return ""
    requested = ",".join(f"{each}={asked[each].text}" for each in over)
    taken = ",".join(f"{each}={_written(used.get(each, 0), asked, each)}" for each in over)
    limited = ",".join(f"{each}={quota.hard[each].text}" for each in over)
    return f"exceeded quota: {name}, requested: {requested}, used: {taken}, limited: {limited}"


def _written(milli: int, asked: ResourceList, name: str) -> str:
    """What is used, in the notation of what is asked."""
    total = asked[name].plus(ZERO._replace(milli=milli - asked[name].milli))
    return total.text if milli else "0"
