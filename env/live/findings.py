"""What is wrong with a cluster, of what was read of it: one finding for each object, with the evidence.

Kinds of faults are those of `env.doctor.faults`; what is wrong besides is found as well, with no fault, so that no
report calls a cluster healthy that is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from env.doctor.faults import Fault
from env.live.faults_seen import Finding, fault_name
from env.live.logs import NAMES, TIMEOUTS, line_that_says, policy_of
from env.live.pods import PodState, deployment_of, node_of, pod_key, pod_state, read_time, troubles
from env.live.reading import Seen
from env.live.usage import (
    is_cordoned,
    is_ready,
    loads,
    node_conditions,
    node_name,
    not_ready_nodes,
    replicas_of,
)
from env.untrusted import count, mapping, mappings, message, name

STARTS_WITHIN = timedelta(minutes=5)
"""A pod that is not Ready for longer is not just starting."""
DNS_NAMESPACE, DNS_LABEL = "kube-system", ("k8s-app", "kube-dns")
"""Where cluster DNS runs, in the manifests of kubeadm, of clouds and of CoreDNS' own chart."""
_PRESSURE = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
_OVER_QUOTA = "exceeded quota"


def findings(seen: Seen) -> list[Finding]:
    """All that is wrong, nodes first."""
    found = [*_nodes(seen), *_dns(seen), *_pods(seen), *_claims(seen), *_logs(seen), *_loads(seen)]
    about = {(each.namespace, each.owner) for each in found if each.owner}
    return [*found, *_deployments(seen, about)]


def is_dns_known(seen: Seen) -> bool:
    """Whether pods of cluster DNS are among those that were read."""
    return any(_is_dns(pod) for pod in seen.pods)


def amounts(found: list[Finding]) -> dict[Fault, int]:
    """How many objects each fault concerns."""
    result = dict.fromkeys(Fault, 0)
    for fault, _, _, _ in {
        (each.fault, each.kind, each.namespace, each.name) for each in found if each.fault is not None
    }:
        result[fault] += 1
    return result


def _of(fault: Fault, kind: str, key: tuple[str, str], said: str, **more: Any) -> Finding:
    return Finding(fault_name(fault), kind, *key, said, fault, **more)


def _nodes(seen: Seen) -> Iterator[Finding]:
    for node in seen.nodes:
        key, conditions = ("", node_name(node)), node_conditions(node)
        ready = conditions.get("Ready", {})
        if not is_ready(node):
            reason = ": ".join(filter(None, (name(ready.get("reason")), message(ready.get("message")))))
            since = name(ready.get("lastTransitionTime"))
            said = f"NotReady{f' since {since}' if since else ''}: {reason or 'its kubelet has said nothing'}"
            yield _of(Fault.NODE_NOT_READY, "Node", key, said)
        elif is_cordoned(node):
            yield _of(Fault.NODE_CORDONED, "Node", key, "Ready, but cordoned: no pods are placed on it")
        for each in _PRESSURE:
            if is_ready(node) and conditions.get(each, {}).get("status") == "True":
                said = f"{each}: {message(conditions[each].get('message')) or name(conditions[each].get('reason'))}"
                yield Finding("node-pressure", "Node", *key, said)


def _dns(seen: Seen) -> Iterator[Finding]:
    pods = [pod for pod in seen.pods if _is_dns(pod)]
    if pods and not any(_is_pod_ready(pod) for pod in pods):
        said = f"none of the {len(pods)} pods of cluster DNS is Ready"
        yield _of(Fault.DNS, "Deployment", (DNS_NAMESPACE, deployment_of(pods[0]) or "coredns"), said)


def _is_dns(pod: Any) -> bool:
    labels = mapping(mapping(pod.get("metadata")).get("labels"))
    return pod_key(pod)[0] == DNS_NAMESPACE and labels.get(DNS_LABEL[0]) == DNS_LABEL[1]


def _pods(seen: Seen) -> Iterator[Finding]:
    not_ready, unbound, warnings = not_ready_nodes(seen), _unbound(seen), _warnings(seen)
    for pod in seen.pods:
        state = pod_state(pod, not_ready, seen.at)
        if state in (PodState.LEFT_OUT, PodState.UNKNOWN):
            continue  # a pod on a NotReady node is that node's trouble
        key, owner, found = pod_key(pod), deployment_of(pod), False
        for each in troubles(pod, seen.at):
            found = True
            if each.fault is None:
                yield Finding("pod-not-started", "Pod", *key, each.said, None, each.container, owner)
            elif each.fault is not Fault.CLAIM_UNBOUND or not _claims_of(pod, unbound):  # else it is told of the claim
                yield _of(each.fault, "Pod", key, each.said, container=each.container, owner=owner)
        if not found and _is_late(pod, seen.at):
            what = "pod-not-ready" if state is PodState.RUNNING else "pod-not-started"
            yield Finding(what, "Pod", *key, _why_late(pod, warnings.get(("Pod", *key), "")), None, "", owner)


def _is_late(pod: Any, at: datetime) -> bool:
    """Whether it has been without being Ready for too long."""
    conditions = {each.get("type"): each for each in mappings(mapping(pod.get("status")).get("conditions"))}
    since = read_time(conditions.get("Ready", {}).get("lastTransitionTime")) or read_time(
        mapping(pod.get("metadata")).get("creationTimestamp")
    )
    return not _is_pod_ready(pod) and since is not None and at - since > STARTS_WITHIN


