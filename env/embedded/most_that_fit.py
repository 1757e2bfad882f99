"""The most pods of one template that nodes can hold at a time, and what bounds it: an upper bound, not a placement.

Each rule is looked at alone, and the nodes are empty. The rules are those of `env.engine.scheduling`, whose files name
their sources.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from env.engine.manifests.fields import Manifest, as_map, as_maps, as_text
from env.engine.manifests.labels import Labels
from env.engine.manifests.pod_template import PodTemplate
from env.engine.manifests.requests import Slot, request_of
from env.engine.manifests.terms import PodAffinityTerm, Taint
from env.engine.scheduling.nodes import Node
from env.engine.scheduling.placement import StaticFilter, admits_affinity, static_table, tolerated, untolerated
from env.quantity import format_cpu, format_memory
from env.words import count

# Labels that controllers give to pods: a template does not tell whether a selector of them means its pods.
_GIVEN_LABELS = ("pod-template-hash", "controller-revision-hash", "pod-name", "pod-index", "batch.kubernetes.io", "job")
_NOT_MODELLED = "namespaceSelector"


@dataclass(frozen=True)
class Bound:
    """At most so many pods, and why not more, a reason each."""

    pods: int
    reasons: tuple[str, ...]


def most_that_fit(
    template: PodTemplate,
    ports: Sequence[tuple[str, str, int]],
    pod: Manifest,
    nodes: Sequence[Node],
    others: Sequence[tuple[str, Labels]],
    *,
    only_template: bool,
    one_per_node: bool = False,
) -> Bound:
    """The most pods of `template` that can be on `nodes` at a time.

    Args:
        template: Of the pods.
        ports: Host ports that they take, as `host_ports` reads them.
        pod: Their spec, to name what asks for most.
        nodes: All there are.
        others: Namespace and labels of all other pods that there may be.
        only_template: The workload has never had pods of another template.
        one_per_node: Each node is to have one pod, as of a DaemonSet.
    """
    room = [_on_node(template, pod, node) for node in nodes]
    unlabelled = _needed_keys(template)
    for row, node in enumerate(nodes):
        missing = next((f"without label {key} ({why})" for key, why in unlabelled if key not in node.labels), None)
        if missing and room[row][0]:
            room[row] = (0, missing)
    if one_per_node:
        room = [(1, "") if each else (0, why) for each, why in room]
    pods = [each for each, _ in room]
    bounds = [Bound(sum(pods), _reasons(room)), *_apart(template, nodes, pods, others, only_template)]
    if ports:
        numbers = ", ".join(str(number) for number in dict.fromkeys(port for _, _, port in ports))
        why = f"host port {numbers} is free once on each node"
        bounds.append(Bound(sum(min(each, 1) for each in pods), (why,)))
    if _is_meant_by_none(template, pod, others):
        bounds.append(Bound(0, ("no pod in the trace is one that its required pod affinity means",)))
    return min(bounds, key=lambda bound: bound.pods)


def _reasons(room: list[tuple[int, str]]) -> tuple[str, ...]:
    """Nodes counted by what keeps the pods off them, or bounds them."""
    found = Counter(reason for _, reason in room if reason)
    return tuple(f"{nodes:,} of {count(len(room), 'node')} {reason}" for reason, nodes in found.most_common())


def _on_node(template: PodTemplate, pod: Manifest, node: Node) -> tuple[int, str]:
    """How many pods an empty node takes, and what bounds that."""
    placement = template.placement
    match StaticFilter(int(static_table(placement, [node])[0, 0])):
        case StaticFilter.UNSCHEDULABLE:
            return 0, "cordoned"
        case StaticFilter.TAINT:
            taint = next(
                each
                for each in node.taints
                if each.effect != "PreferNoSchedule" and not tolerated(each, placement.tolerations)
            )
            return 0, f"with untolerated taint {_taint(taint)}"
        case StaticFilter.AFFINITY | StaticFilter.OTHER_NODE:
            return 0, _mismatch(template, node)
    bounds = [(node.pods, f"with room for {node.pods} pods")]
    amounts = {"cpu": template.cpu_m, "memory": template.memory_bytes, **dict(template.extended)}
    has = {"cpu": node.cpu_m, "memory": node.memory_bytes, **node.extended}
    for name, amount in amounts.items():
        if amount > 0:
            there = has.get(name, 0)
            what = f"with {written(name, there)} {name}" if there else f"without {name}"
            bounds.append((there // amount, f"{what} ({_asks(template, pod, name, amount)})"))
    return min(bounds, key=lambda bound: bound[0])


def _taint(taint: Taint) -> str:
    return f"{taint.key}={taint.value}:{taint.effect}" if taint.value else f"{taint.key}:{taint.effect}"


def _mismatch(template: PodTemplate, node: Node) -> str:
    """The label that the node lacks, or the affinity that it does not match."""
    for key, value in template.placement.node_selector:
        if node.labels.get(key) != value:
            return f"without label {key}={value} (node selector)"
    terms = [json.loads(term) for term in template.placement.terms or ()]
    return f"that do not match node affinity {' or '.join(map(_term, terms)) or 'without terms'}"


def _term(term: Manifest) -> str:
    """A node selector term in words: `disktype In (ssd)`."""
    expressions = [*as_maps(term, "matchExpressions"), *as_maps(term, "matchFields")]
    parts = []
    for each in expressions:
        values = ", ".join(map(str, each.get("values") or ()))
        parts.append(f"{as_text(each, 'key')} {as_text(each, 'operator')}" + (f" ({values})" if values else ""))
    return " and ".join(parts) or "an empty term"


def _asks(template: PodTemplate, pod: Manifest, name: str, amount: int) -> str:
    """How much of a resource a pod asks for, and who of what actions do not change asks for most of it, in words."""
    edited = None if template.origin is None else template.origin[0].edited.of(name)
    pod_asks = f"a pod asks for {'at least ' if name in ('cpu', 'memory') else ''}{written(name, amount)}"
    if as_map(as_map(pod, "resources"), "requests").get(name) is not None:
        return f"{pod_asks}, as its own resources say"
    parts = [
        (request_of(container, name) or 0, slot)
        for field in ("containers", "initContainers")
        for number, container in enumerate(as_maps(pod, field))
        for slot in [Slot(field, number, as_text(container, "name"))]
        if slot != edited
    ]
    request, slot = max(parts, key=lambda part: part[0], default=(0, edited))
    if request == amount:
        return f"{slot} asks for {written(name, amount)}"
    return pod_asks + (f", {written(name, request)} of it for {slot}" if request else "")


def written(name: str, amount: int) -> str:
    """An amount of a resource as people write it."""
    if name == "cpu":
        return format_cpu(amount)
    is_bytes = name in ("memory", "ephemeral-storage") or name.startswith("hugepages-")
    return format_memory(amount) if is_bytes else str(amount)


# --- rules that keep the pods apart ----------------------------------------------------------------------------------


def _needed_keys(template: PodTemplate) -> list[tuple[str, str]]:
    """Labels that a node must have, whatever their value, and what demands them."""
    spread = [(each.topology_key, "topology spread") for each in template.spread if each.hard]
    return [*spread, *((term.topology_key, "pod affinity") for term in template.affinity if not term.weight)]


def _apart(
    template: PodTemplate,
    nodes: Sequence[Node],
    pods: list[int],
    others: Sequence[tuple[str, Labels]],
    only_template: bool,
) -> list[Bound]:
    """What anti-affinity to its own pods and topology spread leave."""
    bounds = []
    for term in template.anti_affinity:
        if not term.weight and _means(term, template.namespace, template.labels):
            why = f"required anti-affinity to its own pods lets one run in each {term.topology_key}"
            bounds.append(_by_domain(term.topology_key, 1, why, nodes, pods))
    for each in template.spread:
        if not each.hard or not each.selects(template.labels):
            continue
        counted: defaultdict[str, int] = defaultdict(int)
        for node, room in zip(nodes, pods, strict=True):
            admitted = not each.honors_affinity or admits_affinity(template.placement, node)
            tolerant = not each.honors_taints or not untolerated(template.placement.tolerations, node.taints)
            if admitted and tolerant and all(key in node.labels for key, _ in _needed_keys(template)):
                counted[node.labels[each.topology_key]] += room
        are_alone = only_template and not any(
            namespace == template.namespace and each.selects(labels) for namespace, labels in others
        )
        if counted and (each.min_domains > len(counted) or (are_alone and 0 in counted.values())):
            are_few = each.min_domains > len(counted)
            state = f"there are {len(counted)} of {each.min_domains}" if are_few else "one takes none"
            why = f"topology spread over {each.topology_key} lets {each.max_skew} run in each while {state}"
            bounds.append(_by_domain(each.topology_key, each.max_skew, why, nodes, pods))
    return bounds


def _by_domain(key: str, most: int, why: str, nodes: Sequence[Node], pods: list[int]) -> Bound:
    """At most so many pods in each domain; nodes without the label are in none."""
    domains: defaultdict[str, int] = defaultdict(int)
    free = 0
    for node, room in zip(nodes, pods, strict=True):
        if key in node.labels:
            domains[node.labels[key]] += room
        else:
            free += room
    return Bound(free + sum(min(most, room) for room in domains.values()), (why,))


def _is_meant_by_none(template: PodTemplate, pod: Manifest, others: Sequence[tuple[str, Labels]]) -> bool:
    """Whether there is never a pod that its required affinity means, the first of its own included."""
    required = [term for term in template.affinity if not term.weight]
    written_terms = json.dumps(as_map(as_map(pod, "affinity"), "podAffinity"), default=str)
    if not required or any(text in written_terms for text in (*_GIVEN_LABELS, _NOT_MODELLED)):
        return False
    everyone: list[tuple[str, Mapping[str, str]]] = [(template.namespace, template.labels), *others]
    return not any(all(_means(term, namespace, labels) for term in required) for namespace, labels in everyone)


def _means(term: PodAffinityTerm, namespace: str, labels: Labels) -> bool:
    return (term.namespaces is None or namespace in term.namespaces) and term.selects(labels)
