"""What a replay leaves out that concerns a scenario's workload, so that no verdict claims more than was simulated.

Which of it decides in a real cluster, and how, follows kubernetes 1.36: `plugin/pkg/admission` (`serviceaccount`,
`priority`), `staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook` and the scheduler's plugins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from env.embedded.admission_control import ADMISSION, admission_of, namespace_labels
from env.engine.manifests.fields import as_count, as_map, as_maps, as_text, as_texts, naming
from env.engine.manifests.host_ports import host_ports
from env.engine.manifests.labels import label_selector
from env.engine.manifests.not_modelled import DEFAULT_SCHEDULER
from env.engine.manifests.objects import is_builtin, pod_templates, read_object
from env.engine.manifests.priorities import SYSTEM_PRIORITIES
from env.problems.scenario import Scenario
from env.problems.virtual_nodes import daemon_pods, on_virtual_nodes
from env.trace.document import Manifest
from env.words import count
from env.workload import ObjectRef, WorkloadRef, is_of, object_ref

_ENFORCED = "pod-security.kubernetes.io/enforce"


@dataclass(frozen=True)
class LeftOut:
    """Something that a real cluster has a say in and a replay has not.

    Attributes:
        kind: Of the object.
        name: Its namespace and name; without a namespace for kinds that have none.
        consequence: One sentence without its subject: what it does in a real cluster, and what the replay does instead.
        owns_replicas: It sets the workload's replicas, so to change them in the manifest does not last.
    """

    kind: str
    name: str
    consequence: str
    owns_replicas: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.consequence}"


@dataclass(frozen=True)
class _Concerned:
    """The scenario's workload, and the objects that there are at the end of the replay."""

    scenario: Scenario
    own: WorkloadRef
    template: Manifest
    replicas: int
    objects: tuple[Manifest, ...]

    @property
    def pod(self) -> Manifest:
        return as_map(self.template, "spec")

    @property
    def labels(self) -> dict[str, str]:
        return {key: str(value) for key, value in as_map(as_map(self.template, "metadata"), "labels").items()}

    def of_kind(self, *kinds: str) -> Iterator[Manifest]:
        """Objects of these kinds in the workload's namespace."""
        for each in self.objects:
            if is_builtin(each) and each["kind"] in kinds and object_ref(each).namespace == self.own.namespace:
                yield each


def left_out(scenario: Scenario) -> tuple[LeftOut, ...]:
    """What the trace holds, or should hold, that concerns the scenario's workload and is not simulated.

    Raises:
        TraceError: An object that the API server would refuse.
    """
    objects = objects_at_end(scenario)
    own = next((each for each in objects if is_of(each, scenario.workload)), None)
    if own is None:
        return ()
    with naming(scenario.workload.title):
        template = pod_templates(own)[0]
        scales = scenario.workload.scales
        replicas = as_count(as_map(own, "spec"), "replicas", 1) if scales else daemon_pods(own, scenario.nodes)
    concerned = _Concerned(scenario, scenario.workload, template, replicas, tuple(objects))
    found = [*_of_objects(concerned)]
    with naming(scenario.workload.title):
        found += [*_missing(concerned), *_claims(concerned), *_ports(concerned), *_pods(concerned, own)]
    return tuple(dict.fromkeys(found))


def objects_at_end(scenario: Scenario) -> list[Manifest]:
    """What was applied last under each name, less what was deleted."""
    there: dict[tuple[str, str, ObjectRef], Manifest] = {_key(each): each for each in scenario.trace.unapplied}
    for event in scenario.trace.events_within(scenario.duration_s):
        there |= {_key(each): each for each in event["applied_objs"]}
        for each in event["deleted_objs"]:
            there.pop(_key(each), None)
    return list(there.values())


def _key(manifest: Manifest) -> tuple[str, str, ObjectRef]:
    return manifest["apiVersion"].rpartition("/")[0], manifest["kind"], object_ref(manifest)


# --- objects that act on the workload -------------------------------------------------------------------------------


def _of_objects(concerned: _Concerned) -> Iterator[LeftOut]:
    for each in concerned.objects:
        kind, ref = each["kind"], object_ref(each)
        with naming(f"{kind} {ref}"):
            consequence = _consequence(each, concerned)
            if consequence:
                name = ref.name if kind in (*ADMISSION, "Namespace") else str(ref)
                yield LeftOut(kind, name, consequence, owns_replicas=kind in _AUTOSCALERS)


