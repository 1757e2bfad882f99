"""What there is to see of a cluster: objects as an API server holds them -> answers. Pure but for reading them.

Answers are small: what no tool shows is not in them, so neither are Secrets, environment variables, commands and
arguments of containers, managedFields, nor copies of a whole manifest in an annotation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from env.api_objects import ApiObjects, Manifest, NoSuchObject
from env.untrusted import (
    LONGEST_NAME,
    MOST_ENTRIES,
    count,
    log_lines,
    mapping,
    mappings,
    message,
    name,
    texts,
)
from env.workload import KINDS
from runner.mcp.answers import (
    Condition,
    ContainerSpec,
    Deployment,
    Event,
    Events,
    Node,
    Nodes,
    PodLog,
    Pods,
)
from runner.mcp.pod_status import MOST_CONTAINERS, is_well, pod_status

MOST_PODS = 50
MOST_NODES = 50
LONGEST_LOG = 12_000
"""Characters of a log that are shown."""

_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_COPIES = re.compile(r"last-applied|/(original|applied)\b|^sim-arena\.io/")
_HASH = "[a-z0-9]{1,10}"


def get_pods(objects: ApiObjects, namespace: str) -> Pods:
    """The pods of a namespace, those that are not Ready first, then by name."""
    pods = sorted(objects.pods(namespace), key=lambda pod: (is_well(pod), _name_of(pod)))
    shown = [pod_status(each) for each in pods[:MOST_PODS]]
    return Pods(namespace=namespace, total=len(pods), shown=len(shown), pods=shown)


def describe_deployment(objects: ApiObjects, namespace: str, deploy: str) -> Deployment:
    """What a Deployment asks for, and what it has."""
    found = objects.deployment(namespace, deploy)
    if found is None:
        raise NoSuchObject(f"Deployment {namespace}/{deploy}")
    metadata, spec, status = (mapping(found.get(key)) for key in ("metadata", "spec", "status"))
    pod = mapping(mapping(spec.get("template")).get("spec"))
    return Deployment(
        namespace=namespace,
        name=deploy,
        desired=count(spec["replicas"]) if "replicas" in spec else 1,
        current=count(status.get("replicas")),
        updated=count(status.get("updatedReplicas")),
        ready=count(status.get("readyReplicas")),
        available=count(status.get("availableReplicas")),
        paused=spec.get("paused") is True,
        strategy=_strategy(mapping(spec.get("strategy"))),
        selector=texts(mapping(spec.get("selector")).get("matchLabels")),
        annotations=_annotations(metadata),
        containers=[
            *(_container_spec(each, init=True) for each in mappings(pod.get("initContainers"))[:MOST_CONTAINERS]),
            *(_container_spec(each, init=False) for each in mappings(pod.get("containers"))[:MOST_CONTAINERS]),
        ],
        conditions=[_condition(each) for each in mappings(status.get("conditions"))[:MOST_ENTRIES]],
    )


def get_events(objects: ApiObjects, namespace: str, deploy: str, last_n: int) -> Events:
    """The last Events about a Deployment, its ReplicaSets and its pods; or about a workload of another kind."""
    every = [(each, mapping(each.get("involvedObject"))) for each in objects.events(namespace)]
    own = _family(deploy)
    found = [each for each, about in every if own(about)]
    if not found and objects.deployment(namespace, deploy) is None:
        others = _other_family(deploy)
        found = [each for each, about in every if others(about)]
        if not found:
            raise NoSuchObject(f"Deployment {namespace}/{deploy}")
    found.sort(key=_seen_at)
    shown = [_event(each) for each in found[-last_n:]]
    return Events(namespace=namespace, deployment=deploy, total=len(found), shown=len(shown), events=shown)


def get_pod_logs(objects: ApiObjects, namespace: str, pod_name: str, tail_lines: int, container: str = "") -> PodLog:
    """The end of the log of a container: of the one that is asked for, else of the one that matters most."""
    pod = next((p for p in objects.pods(namespace) if mapping(p.get("metadata")).get("name") == pod_name), None)
    if pod is None:
        raise NoSuchObject(f"pod {namespace}/{pod_name}")
    names = [str(each.get("name")) for each in mappings(mapping(pod.get("spec")).get("containers"))]
    inits = [str(each.get("name")) for each in mappings(mapping(pod.get("spec")).get("initContainers"))]
    chosen = container or _likeliest(pod, names)
    if chosen not in (*names, *inits):
        raise NoSuchObject(f"container {chosen} of pod {namespace}/{pod_name}; it has {', '.join((*names, *inits))}")
    if not mapping(pod.get("spec")).get("nodeName"):
        raise NoSuchObject(f"pod {namespace}/{pod_name} has no node yet, so that it has no log; see get_pods")
    every = log_lines(objects.log(namespace, pod_name, chosen, tail_lines))[-tail_lines:]
    text = "\n".join(every)
    cut = len(text) > LONGEST_LOG
    if cut:
        text = text[-LONGEST_LOG:].partition("\n")[2] or text[-LONGEST_LOG:]
    return PodLog(
        namespace=namespace,
        pod=pod_name,
        container=chosen,
        other_containers=[name(each) for each in (*names, *inits) if each != chosen][:MOST_CONTAINERS],
        lines=text.count("\n") + 1 if text else 0,
        cut=cut,
        log=text,
    )


def get_nodes(objects: ApiObjects) -> Nodes:
    """The nodes, those that are not Ready first, then by name."""
    nodes = sorted(objects.nodes(), key=lambda node: (_is_ready(node) and _is_schedulable(node), _name_of(node)))
    shown = [_node(each) for each in nodes[:MOST_NODES]]
    return Nodes(total=len(nodes), shown=len(shown), nodes=shown)


def _name_of(held: Manifest) -> str:
    return name(mapping(held.get("metadata")).get("name"))


def _strategy(strategy: Manifest) -> str:
    kind = name(strategy.get("type")) or "RollingUpdate"
    rolling = mapping(strategy.get("rollingUpdate"))
    surge, unavailable = (name(rolling.get(key)) or "25%" for key in ("maxSurge", "maxUnavailable"))
    return kind if kind != "RollingUpdate" else f"{kind}, max surge {surge}, max unavailable {unavailable}"


def _annotations(metadata: Manifest) -> dict[str, str]:
    """What people write; copies of manifests are not shown, as they hold all that is left out elsewhere."""
    own = mapping(metadata.get("annotations"))
    return texts({
        key: value
        for key, value in own.items()
        if isinstance(value, str) and len(value) <= LONGEST_NAME and not _COPIES.search(key) and value[:1] not in "{["
    })  # fmt: skip


def _container_spec(container: Manifest, *, init: bool) -> ContainerSpec:
    resources = mapping(container.get("resources"))
    return ContainerSpec(
        name=name(container.get("name")),
        init=init,
        image=name(container.get("image")) or None,
        requests=texts(resources.get("requests")),
        limits=texts(resources.get("limits")),
    )


def _condition(condition: Manifest) -> Condition:
    return Condition(
        type=name(condition.get("type")),
        status=name(condition.get("status")),
        reason=name(condition.get("reason")) or None,
        message=message(condition.get("message")) or None,
    )


def _family(deploy: str) -> Any:
    """Whether an Event is about a Deployment or what is made for it, told by names: what is gone has no owner to ask.

    ReplicaSets are called `<Deployment>-<hash>`, pods `<ReplicaSet>-<5 characters>`, of which the API server cuts the
    first part to 58 characters.
    """
    sets = re.compile(f"{re.escape(deploy)}-{_HASH}")
    pods = re.compile(f"{re.escape(deploy)}-{_HASH}-[a-z0-9]{{5}}")
    is_long = len(deploy) > 45
    cut = f"{deploy}-"[:58]

    def own(about: Manifest) -> bool:
        kind, called = about.get("kind"), str(about.get("name") or "")
        if kind == "Deployment":
            return called == deploy
        if kind == "ReplicaSet":
            return sets.fullmatch(called) is not None
        if kind == "Pod":
            return pods.fullmatch(called) is not None or (is_long and len(called) == 63 and called.startswith(cut))
        return False

    return own


def _other_family(name_: str) -> Any:
    """Whether an Event is about a StatefulSet, DaemonSet or ReplicaSet of a name, or one of its pods."""
    pods = re.compile(rf"{re.escape(name_)}-([0-9]{{1,6}}|[a-z0-9]{{5}})")

    def own(about: Manifest) -> bool:
        kind, called = about.get("kind"), str(about.get("name") or "")
        return (called == name_ and kind in KINDS) or (kind == "Pod" and pods.fullmatch(called) is not None)

    return own


def _seen_at(event: Manifest) -> str:
    series, metadata = mapping(event.get("series")), mapping(event.get("metadata"))
    times = (event.get("lastTimestamp"), series.get("lastObservedTime"), event.get("eventTime"),
             event.get("firstTimestamp"), metadata.get("creationTimestamp"))  # fmt: skip
    return next((name(each).removesuffix("Z") for each in times if each), "")


def _event(event: Manifest) -> Event:
    about, source = mapping(event.get("involvedObject")), mapping(event.get("source"))
    times = count(event.get("count")) or count(mapping(event.get("series")).get("count")) or 1
    seen = _seen_at(event)
    return Event(
        type=name(event.get("type")) or "Normal",
        reason=name(event.get("reason")),
        object=f"{name(about.get('kind'))}/{name(about.get('name'))}",
        count=times,
        last_seen=f"{seen}Z" if seen else None,
        source=name(source.get("component")) or name(event.get("reportingComponent")) or None,
        message=message(event.get("message")),
    )


def _likeliest(pod: Manifest, names: list[str]) -> str:
    """The container that an annotation names, as for kubectl logs; else the first that is not Ready; else the first."""
    annotations = mapping(mapping(pod.get("metadata")).get("annotations"))
    unready = [
        str(each.get("name"))
        for each in mappings(mapping(pod.get("status")).get("containerStatuses"))
        if each.get("ready") is not True
    ]
    choices: Iterable[Any] = (annotations.get(_DEFAULT_CONTAINER), *unready, *names)
    return next((each for each in choices if each in names), "")


def _node(node: Manifest) -> Node:
    metadata, spec, status = (mapping(node.get(key)) for key in ("metadata", "spec", "status"))
    amounts = mapping(status.get("allocatable"))
    conditions = mappings(status.get("conditions"))
    return Node(
        name=name(metadata.get("name")),
        ready=_is_ready(node),
        schedulable=_is_schedulable(node),
        **{key: name(amounts.get(key)) or "0" for key in ("cpu", "memory", "pods")},
        other_resources=texts({k: v for k, v in amounts.items() if k not in ("cpu", "memory", "pods") and v != "0"}),
        taints=[_taint(each) for each in mappings(spec.get("taints"))[:MOST_ENTRIES]],
        problems=[
            f"{name(each.get('type'))}={name(each.get('status'))}: {message(each.get('message'))}"
            for each in conditions
            if (each.get("status") == "True") != (each.get("type") == "Ready")
        ][:MOST_ENTRIES],
    )


def _is_ready(node: Manifest) -> bool:
    conditions = mappings(mapping(node.get("status")).get("conditions"))
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _is_schedulable(node: Manifest) -> bool:
    return mapping(node.get("spec")).get("unschedulable") is not True


def _taint(taint: Manifest) -> str:
    value = name(taint.get("value"))
    return f"{name(taint.get('key'))}{'=' if value else ''}{value}:{name(taint.get('effect'))}"
