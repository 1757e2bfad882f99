"""Scenarios for `sim-arena truth record`, made from a seed: ten kinds, each about one thing.

single, seed_sizes   one Deployment on mixed nodes; sizes at a node's very edge
multi                several Deployments that compete, some applied later
quantities           every way to write a quantity; limits without requests, init containers
scale, rollout       replicas, or the template, change from step to step
placement            selectors, affinity, taints, topology spread
podcap               nodes that take few pods
kinds                a StatefulSet, a Job or a bare Pod beside a Deployment
preempt              a second Deployment of a higher priority
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from env.errors import ConfigError
from env.fidelity.truth import Manifest, RecordedNode, RecordedScenario, RecordedTaint

Draw = np.random.Generator
Play = tuple[list[RecordedNode], list[list[Manifest]]]

_ZONES = ("a", "b", "c")
_NODE_CPU = ("2", "4", "8", "16")
_NODE_MEMORY = ("4Gi", "8Gi", "16Gi", "32Gi")
_NODE_COUNTS = (1, 2, 3, 3, 4, 6, 8)


def generate_scenarios(count: int, seed: int, kinds: Sequence[str] = ()) -> list[RecordedScenario]:
    """Scenarios without outcomes: always the same ones for the same arguments.

    Args:
        count: How many.
        seed: At least 0. The scenario of a number does not depend on `count`.
        kinds: Which kinds, in turn; none: all, the richer ones more often.

    Raises:
        ConfigError: There is no such kind.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise ConfigError(f"--kind {unknown[0]}: unknown; there are {', '.join(KINDS)}")
    deck = list(kinds) or [kind for kind, (often, _) in KINDS.items() for _ in range(often)]
    return [_scenario(deck[number % len(deck)], seed, number) for number in range(count)]


def _scenario(kind: str, seed: int, number: int) -> RecordedScenario:
    draw = np.random.default_rng([seed, number])
    nodes, steps = KINDS[kind][1](draw)
    return RecordedScenario(id=f"{kind}-{seed}-{number}", kind=kind, nodes=nodes, steps=steps)


def _single(draw: Draw) -> Play:
    nodes = _mixed_nodes(draw)
    return nodes, [[_deployment("web", _count(draw, 1, 12), [_asks(draw)])]]


def _seed_sizes(draw: Draw) -> Play:
    nodes = _equal_nodes(draw, "16", "32Gi", labels={"type": "virtual"})
    cpu = _pick(draw, ("500m", "8", "15500m", "16000m", "17000m"))
    memory = _pick(draw, ("256Mi", "2Gi", "16Gi", "32Gi", "17Gi"))
    return nodes, [[_deployment("web", _count(draw, 1, 8), [{"cpu": cpu, "memory": memory}])]]


def _multi(draw: Draw) -> Play:
    names = [f"d{i}" for i in range(_count(draw, 2, 5))]
    objects = [_deployment(name, _count(draw, 1, 6), _containers(draw)) for name in names]
    steps = [objects] if draw.random() < 0.6 else [[each] for each in objects]
    return _mixed_nodes(draw), steps


def _quantities(draw: Draw) -> Play:
    first: Manifest = _pick(
        draw,
        (
            {"requests": {"cpu": "0.25"}},
            {"requests": {"cpu": "3", "memory": "2e9"}},
            {"requests": {"cpu": "1.0005", "memory": "4000M"}},
            {"requests": {"cpu": "100m"}, "limits": {"cpu": "8", "memory": "12Gi"}},
            {"limits": {"cpu": "2", "memory": "3Gi"}},
            {},
        ),
    )
    containers = [first, {"requests": {"cpu": "250m", "memory": "64Mi"}}][: _count(draw, 1, 2)]
    pod: Manifest = {}
    if draw.random() < 0.4:
        init = {"cpu": _pick(draw, ("100m", "5", "17")), "memory": "1Gi"}
        pod["initContainers"] = [{"name": "init", "image": "x", "resources": {"requests": init}}]
    nodes = _equal_nodes(draw, _pick(draw, ("4", "8", "16")), _pick(draw, ("16Gi", "32Gi", "64Gi")))
    return nodes, [[_deployment("web", _count(draw, 1, 5), containers, resources=True, **pod)]]


