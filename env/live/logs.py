"""Logs of pods, and what in them tells that names do not resolve or that the network does not let something through."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from env.api_objects import NoSuchObject, ReadRefused
from env.errors import ClusterError
from env.kube.api_objects import LiveObjects
from env.live.pods import PodState, deployment_of, node_of, pod_key, pod_state, troubles
from env.live.reading import LOG, Manifest, Reader, Seen
from env.live.usage import not_ready_nodes
from env.untrusted import log_lines, mapping, mappings, message, name

MOST_LOGS = 20
"""Pods whose logs are read: those that are not well first, then one of each Deployment."""
TAIL_LINES = 100

NAMES = re.compile(
    r"no such host|temporary failure in name resolution|could not resolve host|name or service not known"
    r"|EAI_AGAIN|ENOTFOUND|UnknownHostException|server misbehaving|failed to resolve|lookup .{1,200}: i/o timeout",
    re.I,
)
"""What resolvers say of names that they cannot resolve, in the words of glibc, curl, Go, Node.js and Java."""
TIMEOUTS = re.compile(
    r"connection timed out|connect timeout|dial tcp .{1,200}: (i/o timeout|connect: connection timed out)|ETIMEDOUT"
    r"|no route to host|EHOSTUNREACH|ConnectTimeout|SocketTimeoutException: connect",
    re.I,
)
"""What clients say of connections that are dropped on the way, as a network policy does."""


def with_logs(seen: Seen, reader: Reader) -> Seen:
    """The same, with the logs of some pods and the network policies. A pod without a log yet has none."""
    objects = LiveObjects(reader.until_late().api)
    found: dict[tuple[str, str], Sequence[str]] = {}
    unread = {key: why for key, why in seen.unread.items() if key != LOG}
    silent: set[str] = set()
    for pod in pods_to_read(seen):
        key = pod_key(pod)
        if node_of(pod) in silent:
            continue
        try:
            found[key] = log_lines(objects.log(*key, _container(pod, seen), TAIL_LINES))[-TAIL_LINES:]
        except NoSuchObject:
            found[key] = ()
        except ReadRefused as error:
            unread[LOG] = str(error)
            break
        except ClusterError as error:  # such as a kubelet that does not answer
            unread[LOG] = str(error)
            silent.add(node_of(pod))
    return reader.with_policies(replace(seen, logs=found, unread=unread))


def pods_to_read(seen: Seen) -> list[Manifest]:
    """The pods whose logs are read."""
    not_ready = not_ready_nodes(seen)
    states = [(pod_state(each, not_ready, seen.at), each) for each in seen.pods if node_of(each)]
    chosen = [each for state, each in states if state is PodState.FAILED]
    of = {(pod_key(each)[0], deployment_of(each)) for each in chosen}
    for state, each in states:
        group = pod_key(each)[0], deployment_of(each) or pod_key(each)[1]
        if state is PodState.RUNNING and group not in of:
            of.add(group)
            chosen.append(each)
    return chosen[:MOST_LOGS]


def line_that_says(pattern: re.Pattern[str], lines: Iterable[str]) -> str:
    """The last line that matches, fit to be shown; empty for none."""
    found = [line for line in lines if pattern.search(line[:2_000])]
    return message(found[-1]) if found else ""


def policy_of(pod: Any, seen: Seen) -> str:
    """A network policy that selects a pod; empty for none."""
    namespace, labels = pod_key(pod)[0], mapping(mapping(pod.get("metadata")).get("labels"))
    for policy in seen.policies:
        selector = mapping(mapping(policy.get("spec")).get("podSelector"))
        if pod_key(policy)[0] == namespace and _selects(selector, labels):
            return pod_key(policy)[1]
    return ""


def _selects(selector: dict[str, Any], labels: dict[str, Any]) -> bool:
    equal = all(labels.get(key) == value for key, value in mapping(selector.get("matchLabels")).items())
    return equal and all(_holds(each, labels) for each in mappings(selector.get("matchExpressions")))


def _holds(expression: dict[str, Any], labels: dict[str, Any]) -> bool:
    key, values = name(expression.get("key")), expression.get("values")
    listed = values if isinstance(values, list) else []
    match expression.get("operator"):
        case "In":
            return labels.get(key) in listed
        case "NotIn":
            return labels.get(key) not in listed
        case "DoesNotExist":
            return key not in labels
    return key in labels


def _container(pod: Any, seen: Seen) -> str:
    """The container in trouble, else the first."""
    for each in troubles(pod, seen.at):
        if each.container:
            return each.container
    return next((name(each.get("name")) for each in mappings(mapping(pod.get("spec")).get("containers"))), "")