def _consequence(each: Manifest, concerned: _Concerned) -> str:
    """What an object does to the workload; "" for nothing."""
    kind, spec, here = each["kind"], as_map(each, "spec"), object_ref(each).namespace == concerned.own.namespace
    if kind == "Namespace" and object_ref(each).name == concerned.own.namespace:
        standard = as_text(as_map(as_map(each, "metadata"), "labels"), _ENFORCED)
        refuses = (
            f"enforces the Pod Security Standard {standard}: pods that violate it are refused; the replay makes them"
        )
        return refuses if standard not in ("", "privileged") else ""
    if kind in ADMISSION and is_builtin(each):
        labels = namespace_labels(concerned.objects, concerned.own.namespace)
        return admission_of(each, concerned.own.namespace, labels, concerned.labels)
    if not here:
        return ""
    if kind in _AUTOSCALERS and _targets(as_map(spec, "scaleTargetRef"), concerned.own):
        least = as_count(spec, "minReplicas", as_count(spec, "minReplicaCount", 1))
        most = spec.get("maxReplicas", spec.get("maxReplicaCount"))
        span = f" from {least} to {most}" if isinstance(most, int) else ""
        return f"sets the replicas{span} by load; the replay keeps those that were recorded"
    if kind == "VerticalPodAutoscaler" and _targets(as_map(spec, "targetRef"), concerned.own):
        mode = as_text(as_map(spec, "updatePolicy"), "updateMode", "Recreate")
        return "" if mode == "Off" else "sets the requests of new pods; the replay keeps those of the manifest"
    if kind == "PodDisruptionBudget" and is_builtin(each) and spec.get("selector") is not None:
        protects = label_selector(as_map(spec, "selector"))(concerned.labels)
        return (
            "limits how many of its pods may be evicted at a time; preemption in the replay ignores it"
            if protects
            else ""
        )
    return ""


# KEDA's ScaledObject makes a HorizontalPodAutoscaler.
_AUTOSCALERS = ("HorizontalPodAutoscaler", "ScaledObject")


def _targets(target: Manifest, own: WorkloadRef) -> bool:
    return as_text(target, "kind", "Deployment") == own.kind and as_text(target, "name") == own.name


# --- objects that the pods need -------------------------------------------------------------------------------------


def _missing(concerned: _Concerned) -> Iterator[LeftOut]:
    pod, ref = concerned.pod, concerned.own
    account = as_text(pod, "serviceAccountName") or as_text(pod, "serviceAccount") or "default"
    accounts = {object_ref(each).name for each in concerned.of_kind("ServiceAccount")}
    if account not in {"default", *accounts}:
        name = f"{ref.namespace}/{account}"
        text = f'error looking up service account {name}: serviceaccount "{account}" not found'
        yield LeftOut("ServiceAccount", name, f"is not in the trace; a cluster without it makes no pods ({text})")
    priority = as_text(pod, "priorityClassName")
    classes = {object_ref(each).name for each in concerned.objects if each["kind"] == "PriorityClass"}
    if priority and priority not in {*SYSTEM_PRIORITIES, *classes}:
        text = f"no PriorityClass with name {priority} was found"
        consequence = f"is not in the trace; a cluster without it makes no pods ({text}), and here they have priority 0"
        yield LeftOut("PriorityClass", priority, consequence)
    runtime = as_text(pod, "runtimeClassName")
    if runtime:
        runtimes = {object_ref(each).name for each in concerned.objects if each["kind"] == "RuntimeClass"}
        text = f'pod rejected: RuntimeClass "{runtime}" not found'
        consequence = f"is not in the trace; a cluster without it makes no pods ({text})"
        if runtime in runtimes:
            consequence = "may add overhead, a node selector and tolerations to its pods; the replay ignores it"
        yield LeftOut("RuntimeClass", runtime, consequence)


def _claims(concerned: _Concerned) -> Iterator[LeftOut]:
    claims = {object_ref(each).name: each for each in concerned.of_kind("PersistentVolumeClaim")}
    for volume in as_maps(concerned.pod, "volumes"):
        name = as_text(as_map(volume, "persistentVolumeClaim"), "claimName")
        if not name:
            continue
        claim = claims.get(name, {})
        consequence = "its pods wait until it is bound and run where its volume is; the replay lets them run anywhere"
        modes = as_texts(as_map(claim, "spec"), "accessModes")
        if modes and set(modes) <= {"ReadWriteOnce", "ReadWriteOncePod"} and concerned.replicas > 1:
            consequence += "; " + ("one pod" if "ReadWriteOncePod" in modes else "one node") + " at a time may use it"
        yield LeftOut("PersistentVolumeClaim", f"{concerned.own.namespace}/{name}", consequence)
        yield from _volumes(concerned, name, as_text(as_map(claim, "spec"), "volumeName"))


