"""Requests that are enough for what containers use, for every workload, and the patches that ask for them."""

from __future__ import annotations

from dataclasses import dataclass

from env.errors import ScenarioError
from env.plan.spare import is_placeholder
from env.trace.document import Manifest, Trace
from env.usage.usage import ContainerKey, Usage
from env.workload import WorkloadRef, is_of
from runner.suggest.patch import changes, check_names, patch_command, strategic_patch
from runner.suggest.sizes import known_use, sizes


@dataclass(frozen=True, eq=False)
class Patch:
    """A workload that asks for something else.

    Attributes:
        workload: Its name.
        body: The strategic merge patch.
        changes: The same in words, such as `cpu 1 -> 120m`.
        why: What was too little or too much.
    """

    workload: WorkloadRef
    body: Manifest
    changes: tuple[str, ...]
    why: tuple[str, ...]

    @property
    def command(self) -> str:
        """The kubectl command that applies it."""
        return patch_command(self.workload, self.body)


@dataclass(frozen=True, eq=False)
class Sized:
    """Workloads that ask for what is enough.

    Attributes:
        trace: With the new requests, and with use as annotations.
        patches: What differs.
        unknown: Containers whose use of CPU or memory is not known; these requests stay as they are.
    """

    trace: Trace
    patches: tuple[Patch, ...]
    unknown: tuple[ContainerKey, ...]


def enough(trace: Trace, usage: Usage) -> Sized:
    """Bring all requests to what is enough, by the rule of `env.usage.enough`; replicas stay.

    Args:
        trace: Workloads at one moment.
        usage: What their containers use.
    """
    sized, known = known_use(trace, usage)
    patches, unknown = list[Patch](), list[ContainerKey]()
    for ref in sized.workloads():
        old = _last(sized, ref)
        if is_placeholder(old):
            continue  # it uses nothing, and asks for a node on purpose
        judged = sizes(old, known)
        unknown += judged.unknown
        if not judged.why or not _is_named(old):
            continue
        patch = strategic_patch(old, judged.sized)
        if patch["spec"]:
            patches.append(Patch(ref, patch, changes(old, judged.sized), judged.why))
            sized = sized.edited(ref, lambda manifest: sizes(manifest, known).sized)
    return Sized(sized, tuple(patches), tuple(unknown))


def _last(trace: Trace, ref: WorkloadRef) -> Manifest:
    found: list[Manifest] = [each for event in trace.events for each in event["applied_objs"] if is_of(each, ref)]
    return found[-1]


def _is_named(manifest: Manifest) -> bool:
    """Whether a patch by name hits it."""
    try:
        check_names(manifest)
    except ScenarioError:
        return False
    return True
