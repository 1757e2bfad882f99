"""What use says about requests: for each workload what is enough, and a trace that asks for it as far as it fits."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from env.embedded.survey import WorkloadState
from env.engine.manifests.fields import Manifest
from env.engine.manifests.requests import with_request
from env.errors import ScenarioError
from env.trace.document import Trace
from env.usage.containers import containers, limits_of, requests_of
from env.usage.demand import usage_of_annotations, with_usage
from env.usage.enough import Sized, Verdict, sizing
from env.usage.usage import ContainerKey, Usage
from runner.suggest.patch import check_names
from runner.suggest.rows import Key, lacking_more

Survey = Callable[[Trace], Iterable[WorkloadState]]


@dataclass(frozen=True)
class Sizes:
    """The containers of one workload, judged.

    Attributes:
        lowered: The manifest with less where requests are too much; the given one where none are.
        sized: The same, and more where they are too little.
        why: What is too little or too much, as `cpu needs 120m, has 1`.
        raised: Whether anything is too little.
        unknown: Containers of which the use of CPU, of memory or of both is not known.
    """

    lowered: Manifest
    sized: Manifest
    why: tuple[str, ...]
    raised: bool
    unknown: tuple[ContainerKey, ...]


def sizes(manifest: Manifest, usage: Usage) -> Sizes:
    """What is enough for the containers of a workload's manifest, which stays as it is."""
    every, raised = list(containers(manifest)), False
    lowered, sized, why, unknown = copy.deepcopy(manifest), copy.deepcopy(manifest), list[str](), list[ContainerKey]()
    for key, container in every:
        judged = sizing(usage.of(key), requests_of(container), limits_of(container))
        if Verdict.UNKNOWN in (judged.cpu.verdict, judged.memory.verdict):
            unknown.append(key)
        for resource, one in (("cpu", judged.cpu), ("memory", judged.memory)):
            if one.propose is None or one.verdict not in (Verdict.TOO_LITTLE, Verdict.TOO_MUCH):
                continue
            why.append(f"{f'{key.container}: ' if len(every) > 1 else ''}{resource} {one.why}")
            _ask(sized, key.container, resource, one)
            raised = raised or one.verdict is Verdict.TOO_LITTLE
            if one.verdict is Verdict.TOO_MUCH:
                _ask(lowered, key.container, resource, one)
    return Sizes(lowered, sized, tuple(why), raised, tuple(unknown))


def known_use(trace: Trace, usage: Usage) -> tuple[Trace, Usage]:
    """A trace with use as annotations of its pod templates, and the same with what its annotations say already."""
    applied = [each for event in trace.events for each in event["applied_objs"]]
    known = usage.before(usage_of_annotations(applied))
    if not usage.uses:
        return trace, known
    events = [
        {**event, "applied_objs": with_usage(event["applied_objs"], known, overrule=True)} for event in trace.events
    ]
    return Trace({**trace.document, "events": events}, trace.name), known


@dataclass(frozen=True)
class SizedTrace:
    """A trace whose workloads ask for what is enough.

    Attributes:
        trace: The trace.
        why: What was too little or too much in each workload.
        notes: Why one does not get what would be enough for it.
        unknown: Containers of which the use of CPU, of memory or of both is not known.
    """

    trace: Trace
    why: Mapping[Key, tuple[str, ...]]
    notes: Mapping[Key, str]
    unknown: tuple[ContainerKey, ...]


def sized_trace(
    trace: Trace,
    given: Iterable[WorkloadState],
    asked: Iterable[WorkloadState],
    manifests: Mapping[Key, Manifest],
    usage: Usage,
    survey: Survey,
) -> SizedTrace:
    """Ask for what is enough, as far as no workload comes to lack more pods than as given.

    Where all at once does not, what runs and asks for too much goes first, as it makes room; then one after the other
    what asks for too little, and what does not run and so takes no room yet.

    Args:
        trace: As given, with use as annotations.
        given: Its workloads as given.
        asked: Those of them that may change.
        manifests: The last manifest of each of a kind that is edited.
        usage: What containers use.
        survey: Replays a trace.
    """
    before = {state.key: state for state in given}
    states = [state for state in asked if state.key in manifests and _is_named(manifests[state.key])]
    judged = {state.key: sizes(manifests[state.key], usage) for state in states}
    unfit = {state.key: state for state in states if judged[state.key].why}
    why = {key: judged[key].why for key in unfit}
    unknown = tuple(key for each in judged.values() for key in each.unknown)
    all_sized = trace
    for key, state in unfit.items():
        all_sized = _with(all_sized, state, judged[key].sized)
    if not unfit or not lacking_more(survey(all_sized), before):
        return SizedTrace(all_sized, why, {}, unknown)
    found, notes = trace, dict[Key, str]()
    for key, state in unfit.items():
        found = found if state.lacking else _with(found, state, judged[key].lowered)
    for key, state in sorted(unfit.items(), key=lambda each: (each[1].lacking > 0, each[1].badness)):
        if not state.lacking and not judged[key].raised:
            continue
        for manifest in (judged[key].sized, judged[key].lowered):
            tried = _with(found, state, manifest)
            broken = lacking_more(survey(tried), before)
            if not broken:
                found = tried
                break
            notes[key] = f"what is enough would leave {broken[0]} without room"
    return SizedTrace(found, why, notes, unknown)


def _is_named(manifest: Manifest) -> bool:
    """Whether a patch by name hits it, so that one may be proposed."""
    try:
        check_names(manifest)
    except ScenarioError:
        return False
    return True


def _with(trace: Trace, state: WorkloadState, manifest: Manifest) -> Trace:
    """The trace with the resources of this manifest in every event that applies the workload."""

    def edit(applied: Manifest) -> Manifest:
        pod, new = applied["spec"]["template"]["spec"], manifest["spec"]["template"]["spec"]
        for field in ("containers", "initContainers"):
            asked = {each.get("name"): each.get("resources") for each in new.get(field) or []}
            pod[field] = [
                {**each, "resources": asked[each.get("name")]} if asked.get(each.get("name")) else each
                for each in pod.get(field) or []
            ]
            if not pod[field]:
                del pod[field]
        return applied

    return trace.edited(state.workload, edit)


def _ask(manifest: Manifest, name: str, resource: str, sized: Sized) -> None:
    """Write a request, in place; a limit below it is raised to it."""
    pod = manifest["spec"]["template"]["spec"]
    for field in ("containers", "initContainers"):
        for number, container in enumerate(pod.get(field) or []):
            if container.get("name") == name and sized.propose is not None:
                pod[field][number] = with_request(container, resource, sized.propose)