def _scale(draw: Draw) -> Play:
    asks = [_asks(draw)]
    steps = [[_deployment("web", _count(draw, 0 if step else 1, 10), asks)] for step in range(3)]
    return _mixed_nodes(draw), steps


def _rollout(draw: Draw) -> Play:
    replicas = _count(draw, 1, 8)
    strategy: Manifest | None = _pick(
        draw,
        (
            None,
            {"type": "Recreate"},
            {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "34%"}},
            {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "50%", "maxUnavailable": "50%"}},
        ),
    )
    steps = [[_deployment("web", replicas, [_asks(draw)], strategy=strategy)] for _ in range(_count(draw, 2, 3))]
    return _mixed_nodes(draw), steps


def _placement(draw: Draw) -> Play:
    nodes = []
    for i in range(_pick(draw, (3, 4, 6))):
        zone, kind = _ZONES[i % 3], _pick(draw, ("virtual", "real"))
        taints = [RecordedTaint(key="kwok-provider", value="true", effect="NoSchedule")] if kind == "virtual" else []
        labels = {"topology.kubernetes.io/zone": zone, "zone": zone, "type": kind}
        cpu, memory = _pick(draw, _NODE_CPU), _pick(draw, _NODE_MEMORY[1:])
        nodes.append(
            RecordedNode(
                name=f"n{i}", cpu=cpu, memory=memory, labels=labels, taints=taints, unschedulable=draw.random() < 0.15
            )
        )
    return nodes, [[_deployment("web", _count(draw, 1, 6), [_asks(draw)], **_constraints(draw))]]


