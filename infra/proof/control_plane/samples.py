"""Makes the recordings in docs/samples in a plane that runs: `python -m infra.proof.control_plane.samples`.

A shop of a few workloads (docs/samples/shop.yaml) runs on virtual nodes, well or with one thing wrong, and `sim-arena
trace record` records it. KWOK plays kubelets and containers; what kills a container for its memory is the annotation
`sim-arena.io/verdict`, which follows from the demand in the manifests. The node worker-1, which runs KWOK, is tainted
as a node of the control plane; the plane's own virtual nodes are no part of a recording.

Workloads come one by one, to nodes that are Ready: all pods have a node before the next workload is applied. In which
order controllers create the pods of workloads that are applied together is a race, and in `small-pool` it would decide
which workload gets the last room.
"""

from __future__ import annotations

import copy
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from env.kube.client import KubeApi, Waiting, wait
from env.kube.connect import connect
from env.kube.paths import path_of, within
from env.live.usage import is_ready
from env.simkube.doctor import shipped_stages
from env.simkube.traces import with_verdicts
from env.snapshot.live import read_cluster
from env.snapshot.now import WorkloadNow
from env.snapshot.reading import LISTED, NAMESPACES, NODES, PODS
from env.trace.document import Trace

Manifest = dict[str, Any]
Edit = Callable[[Manifest], None]
"""Changes a manifest of the shop in place."""

FOLDER = Path("docs/samples")
NAMESPACE = "shop"
_STAGES = "/apis/kwok.x-k8s.io/v1alpha1/stages"
_CONTROL_PLANE = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
_REST_S = 300.0


@dataclass(frozen=True)
class Sample:
    """A recording.

    Attributes:
        name: Of the file.
        says: Whether the shop is as the sample wants it: gets how each workload is, by its name.
        edit: What is wrong from the beginning.
        rollout: What a rollout changes while the cluster is watched; None: there is none.
        cpu: What each node has, instead of what the file says.
        memory: The same.
    """

    name: str
    says: Callable[[Mapping[str, WorkloadNow]], bool]
    edit: Edit = lambda manifest: None
    rollout: Edit | None = None
    cpu: str = ""
    memory: str = ""


def _container(manifest: Manifest) -> Manifest:
    found: Manifest = manifest["spec"]["template"]["spec"]["containers"][0]
    return found


def _hungry_cart(manifest: Manifest) -> None:
    if manifest["metadata"]["name"] == "cart":
        resources = _container(manifest)["resources"]
        resources["requests"]["memory"] = resources["limits"]["memory"] = "256Mi"


def _large_checkout(manifest: Manifest) -> None:
    if manifest["metadata"]["name"] == "checkout":
        _container(manifest)["image"] = "shop/checkout:5.1"
        _container(manifest)["resources"]["requests"]["cpu"] = "5"


def _not_whole(now: Mapping[str, WorkloadNow]) -> list[str]:
    return [name for name, each in now.items() if not each.is_whole]


def _is_refused(now: WorkloadNow) -> bool:
    """Whether the scheduler has found no node for any of its pods, rather than not looked yet."""
    return now.unscheduled == now.wanted and bool(now.said)


SAMPLES = (
    Sample("healthy", lambda now: _not_whole(now) == []),
    Sample("oom-loop", lambda now: _not_whole(now) == ["cart"] and now["cart"].oom_killed == ("cart",), _hungry_cart),
    Sample("small-pool", lambda now: _not_whole(now) == ["recommendations"] and _is_refused(now["recommendations"]),
           cpu="1700m", memory="7000Mi"),
    Sample("bad-rollout", lambda now: _not_whole(now) == [], rollout=_large_checkout),
)  # fmt: skip


def main() -> int:
    """Make all of them; 0."""
    api = connect()
    try:
        prepare(api)
        for sample in SAMPLES:
            with running(api, sample):
                _record(api, sample)
    finally:
        api.close()
    return 0


def prepare(api: KubeApi) -> None:
    """Nodes and Stages of the plane as the samples want them."""
    api.patch(path_of(NODES.collection, "worker-1"), {"spec": {"taints": [_CONTROL_PLANE]}})
    for stage in shipped_stages():
        api.apply(path_of(_STAGES, stage["metadata"]["name"]), stage)


