"""What no action can mend: why a workload's target is out of reach, whatever it requests.

An upper bound decides (`most_that_fit.py`). The pods request as little as actions can make them request while they
still get what they use, and have all nodes to themselves. Where not even so as many can run as are wanted, no action
helps; where they can, nothing is claimed, as other pods and the order in which pods come only make it harder.

Host ports count, though SimKube and so the replay drop them: a patch is for a cluster that does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from env.actions import MAX_REPLICAS, MIN_REPLICAS, least_reachable
from env.demand import Shortage
from env.embedded.left_out import left_out
from env.embedded.most_that_fit import most_that_fit
from env.embedded.why import held_back
from env.engine.controllers.daemon_set import DaemonSet
from env.engine.manifests.deployment import DeploymentSpec
from env.engine.manifests.fields import as_map, as_maps
from env.engine.manifests.host_ports import host_ports
from env.engine.manifests.labels import Labels
from env.engine.manifests.lasting import LastingSpec
from env.engine.manifests.objects import is_builtin, pod_templates, read_workload, text_read
from env.engine.manifests.pod_template import PodTemplate
from env.engine.manifests.replicated import DaemonSetSpec, StatefulSetSpec
from env.engine.manifests.resource_list import with_requests
from env.engine.manifests.resource_quota import counts, read_resource_quota, unspecified, usage
from env.problems.scenario import Scenario, ceiling_of
from env.problems.virtual_nodes import on_virtual_nodes, virtual_nodes
from env.quantity import format_cpu, format_memory
from env.trace.document import Manifest
from env.words import count
from env.workload import ObjectRef, Resources, is_of, object_ref


def unmendable(scenario: Scenario) -> tuple[str, ...]:
    """Why no sequence of actions leads to the goal, a reason each; empty if one may.

    Raises:
        TraceError, QuantityError: A manifest that the API server would refuse.
    """
    applied = [each for each in _applied(scenario) if is_of(each, scenario.workload)]
    if not applied or not scenario.target:
        return ()
    distinct = {
        text_read(each): each for each in applied[::-1]
    }  # each once, as a trace may apply the same 100,000 times
    specs = [read_workload(on_virtual_nodes(each)) for each in distinct.values()][::-1]
    spec = specs[-1]
    if all(isinstance(each, DeploymentSpec) and each.paused for each in specs):
        return ("the Deployment is paused, so that it makes no pods",)
    if not _ends_with_last_template(scenario, specs):
        return ()
    reached = _reached(scenario, spec)
    if isinstance(reached, str):
        return (reached,)
    asked = _edit(spec.resources, reached)
    lacks = spec.source.lacks(*asked)
    if lacks:
        edited = spec.source.edited
        return tuple(
            f"{lack}, and actions change the "
            f"{f'memory of {edited.memory}' if lack.shortage is Shortage.OOM_KILLED else f'CPU of {edited.cpu}'}"
            for lack in lacks
        )
    return _kept_off_nodes(scenario, specs, applied[-1], asked)


def _kept_off_nodes(
    scenario: Scenario, specs: Sequence[LastingSpec], last: Manifest, asked: tuple[int | None, int | None]
) -> tuple[str, ...]:
    """Why nodes cannot hold as many of the last pods as are wanted; empty if they may."""
    pod = as_map(as_map(as_map(last, "spec"), "template"), "spec")
    spec, nodes = specs[-1], virtual_nodes(scenario.nodes)
    template = spec.source.template(*asked)
    if isinstance(spec, DaemonSetSpec):
        spec = replace(spec, template=template)
        admitting = set(DaemonSet(spec, nodes).wanted_nodes)
        template, nodes = spec.on_any_node, [node for node in nodes if node.name in admitting]
    if template.node_name:
        there = any(node.name == template.node_name for node in nodes)
        return () if there else (f"its pods name the node {template.node_name}, and there is none of that name",)
    held = held_back(pod)
    if held:
        return (held,)
    only_template = len({each.template.revision for each in specs}) == 1
    others = _others(scenario, with_own=not only_template)
    ports = host_ports(pod, as_maps(pod, "containers"))
    refused = _quotas(scenario, template)
    if refused:
        return refused
    is_daemon = isinstance(spec, DaemonSetSpec)
    bound = most_that_fit(template, ports, pod, nodes, others, only_template=only_template, one_per_node=is_daemon)
    if bound.pods >= scenario.target:
        return ()
    first, *more = bound.reasons
    return (f"at most {bound.pods} of {count(scenario.target, 'pod')} can run: {first}" if bound.pods else first, *more)


def _quotas(scenario: Scenario, template: PodTemplate) -> tuple[str, ...]:
    """Quotas that allow fewer pods, of those that are there before the workload and stay as they are."""
    pod = with_requests(template.written())
    asked, said = usage(pod), []
    applied, gone = [*_applied(scenario)], {_key(each) for each in _deleted(scenario)}
    first = next(number for number, each in enumerate(applied) if is_of(each, scenario.workload))
    times = Counter(map(_key, applied))
    namespace = scenario.workload.namespace
    has_defaults = any(each["kind"] == "LimitRange" and object_ref(each).namespace == namespace for each in applied)
    for each in applied[:first]:
        ref = object_ref(each)
        is_here = is_builtin(each) and each["kind"] == "ResourceQuota" and ref.namespace == namespace
        if not is_here or times[_key(each)] > 1 or _key(each) in gone:
            continue
        quota, _ = read_resource_quota(as_map(each, "spec"))
        if not has_defaults and counts(quota, pod) and "limits." in (lacks := unspecified(quota, pod)):
            said.append(f"ResourceQuota {ref}: pods {lacks}; actions set no limits")
        for name, hard in quota.hard.items() if counts(quota, pod) else ():
            most = hard.milli // asked[name].milli if name in asked else scenario.target
            if most < scenario.target:
                said.append(
                    f"ResourceQuota {ref} allows at most {most} of {count(scenario.target, 'pod')}: "
                    f"{name} {hard.text}, and a pod takes at least {asked[name].text}"
                )
    return tuple(said)


def _key(manifest: Manifest) -> tuple[str, ObjectRef]:
    return manifest["kind"], object_ref(manifest)


def _deleted(scenario: Scenario) -> list[Manifest]:
    return [each for event in scenario.trace.events_within(scenario.duration_s) for each in event["deleted_objs"]]


def _applied(scenario: Scenario) -> list[Manifest]:
    return [
        manifest for event in scenario.trace.events_within(scenario.duration_s) for manifest in event["applied_objs"]
    ]


def _ends_with_last_template(scenario: Scenario, specs: Sequence[LastingSpec]) -> bool:
    """Whether all pods are of the last template wherever the goal is reached.

    A replay that is cut, or has pauses or long waits in it, may end in the middle of a rollout.
    """
    if len({each.template.revision for each in specs}) == 1:
        return not (isinstance(specs[-1], DeploymentSpec) and specs[-1].paused)
    return scenario.duration_s is None and not any(_keeps_old_pods(each) or _waits(each) for each in specs)


def _keeps_old_pods(spec: LastingSpec) -> bool:
    """Whether pods of an earlier template stay."""
    match spec:
        case DeploymentSpec():
            return spec.paused
        case StatefulSetSpec():
            return spec.on_delete or spec.partition > 0
        case DaemonSetSpec():
            return spec.on_delete
    return True


def _waits(spec: LastingSpec) -> bool:
    return isinstance(spec, DeploymentSpec | StatefulSetSpec | DaemonSetSpec) and spec.min_ready_s > 0


def _reached(scenario: Scenario, spec: LastingSpec) -> Resources | str:
    """The least that actions can make it request while it gets what it uses; or why the target is out of reach."""
    start, target = spec.resources, scenario.target
    if isinstance(spec, DaemonSetSpec):
        start = start._replace(replicas=len(DaemonSet(spec, virtual_nodes(scenario.nodes)).wanted_nodes))
        if start.replicas != target:
            return f"its controller runs {count(start.replicas, 'pod')} on these nodes, and not {target}"
    owner = next((each for each in left_out(scenario) if each.owns_replicas), None)
    if owner is not None and start.replicas != target:
        return f"{owner.kind} {owner.name} sets the replicas, which are {start.replicas} and not {target}"
    if start.replicas != target and not MIN_REPLICAS <= target <= MAX_REPLICAS:
        return f"{target} replicas are wanted, and actions lead to {MIN_REPLICAS} to {MAX_REPLICAS}"
    cpu_m, memory_bytes = spec.source.needed()
    least = least_reachable(start, Resources(cpu_m, memory_bytes, target), ceiling_of(scenario).most)
    if least is None:
        used = f"{format_cpu(cpu_m)} of CPU and {format_memory(memory_bytes)} of memory"
        return f"the container needs {used}, more than actions can make it request"
    return least


def _edit(start: Resources, wanted: Resources) -> tuple[int | None, int | None]:
    """CPU and memory that are requested anew; None for what stays."""
    return (
        wanted.cpu_m if wanted.cpu_m != start.cpu_m else None,
        wanted.memory_bytes if wanted.memory_bytes != start.memory_bytes else None,
    )


def _others(scenario: Scenario, *, with_own: bool) -> list[tuple[str, Labels]]:
    """Namespace and labels of the pods of other workloads in the trace; `with_own`: of the workload's manifests too."""
    return [
        (object_ref(each).namespace, {key: str(value) for key, value in as_map(metadata, "labels").items()})
        for each in _applied(scenario)
        if with_own or not is_of(each, scenario.workload)
        for template in pod_templates(each)
        for metadata in [as_map(template, "metadata")]
    ]
