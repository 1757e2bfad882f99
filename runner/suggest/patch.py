"""The difference between a recorded workload and a changed one, as a patch for kubectl."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from env.errors import ScenarioError
from env.problems.scenario import Scenario
from env.trace.document import Manifest, Trace
from env.workload import WorkloadRef, is_of, object_ref

# k8s.io/apimachinery, pkg/util/validation: IsDNS1123Label and IsDNS1123Subdomain.
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*", re.ASCII)
_LONGEST_LABEL, _LONGEST_SUBDOMAIN = 63, 253


def last_manifest(trace: Trace, scenario: Scenario) -> Manifest:
    """The scenario's workload as `trace`, the recorded one or an edit of it, applies it last.

    Raises:
        ScenarioError: The replay does not apply it.
    """
    found: list[Manifest] = [
        manifest
        for event in trace.events_within(scenario.duration_s)
        for manifest in event["applied_objs"]
        if is_of(manifest, scenario.workload)
    ]
    if not found:
        raise ScenarioError(f"trace {trace.name}: the replay applies no {scenario.workload.title}")
    return found[-1]


def strategic_patch(old: Manifest, new: Manifest) -> dict[str, Any]:
    """The smallest strategic merge patch that makes `new` of `old`, of which `env.trace.edit.edited` made it.

    Containers and init containers are merged by their names, so the patch holds only those that change.
    """
    patch: dict[str, Any] = {}
    if new["spec"].get("replicas") != old["spec"].get("replicas"):
        patch["replicas"] = new["spec"]["replicas"]
    pods = (old["spec"]["template"]["spec"], new["spec"]["template"]["spec"])
    fields = {}
    for field in ("containers", "initContainers"):
        before, after = (pod.get(field) or [] for pod in pods)
        changed = [_container(*pair) for pair in zip(before, after, strict=True)]
        if any(changed):
            fields[field] = [each for each in changed if each]
    if fields:
        patch["template"] = {"spec": fields}
    return {"spec": patch}


def changes(old: Manifest, new: Manifest) -> tuple[str, ...]:
    """What differs between the two, as `cpu 17 -> 16`; with the container's name where there are several."""
    said = []
    if old["spec"].get("replicas") != new["spec"].get("replicas"):
        said.append(f"replicas {old['spec'].get('replicas', 1)} -> {new['spec']['replicas']}")
    before, after = (_containers(each) for each in (old, new))
    for was, here in zip(before, after, strict=True):
        name = f"{was['name']}: " if len(before) > 1 else ""
        asked, asks = ((each.get("resources") or {}).get("requests") or {} for each in (was, here))
        limited, limits = ((each.get("resources") or {}).get("limits") or {} for each in (was, here))
        for resource in _changed(asked, asks):
            said.append(f"{name}{resource} {asked.get(resource, limited.get(resource, 'none'))} -> {asks[resource]}")
        for resource in _changed(limited, limits):
            said.append(f"{name}{resource} limit {limited.get(resource, 'none')} -> {limits[resource]}")
    return tuple(said)


def patch_command(workload: WorkloadRef, patch: dict[str, Any]) -> str:
    """The kubectl command that applies a patch to a workload, quoted for a POSIX shell."""
    text = json.dumps(patch, separators=(",", ":"))
    where = [workload.kind.lower(), workload.name, "-n", workload.namespace]
    return shlex.join(["kubectl", "patch", *where, "--type", "strategic", "-p", text])


def check_names(manifest: Manifest) -> None:
    """Accept a workload whose names the API server would accept, so that a patch by name hits what it is meant for.

    Raises:
        ScenarioError: A name that it would refuse, or two containers of one name.
    """
    kind, ref = manifest["kind"], object_ref(manifest)
    names = [container.get("name") for container in _containers(manifest)]
    _check_name(kind, ref.name, _SUBDOMAIN, _LONGEST_SUBDOMAIN)
    _check_name("namespace", ref.namespace, _LABEL, _LONGEST_LABEL)
    for name in names:
        _check_name("container", name, _LABEL, _LONGEST_LABEL)
    if len(set(names)) < len(names):
        raise ScenarioError(f"{kind} {ref}: two containers of one name; Kubernetes would refuse it")


def _check_name(what: str, name: object, pattern: re.Pattern[str], longest: int) -> None:
    if not isinstance(name, str) or len(name) > longest or not pattern.fullmatch(name):
        wanted = f"at most {longest} lower-case letters, digits and '-'" + (" or '.'" if pattern is _SUBDOMAIN else "")
        raise ScenarioError(f"{what} name {name!r:.80}: Kubernetes would refuse it; must be {wanted}")


def _container(old: Manifest, new: Manifest) -> dict[str, Any]:
    """The part of the patch for one container; empty if it stays as it is."""
    before, asked = old.get("resources") or {}, new.get("resources") or {}
    changed = {part: _changed(before.get(part) or {}, asked.get(part) or {}) for part in ("requests", "limits")}
    resources = {part: amounts for part, amounts in changed.items() if amounts}
    return {"name": old["name"], "resources": resources} if resources else {}


def _changed(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in new.items() if old.get(name) != value}


def _containers(manifest: Manifest) -> list[dict[str, Any]]:
    """The containers and init containers of a manifest that a replay has accepted or will refuse.

    Raises:
        ScenarioError: There are no containers.
    """
    try:
        pod = manifest["spec"]["template"]["spec"]
        found = [pod["containers"], pod.get("initContainers") or []]
    except (AttributeError, KeyError, TypeError):
        found = [[]]
    if not found[0] or not all(isinstance(part, list) and all(isinstance(c, dict) for c in part) for part in found):
        raise ScenarioError(f"{manifest['kind']} {object_ref(manifest)}: has no containers in its pod template")
    return [container for part in found for container in part]
