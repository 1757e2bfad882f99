"""Every workload at the end of a replay: how many of its pods are Ready, and what keeps the others from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from env.demand import Shortage
from env.embedded.neighbours import lacking, refusals, wanted_pods
from env.embedded.why import held, lacks
from env.engine.control_plane import ControlPlane
from env.engine.controllers.bare_pod import BarePod
from env.engine.controllers.cron_job import CronJob
from env.engine.controllers.daemon_set import DaemonSet
from env.engine.controllers.deployment import Deployment
from env.engine.controllers.job import Job
from env.engine.controllers.replica_set import ReplicaSet
from env.engine.controllers.stateful_set import StatefulSet
from env.engine.manifests.pod_template import PodTemplate
from env.engine.pods import UNBOUND, Phase, Pod
from env.engine.scheduling.diagnosis import INSUFFICIENT_CPU, INSUFFICIENT_MEMORY
from env.engine.workload import Workload
from env.workload import WorkloadRef

Texts = Mapping[tuple[str, str, str], str]

_REASONS, _LONGEST = 2, 60  # of the scheduler's in a short text, and characters of a controller's


@dataclass(frozen=True)
class WorkloadState:
    """A workload at the end of a replay.

    Attributes:
        kind: As in manifests.
        namespace: Where it is.
        name: Its name there.
        wanted: Pods that it should have at least, of a Job those that it has; 0 for what has ended well, or is not to
            run.
        ready: Pods of it that are Ready.
        lacking: Pods that are not Ready or not there; 0 where it is whole.
        cpu_m: CPU that a new pod of it takes of its node, millicores.
        memory_bytes: Memory that it takes.
        reason: What keeps pods from being Ready, in a few words; "" where nothing does.
        short_of_cpu: Nodes refuse the first pod that waits, as they have too little CPU left.
        short_of_memory: The same for memory.
        why: The same in whole sentences, Kubernetes' own where it has some.
    """

    kind: str
    namespace: str
    name: str
    wanted: int
    ready: int
    lacking: int
    cpu_m: int
    memory_bytes: int
    reason: str = ""
    short_of_cpu: bool = False
    short_of_memory: bool = False
    why: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        """Kind, namespace and name."""
        return self.kind, self.namespace, self.name

    @property
    def workload(self) -> WorkloadRef:
        """Its name; as text `shop/web` for a Deployment, `StatefulSet shop/db` for other kinds."""
        return WorkloadRef(self.namespace, self.name, self.kind)

    @property
    def badness(self) -> tuple[float, int, tuple[str, str, str]]:
        """Orders workloads worst first: the smallest share of Ready pods, then the most that lack, then by name."""
        return self.ready / max(1, self.wanted), -self.lacking, self.key


def survey(plane: ControlPlane) -> tuple[WorkloadState, ...]:
    """The state of each workload, in the order in which they were applied first.

    Args:
        plane: The end of a replay. Where its events were recorded, they explain why pods are not Ready; of pods that
            no node takes the first.
    """
    texts = {
        (event.kind, event.namespace, event.name): event.message
        for event in plane.events
        if event.reason in ("FailedCreate", "FailedScheduling")
    }
    return tuple(_state(plane, workload, texts) for workload in plane.workloads.values())


def _state(plane: ControlPlane, workload: Workload, texts: Texts) -> WorkloadState:
    pods, ref = workload.pods(), workload.ref
    template = plane.api.admission.defaulted(template_of(workload))
    live = [pod for pod in pods if not (pod.leaving or pod.deleted or pod.ended)]
    whole = WorkloadState(
        kind=workload.kind,
        namespace=ref.namespace,
        name=ref.name,
        wanted=max(wanted_pods(workload), len(live) if isinstance(workload, Job | BarePod) else 0),
        ready=sum(pod.ready for pod in pods),
        lacking=lacking(workload),
        cpu_m=template.cpu_m,
        memory_bytes=template.memory_bytes,
    )
    if not whole.lacking:
        return whole
    waiting = [pod for pod in pods if pod.phase is Phase.PENDING and pod.row == UNBOUND and not pod.leaving]
    refused = refusals(plane, waiting[0]) if waiting and not waiting[0].template.unscheduled else Counter[str]()
    return replace(
        whole,
        reason=_reason(whole, workload, live, waiting, refused, texts),
        short_of_cpu=INSUFFICIENT_CPU in refused,
        short_of_memory=INSUFFICIENT_MEMORY in refused,
        why=tuple(_sentences(workload, live, waiting, texts)),
    )


def _reason(
    state: WorkloadState,
    workload: Workload,
    live: list[Pod],
    waiting: list[Pod],
    refused: Counter[str],
    texts: Texts,
) -> str:
    said = []
    if waiting:
        why = "held back" if waiting[0].template.unscheduled else _most(refused)
        said.append(f"{len(waiting)} pending" + (f": {why}" if why else ""))
    short = Counter(pod.template.shortage for pod in live if pod.phase is Phase.RUNNING)
    for shortage, word in ((Shortage.OOM_KILLED, "OOM-killed"), (Shortage.CPU_STARVED, "CPU-starved")):
        if short[shortage]:
            said.append(f"{short[shortage]} {word}")
    if isinstance(workload, Job) and workload.failed:
        said.append("has failed")
    elif state.wanted > len(live):
        why = next(filter(None, map(_forbidden, _of_makers(workload, texts))), "")
        said.append(f"{state.wanted - len(live)} missing" + (f": {why}" if why else ""))
    is_rollout = state.wanted and state.ready >= state.wanted
    return ("rollout not done: " if is_rollout else "") + (", ".join(said) or "not Ready")


def _forbidden(text: str) -> str:
    """What forbids a pod, in few words: `exceeded quota: few` of all that a controller says."""
    _, forbidden, why = text.partition(" is forbidden: ")
    short = why.partition(",")[0] if forbidden else ""
    return short if len(short) <= _LONGEST else f"{short[: _LONGEST - 1]}…"


def _of_makers(workload: Workload, texts: Texts) -> list[str]:
    """What those that make its pods said last: the ReplicaSets of a Deployment, others themselves."""
    makers: list[Workload] = [*workload.sets] if isinstance(workload, Deployment) else [workload]
    return [texts.get((each.kind, workload.ref.namespace, each.ref.name), "") for each in makers]


def _most(reasons: Counter[str]) -> str:
    """The scheduler's reasons, that of most nodes first."""
    most = sorted(reasons.items(), key=lambda each: (-each[1], each[0]))[:_REASONS]
    return ", ".join(reason.removeprefix("node(s) ") for reason, _ in most)


def _sentences(workload: Workload, live: list[Pod], waiting: list[Pod], texts: Texts) -> Iterable[str]:
    said = _of_makers(workload, texts)
    said += [held(pod.template) or texts.get(("Pod", workload.ref.namespace, pod.name), "") for pod in waiting[:1]]
    short = {id(pod.template): pod.template for pod in live if pod.phase is Phase.RUNNING and pod.template.shortage}
    said += [str(lack) for template in short.values() for lack in lacks(template)]
    return dict.fromkeys(text for text in said if text)


def template_of(workload: Workload) -> PodTemplate:
    """What its next pods are made from."""
    match workload:
        case Deployment() | StatefulSet() | DaemonSet() | Job():
            return workload.spec.template
        case ReplicaSet() | BarePod():
            return workload.template
        case CronJob():
            return workload.spec.job.template
    raise TypeError(f"{workload.kind}: makes no pods")