@contextmanager
def running(api: KubeApi, sample: Sample) -> Iterator[None]:
    """The shop runs within, and all of it is gone after."""
    nodes = list(_nodes(sample))
    try:
        for node in nodes:
            api.create(NODES.collection, node)
        quick = replace(api, poll_s=0.2)
        wait(quick, "nodes that take pods", _REST_S, partial(_nodes_not_up, names=[_name(node) for node in nodes]))
        pods = 0
        for manifest in _shop(sample.edit):
            more = len(nodes) if manifest["kind"] == "DaemonSet" else manifest.get("spec", {}).get("replicas", 0)
            if more:
                wait(quick, f"a node for all pods before {_name(manifest)}'s", _REST_S, partial(_unplaced, wanted=pods))
            _apply(api, manifest)
            pods += more
        yield
    finally:
        api.delete(path_of(NAMESPACES.collection, NAMESPACE))
        wait(api, "the end of the namespace", _REST_S, _is_gone)
        for node in nodes:
            api.delete(path_of(NODES.collection, _name(node)))


def _nodes(sample: Sample) -> Iterator[Manifest]:
    for node in _documents("nodes.yaml"):
        room = node["status"]["allocatable"]
        if sample.cpu:
            room |= {"cpu": sample.cpu, "memory": sample.memory}
            del node["metadata"]["labels"]["node.kubernetes.io/instance-type"]
        node["status"]["capacity"] = dict(room)
        node["metadata"]["annotations"] = {"kwok.x-k8s.io/node": "fake"}
        yield node


def _nodes_not_up(api: KubeApi, names: Sequence[str]) -> Waiting | None:
    """Which nodes take no pods yet. A node that is not Ready has a taint, which DaemonSets make no pods for."""
    found = [api.get(path_of(NODES.collection, name)) or {} for name in names]
    down = [name for name, each in zip(names, found, strict=True) if not is_ready(each) or each["spec"].get("taints")]
    return Waiting(f"not {', '.join(down)}") if down else None


def _unplaced(api: KubeApi, wanted: int) -> Waiting | None:
    """How many of the shop's pods have a node, as long as that is not all that are wanted."""
    placed = sum(bool(pod["spec"].get("nodeName")) for pod in api.list(within(PODS.collection, NAMESPACE)))
    return Waiting(f"{placed} of {wanted} have a node") if placed < wanted else None


def _shop(edit: Edit) -> Iterator[Manifest]:
    """The shop's objects with an edit, and with verdicts, which KWOK's Stages match."""
    for manifest in _documents("shop.yaml"):
        edit(manifest)
        yield with_verdicts(_trace_of_one(manifest)).events[0]["applied_objs"][0]


def _apply(api: KubeApi, manifest: Manifest) -> None:
    (listed,) = (each for each in LISTED if each.kind == manifest["kind"])
    metadata = manifest["metadata"]
    api.apply(path_of(listed.collection, metadata["name"], metadata.get("namespace")), manifest)


def _trace_of_one(manifest: Manifest) -> Trace:
    return Trace({"events": [{"ts": 0, "applied_objs": [manifest], "deleted_objs": []}]})


def _name(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])


def _documents(name: str) -> list[Manifest]:
    return copy.deepcopy(list(yaml.safe_load_all((FOLDER / name).read_text())))


def _record(api: KubeApi, sample: Sample) -> None:
    """Wait for what the sample is about, and record it."""
    wait(api, sample.name, _REST_S, lambda _: seen(api, sample))
    time.sleep(5)  # so that nothing is on its way
    program = str(Path(sys.executable).with_name("sim-arena"))
    command = [program, "trace", "record", "-n", NAMESPACE]
    command += ["--to", str(FOLDER / f"{sample.name}.sktrace")]
    if sample.rollout is None:
        subprocess.run(command, check=True)  # noqa: S603 (ours)
        return
    with subprocess.Popen([*command, "--watch", "70s"]) as watching:  # noqa: S603
        time.sleep(20)
        for manifest in _shop(sample.rollout):
            _apply(api, manifest)
        if watching.wait() != 0:
            raise SystemExit("trace record failed")


def seen(api: KubeApi, sample: Sample) -> Waiting | None:
    """Nothing to wait for any more: the shop is as the sample wants it."""
    now = {each.key.name: each for each in read_cluster(api, "plane", (NAMESPACE,)).now}
    return None if now and sample.says(now) else Waiting("; ".join(f"{name} {each}" for name, each in now.items()))


def _is_gone(api: KubeApi) -> Waiting | None:
    return None if api.get(path_of(NAMESPACES.collection, NAMESPACE)) is None else Waiting("the namespace")


if __name__ == "__main__":
    sys.exit(main())