def _is_pod_ready(pod: Any) -> bool:
    conditions = mappings(mapping(pod.get("status")).get("conditions"))
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _why_late(pod: Any, warning: str) -> str:
    conditions = {each.get("type"): each for each in mappings(mapping(pod.get("status")).get("conditions"))}
    said = warning or message(conditions.get("Ready", {}).get("message"))
    return said or ("not Ready" if node_of(pod) else "no node, and no scheduler has said why")


def _warnings(seen: Seen) -> dict[tuple[str, str, str], str]:
    """The last Warning that was read about each object: by kind, namespace and name."""
    found = {}
    for event in seen.events:
        if event.get("type") == "Warning":
            about = mapping(event.get("involvedObject"))
            key = name(about.get("kind")), name(about.get("namespace")), name(about.get("name"))
            found[key] = f"{name(event.get('reason'))}: {message(event.get('message'))}"
    return found


def _unbound(seen: Seen) -> set[tuple[str, str]]:
    return {pod_key(claim) for claim in seen.claims if _phase(claim) != "Bound"}


def _claims_of(pod: Any, unbound: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The claims that a pod uses and that are not bound."""
    volumes = mappings(mapping(pod.get("spec")).get("volumes"))
    claims = (name(mapping(volume.get("persistentVolumeClaim")).get("claimName")) for volume in volumes)
    return {(pod_key(pod)[0], each) for each in claims} & unbound


def _claims(seen: Seen) -> Iterator[Finding]:
    """Claims that are lost, or that a pod waits for; one that nothing uses may rightly wait for its first pod."""
    waiting: dict[tuple[str, str], Any] = {}
    unbound, warnings = _unbound(seen), _warnings(seen)
    for pod in seen.pods:
        if mapping(pod.get("status")).get("phase") == "Pending":
            waiting |= dict.fromkeys(_claims_of(pod, unbound), pod)
    for claim in seen.claims:
        key = pod_key(claim)
        if _phase(claim) == "Lost":
            yield _of(Fault.CLAIM_UNBOUND, "PersistentVolumeClaim", key, "its volume is lost")
        elif key in waiting:
            class_ = name(mapping(claim.get("spec")).get("storageClassName")) or "the default one, if there is one"
            why = warnings.get(("PersistentVolumeClaim", *key)) or f"storage class {class_}"
            said = f"not bound, and pod {pod_key(waiting[key])[1]} waits for it: {why}"
            yield _of(Fault.CLAIM_UNBOUND, "PersistentVolumeClaim", key, said, owner=deployment_of(waiting[key]))


def _phase(claim: Any) -> str:
    return name(mapping(claim.get("status")).get("phase"))


def _logs(seen: Seen) -> Iterator[Finding]:
    by_key = {pod_key(pod): pod for pod in seen.pods}
    for key, lines in seen.logs.items():
        pod = by_key.get(key)
        if pod is None:
            continue
        owner = deployment_of(pod)
        if said := line_that_says(NAMES, lines):
            yield _of(Fault.DNS, "Pod", key, f"its log says: {said}", owner=owner)
        policy = policy_of(pod, seen)
        if policy and (said := line_that_says(TIMEOUTS, lines)):
            said = f"selects pod {key[1]}, whose log says: {said}"
            yield _of(Fault.NETWORK_POLICY, "NetworkPolicy", (key[0], policy), said)


def _loads(seen: Seen) -> Iterator[Finding]:
    for load in loads(seen):
        used = f"{load.used_percent:.0f} % of the CPU that they request"
        said = f"{load.replicas} replicas use {used}; {load.needed} would do"
        key = load.namespace, load.name
        if load.too_few:
            yield _of(Fault.TOO_FEW_REPLICAS, "Deployment", key, said, wanted=load.needed)
        elif load.too_many:
            yield _of(Fault.TOO_MANY_REPLICAS, "Deployment", key, said, wanted=load.needed)


def is_unavailable(deployment: Any) -> bool:
    """Whether fewer pods are available than it is to have."""
    return count(mapping(deployment.get("status")).get("availableReplicas")) < replicas_of(deployment)


def _deployments(seen: Seen, told: set[tuple[str, str]]) -> Iterator[Finding]:
    """Those that cannot create pods, and those that lack pods without a pod to blame."""
    not_ready = not_ready_nodes(seen)
    on_lost_nodes = {(pod_key(pod)[0], deployment_of(pod)) for pod in seen.pods if node_of(pod) in not_ready}
    for deployment in seen.deployments:
        key = pod_key(deployment)
        status = mapping(deployment.get("status"))
        conditions = {each.get("type"): each for each in mappings(status.get("conditions"))}
        refused = conditions.get("ReplicaFailure", {})
        said = message(refused.get("message"))
        if refused.get("status") == "True" and _OVER_QUOTA in said:
            yield _of(Fault.QUOTA_USED_UP, "Deployment", key, said, owner=key[1])
        elif refused.get("status") == "True":
            yield Finding("pods-not-created", "Deployment", *key, said, None, "", key[1])
        elif is_unavailable(deployment) and key not in told | on_lost_nodes and _is_overdue(conditions, seen.at):
            has = count(status.get("availableReplicas"))
            said = f"{has} of {replicas_of(deployment)} pods available"
            why = conditions.get("Progressing", {}) if has else conditions.get("Available", {})
            yield Finding("deployment-unavailable", "Deployment", *key,
                          ": ".join(filter(None, (said, message(why.get("message"))))), None, "", key[1])  # fmt: skip


def _is_overdue(conditions: dict[Any, dict[str, Any]], at: datetime) -> bool:
    """Whether it is not just rolling out."""
    changed = read_time(conditions.get("Progressing", {}).get("lastUpdateTime"))
    return changed is None or at - changed > STARTS_WITHIN