def _volumes(concerned: _Concerned, claim: str, bound: str) -> Iterator[LeftOut]:
    """The volume that a claim is bound to, if it can be reached from some nodes only."""
    for each in concerned.objects:
        if each["kind"] != "PersistentVolume":
            continue
        spec, name = as_map(each, "spec"), object_ref(each).name
        reference = as_map(spec, "claimRef")
        is_own = (as_text(reference, "namespace"), as_text(reference, "name")) == (concerned.own.namespace, claim)
        terms = as_maps(as_map(as_map(spec, "nodeAffinity"), "required"), "nodeSelectorTerms")
        labels = [
            f"{as_text(wanted, 'key')} in ({', '.join(as_texts(wanted, 'values'))})"
            for term in terms
            for wanted in as_maps(term, "matchExpressions")
        ]
        if (is_own or name == bound) and labels:
            where = " or ".join(labels)
            yield LeftOut("PersistentVolume", name, f"is reached from nodes with {where} only; the replay ignores it")


def _ports(concerned: _Concerned) -> Iterator[LeftOut]:
    """Host ports, which SimKube's driver takes away from recordings: a node has each only once."""
    ports = host_ports(concerned.pod, as_maps(concerned.pod, "containers"))
    nodes, replicas = concerned.scenario.nodes.count, concerned.replicas
    if not ports or concerned.scenario.trace.is_snapshot:  # there they are kept
        return
    named = ", ".join(str(number) for number in dict.fromkeys(number for _, _, number in ports))
    what = f"{'host port' if len(ports) == 1 else 'host ports'} {named}"
    if replicas > nodes:
        yield LeftOut(
            concerned.own.kind,
            str(concerned.own.ref),
            f"takes {what} of its node, which SimKube drops: a real cluster of {count(nodes, 'node')} would run at "
            f"most {nodes} of {replicas} pods, one per node",
        )
    for each in concerned.objects:
        if is_of(each, concerned.own) or concerned.replicas == 0:
            continue
        for template in pod_templates(each):
            pod = as_map(template, "spec")
            if {(p, n) for p, _, n in ports} & {(p, n) for p, _, n in host_ports(pod, as_maps(pod, "containers"))}:
                other = f"{each['kind']} {object_ref(each)}"
                consequence = (
                    f"takes {what} as {other} does, which SimKube drops: a real node runs a pod of one of them only"
                )
                yield LeftOut(concerned.own.kind, str(concerned.own.ref), consequence)


# Fields of `not_modelled` that have a sentence of their own.
_SAID_ELSEWHERE = ("schedulerName", "schedulingGates", "runtimeClassName", "volumes of a PersistentVolumeClaim")


def _pods(concerned: _Concerned, own: Manifest) -> Iterator[LeftOut]:
    """What the pods ask for that the engine does not know."""
    pod, name = concerned.pod, str(concerned.own.ref)
    scheduler = as_text(pod, "schedulerName") or DEFAULT_SCHEDULER
    if scheduler != DEFAULT_SCHEDULER:
        yield LeftOut(
            concerned.own.kind, name, f"leaves its pods to the scheduler {scheduler}; in the replay they stay pending"
        )
    gates = [as_text(gate, "name") for gate in as_maps(pod, "schedulingGates")]
    if gates:
        yield LeftOut(
            concerned.own.kind,
            name,
            f"has pods that wait until {', '.join(gates)} removes its scheduling gate; in the replay they stay pending",
        )
    read = read_object(on_virtual_nodes(own), {})
    for field in () if read is None else read.not_modelled:
        if not field.startswith(_SAID_ELSEWHERE):
            yield LeftOut(concerned.own.kind, name, f"uses {field}, which the replay ignores")
    if any(as_map(volume, "ephemeral") for volume in as_maps(pod, "volumes")):
        consequence = (
            "has pods that wait for volumes of their own and run where those are; the replay lets them run anywhere"
        )
        yield LeftOut(concerned.own.kind, name, consequence)
