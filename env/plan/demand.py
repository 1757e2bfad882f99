"""What has to be placed: groups of equal pods, and how many of each an empty node of an offer takes.

Only what decides about one pod alone is here: requests beside those of DaemonSets, labels and taints, and how many
pods of a group one node may have at most. Spread and affinity among nodes are left to the engine, so that what follows
from these numbers is a relaxation: whatever the engine places meets it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from env.embedded.neighbours import wanted_pods
from env.embedded.survey import template_of
from env.engine.control_plane import ControlPlane
from env.engine.controllers.cron_job import CronJob
from env.engine.controllers.daemon_set import DaemonSet
from env.engine.controllers.job import Job
from env.engine.manifests.labels import HOSTNAME
from env.engine.manifests.pod_template import PodTemplate
from env.engine.scheduling.nodes import Node
from env.engine.scheduling.placement import static_table
from env.jit import Ints
from env.plan.offers import Offer, pools_of
from env.problems.virtual_nodes import virtual_nodes

CPU, MEMORY, PODS = 0, 1, 2

Key = tuple[str, str, str]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PodGroup:
    """Equal pods of one workload.

    Attributes:
        key: Kind, namespace and name of the workload.
        template: What they are made from.
        count: How many there are to be.
        alone: One node takes only one of them: by anti-affinity to each other, or by a host port.
    """

    key: Key
    template: PodTemplate
    count: int
    alone: bool


@dataclass(frozen=True, eq=False)
class Demand:
    """All that has to be placed.

    Attributes:
        groups: Pods that go to any node that takes them.
        daemons: What DaemonSets run on every node that admits them.
    """

    groups: tuple[PodGroup, ...]
    daemons: tuple[PodTemplate, ...]

    def without(self, pods: Mapping[Key, int]) -> Demand:
        """The same without so many pods of workloads."""
        left = (replace(group, count=group.count - pods.get(group.key, 0)) for group in self.groups)
        return Demand(tuple(group for group in left if group.count > 0), self.daemons)


@dataclass(frozen=True, eq=False)
class Table:
    """The demand and the offers as numbers; groups are rows, offers columns.

    Attributes:
        requests: int64 of shape (groups, resources): millicores, bytes, pods (1), then extended resources.
        counts: Pods of each group, int64 of shape (groups,).
        rooms: What an empty node has beside its DaemonSets, int64 of shape (offers, resources).
        fits: How many pods of a group an empty node takes, int64 of shape (groups, offers); 0: none.
        prices: float64 of shape (offers,): dollars an hour, or 1 for each node where those are not known.
    """

    requests: Ints
    counts: Ints
    rooms: Ints
    fits: Ints
    prices: Floats


def demand_of(plane: ControlPlane) -> Demand:
    """What the workloads of a replay want at its end, placed or not."""
    groups, daemons = [], []
    for workload in plane.workloads.values():
        template = plane.api.admission.defaulted(template_of(workload))
        if isinstance(workload, DaemonSet):
            daemons.append(plane.api.admission.defaulted(workload.spec.on_any_node))
            continue
        live = sum(not (pod.leaving or pod.deleted or pod.ended) for pod in workload.pods())
        count = live if isinstance(workload, Job) else max(live, wanted_pods(workload))
        if isinstance(workload, CronJob) or not count or template.unscheduled or template.node_name:
            continue
        key = workload.kind, workload.ref.namespace, workload.ref.name
        groups.append(PodGroup(key, template, count, _is_alone(template)))
    return Demand(tuple(groups), tuple(daemons))


def table_of(demand: Demand, offers: Sequence[Offer]) -> Table:
    """The demand on these offers, in numbers."""
    nodes = [_node(offer) for offer in offers]
    extended = sorted({name for group in demand.groups for name, _ in group.template.extended})
    requests: Ints = np.array([_amounts(g.template, extended) for g in demand.groups], dtype=np.int64)
    requests = requests.reshape(len(demand.groups), 3 + len(extended))
    rooms: Ints = np.array(
        [[n.cpu_m, n.memory_bytes, n.pods, *(n.extended.get(name, 0) for name in extended)] for n in nodes],
        dtype=np.int64,
    )
    for template in demand.daemons:
        admits = static_table(template.placement, nodes)[0] == 0
        rooms[admits] -= np.array(_amounts(template, extended), dtype=np.int64)
    rooms = np.maximum(rooms, 0)
    fitting = [_fitting(group, row, rooms, nodes) for group, row in zip(demand.groups, requests, strict=True)]
    fits: Ints = np.array(fitting, dtype=np.int64).reshape(len(demand.groups), len(offers))
    known = all(offer.usd_per_hour is not None for offer in offers)
    prices = np.array([offer.usd_per_hour if known else 1.0 for offer in offers], dtype=np.float64)
    counts: Ints = np.array([group.count for group in demand.groups], dtype=np.int64)
    return Table(requests, counts, rooms, fits, prices)


def most_fitting(free: Ints, request: Ints) -> Ints:
    """How many pods with a request fit into what each node has left: int64 of shape (nodes,)."""
    asked = request > 0
    if not len(free):
        return np.zeros(0, dtype=np.int64)
    found: Ints = np.maximum(free[:, asked] // request[asked], 0).min(axis=1)
    return found


def _fitting(group: PodGroup, request: Ints, rooms: Ints, nodes: Sequence[Node]) -> Ints:
    admits = static_table(group.template.placement, nodes)[0] == 0
    most = most_fitting(rooms, request) * admits
    fitting: Ints = np.minimum(most, 1) if group.alone else most
    return fitting


def _node(offer: Offer) -> Node:
    return virtual_nodes(pools_of([offer], [1]))[0]


def _amounts(template: PodTemplate, extended: Sequence[str]) -> list[int]:
    more = dict(template.extended)
    return [template.cpu_m, template.memory_bytes, 1, *(more.get(name, 0) for name in extended)]


def _is_alone(template: PodTemplate) -> bool:
    return bool(template.host_ports) or any(
        not term.weight
        and term.topology_key == HOSTNAME
        and (term.namespaces is None or template.namespace in term.namespaces)
        and term.selects(template.labels)
        for term in template.anti_affinity
    )