def _constraints(draw: Draw) -> Manifest:
    topology = _pick(draw, ("kubernetes.io/hostname", "zone"))
    selector = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": topology}
    pod: Manifest = {}
    if draw.random() < 0.5:
        pod["tolerations"] = [{"key": "kwok-provider", "operator": "Exists", "effect": "NoSchedule"}]
    if draw.random() < 0.4:
        pod["nodeSelector"] = {"type": "virtual"}
    match _pick(draw, ("spread", "apart", "zones", "none")):
        case "spread":
            skew = {"maxSkew": _count(draw, 1, 2), "whenUnsatisfiable": "DoNotSchedule"}
            pod["topologySpreadConstraints"] = [{**selector, **skew}]
        case "apart":
            rule = {"requiredDuringSchedulingIgnoredDuringExecution": [selector]}
            pod["affinity"] = {"podAntiAffinity": rule}
        case "zones":
            expression = {"key": "zone", "operator": _pick(draw, ("In", "NotIn")), "values": ["a", "b"]}
            terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
            pod["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    return pod


def _podcap(draw: Draw) -> Play:
    counts = [_pick(draw, (3, 5, 8)) for _ in range(_count(draw, 1, 3))]
    nodes = [RecordedNode(name=f"n{i}", cpu="32", memory="64Gi", pods=pods) for i, pods in enumerate(counts)]
    return nodes, [[_deployment("web", _count(draw, 1, 30), [{"cpu": "10m", "memory": "16Mi"}])]]


def _kinds(draw: Draw) -> Play:
    asks = _asks(draw)
    template = _template("w", [{"requests": asks}])
    number = _count(draw, 1, 5)
    other: Manifest = {"metadata": {"name": "w"}}
    match _pick(draw, ("StatefulSet", "Job", "Pod")):
        case "StatefulSet":
            spec = {"replicas": number, "serviceName": "w", "selector": {"matchLabels": {"app": "w"}}}
            other |= {"apiVersion": "apps/v1", "kind": "StatefulSet", "spec": {**spec, "template": template}}
        case "Job":
            template["spec"]["restartPolicy"] = "Never"
            spec = {"completions": number, "parallelism": number, "template": template}
            other |= {"apiVersion": "batch/v1", "kind": "Job", "spec": spec}
        case _:
            other |= {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"]}
            other["metadata"]["labels"] = {"app": "w"}
    return _mixed_nodes(draw), [[other, _deployment("web", 2, [_asks(draw)])]]


def _preempt(draw: Draw) -> Play:
    nodes = _equal_nodes(draw, _pick(draw, ("4", "8", "16")), _pick(draw, ("16Gi", "32Gi")), most=3)
    low = _deployment("low", _count(draw, 2, 6), [_asks(draw)])
    high = _deployment("high", _count(draw, 1, 3), [_asks(draw)], priorityClassName="truth-high")
    return nodes, [[low], [high]]


KINDS: dict[str, tuple[int, Callable[[Draw], Play]]] = {
    "single": (4, _single),
    "seed_sizes": (3, _seed_sizes),
    "multi": (3, _multi),
    "quantities": (2, _quantities),
    "scale": (3, _scale),
    "rollout": (4, _rollout),
    "placement": (3, _placement),
    "podcap": (1, _podcap),
    "kinds": (2, _kinds),
    "preempt": (1, _preempt),
}


def _mixed_nodes(draw: Draw) -> list[RecordedNode]:
    count = _pick(draw, _NODE_COUNTS)
    return [
        RecordedNode(name=f"n{i}", cpu=_pick(draw, _NODE_CPU), memory=_pick(draw, _NODE_MEMORY)) for i in range(count)
    ]


def _equal_nodes(
    draw: Draw, cpu: str, memory: str, *, most: int = 6, labels: dict[str, str] | None = None
) -> list[RecordedNode]:
    return [
        RecordedNode(name=f"n{i}", cpu=cpu, memory=memory, labels=labels or {}) for i in range(_count(draw, 1, most))
    ]


def _containers(draw: Draw) -> list[Manifest]:
    return [_asks(draw) for _ in range(_count(draw, 1, 2))]


def _asks(draw: Draw) -> Manifest:
    """Requests from a small part of a node to more than any has, written in several ways."""
    cpu_m = 50 * _count(draw, 2, int(_pick(draw, (20, 60, 160, 400))))
    memory_mi = 64 * _count(draw, 2, int(_pick(draw, (40, 120, 300))))
    cpu = _pick(draw, (f"{cpu_m}m", f"{cpu_m / 1000:g}"))
    memory = _pick(draw, (f"{memory_mi}Mi", f"{memory_mi * 1024}Ki", str(memory_mi * 1024**2)))
    return {"cpu": cpu, "memory": memory}


def _deployment(
    name: str,
    replicas: int,
    asks: Sequence[Manifest],
    *,
    strategy: Manifest | None = None,
    resources: bool = False,
    **pod: Any,
) -> Manifest:
    """A Deployment; `asks` are requests of its containers, or with `resources` all of their resources."""
    template = _template(name, asks if resources else [{"requests": each} for each in asks])
    template["spec"] |= pod
    spec: Manifest = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    if strategy is not None:
        spec["strategy"] = strategy
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def _template(name: str, resources: Sequence[Manifest]) -> Manifest:
    containers = [
        {"name": f"c{i}", "image": "example.com/app:1", "resources": each} for i, each in enumerate(resources)
    ]
    spec: Manifest = {"containers": containers, "terminationGracePeriodSeconds": 0}
    return {"metadata": {"labels": {"app": name}}, "spec": spec}


def _count(draw: Draw, least: int, most: int) -> int:
    return int(draw.integers(least, most + 1))


def _pick(draw: Draw, choices: Sequence[Any]) -> Any:
    return choices[int(draw.integers(len(choices)))]
