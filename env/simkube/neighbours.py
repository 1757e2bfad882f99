"""The other workloads of a replay: what each lacks, what keeps their pods pending, and whether they have come to rest.

Pure functions of what the API server returned. What counts is what the embedded cluster counts, see
`env.embedded.neighbours`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from env.simkube.pods import Others, PodState, live, pod_state, refusal, refusals, why_undecided
from env.simkube.rest_of_kinds import is_rolled_out, why_not_at_rest
from env.words import count
from env.workload import KINDS

Manifest = dict[str, Any]
Key = tuple[str, str, str]
"""Kind, namespace and name."""

ALWAYS = ("Deployment", "ReplicaSet")
"""Kinds that there are in every replay; others only where the trace applies them."""


@dataclass(frozen=True)
class Neighbour:
    """A workload that no other object of the replay owns.

    Attributes:
        key: Which it is.
        manifest: As it is now; a bare pod's own.
        owned: ReplicaSets of a Deployment, Jobs of a CronJob.
        pods: Its live pods, oldest first.
    """

    key: Key
    manifest: Manifest
    owned: tuple[Manifest, ...]
    pods: tuple[Manifest, ...]

    @property
    def lacking(self) -> int:
        """Pods that are not Ready or not there."""
        unready = sum(pod_state(pod) is not PodState.READY for pod in self.pods)
        return unready + max(0, self._wanted() - len(self.pods))

    @property
    def rolled_out(self) -> bool:
        """Whether it can be seen that nothing is left to happen."""
        return self.key[0] in KINDS and is_rolled_out(self.key[0], self.manifest, self.pods)

    def why_unsettled(self) -> str | None:
        """What has yet to happen to it; None: nothing that can be seen."""
        reason = None
        if self.key[0] in KINDS:
            reason = why_not_at_rest(self.key[0], self.manifest, self.owned, self.pods)
        undecided = [pod for pod in self.pods if pod_state(pod) is PodState.UNDECIDED]
        if reason is None and undecided:
            reason = why_undecided(undecided[0])
        kind, namespace, name = self.key
        return reason and f"{kind} {namespace}/{name}: {reason}"

    def _wanted(self) -> int:
        """Live pods that it should have at least."""
        spec, status = self.manifest.get("spec") or {}, self.manifest.get("status") or {}
        match self.key[0]:
            case "Deployment" | "StatefulSet" | "ReplicaSet":
                replicas = spec.get("replicas")
                return 1 if replicas is None else int(replicas)
            case "DaemonSet":
                return int(status.get("desiredNumberScheduled") or 0)
            case "Job":
                return int(_goes_on(self.manifest))
            case "CronJob":
                return sum(map(_goes_on, self.owned))
        return int(status.get("phase") != "Succeeded")


def neighbours(objects: Mapping[str, Sequence[Manifest]], pods: Sequence[Manifest], own: str) -> list[Neighbour]:
    """The workloads beside the one of uid `own`.

    Args:
        objects: What there is in the replay's namespaces, by kind.
        pods: All pods there.
        own: The uid of the workload that is observed.
    """
    known = {each["metadata"]["uid"]: (kind, each) for kind, found in objects.items() for each in found}
    members: dict[str, list[Manifest]] = {uid: [] for uid in known}
    bare = []
    for pod in pods:
        owners = list(_owners(pod, known))
        if owners:
            members[owners[-1]].append(pod)
        else:
            bare.append(Neighbour(_key("Pod", pod), pod, (), tuple(live([pod]))))
    owned: dict[str, list[Manifest]] = {uid: [] for uid in known}
    tops = []
    for uid, (_, each) in known.items():
        above = list(_owners(each, known))
        if above:
            owned[above[0]].append(each)
        elif uid != own:
            tops.append(uid)
    found = [
        Neighbour(_key(known[uid][0], known[uid][1]), known[uid][1], tuple(owned[uid]), tuple(live(members[uid])))
        for uid in tops
    ]
    return [*found, *bare]


def whole_among(found: Sequence[Neighbour]) -> frozenset[Key]:
    """Those that lack nothing."""
    return frozenset(each.key for each in found if not each.lacking)


def others(found: Sequence[Neighbour], whole: Collection[Key]) -> Others:
    """What is observed of neighbours, of which `whole` should lack nothing; one that is gone lacks a pod."""
    lacking = {each.key: each.lacking for each in found}
    waiting = [
        (each.key not in whole, pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"], pod)
        for each in found
        for pod in each.pods
        if pod_state(pod) is PodState.REFUSED
    ]
    first = min(waiting, key=lambda each: each[:3], default=None)
    reasons = Counter[str]() if first is None else refusals(refusal(first[3]))
    return Others(sum(lacking.get(key, 1) for key in whole), len(waiting), reasons)


def why_broken(found: Sequence[Neighbour], whole: Collection[Key]) -> tuple[str, ...]:
    """What neighbours lack that should lack nothing, a sentence each, with the scheduler's words where it has some."""
    here = {each.key: each for each in found}
    said = []
    for kind, namespace, name in sorted(whole):
        each = here.get((kind, namespace, name))
        if each is None:
            said.append(f"{kind} {namespace}/{name} is gone")
        elif each.lacking:
            why = next(filter(None, (refusal(pod) for pod in each.pods if pod_state(pod) is PodState.REFUSED)), "")
            said.append(f"{kind} {namespace}/{name} lacks {count(each.lacking, 'pod')}" + (f": {why}" if why else ""))
    return tuple(said)


def _owners(o: Manifest, known: Mapping[str, tuple[str, Manifest]]) -> Iterator[str]:
    """The uids of the objects of the replay that own it, the nearest first."""
    seen = set()
    while True:
        above = [each.get("uid") for each in o["metadata"].get("ownerReferences") or ()]
        uid = next((each for each in above if each in known and each not in seen), None)
        if uid is None:
            return
        seen.add(uid)
        yield uid
        o = known[uid][1]


def _key(kind: str, o: Manifest) -> Key:
    metadata = o["metadata"]
    return kind, str(metadata.get("namespace") or "").removeprefix("virtual-"), metadata["name"]


def _goes_on(job: Manifest) -> bool:
    """Whether a Job should have a pod: it is neither suspended nor complete."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    complete = any(each.get("type") == "Complete" and each.get("status") == "True" for each in conditions)
    return not complete and not (job.get("spec") or {}).get("suspend")
