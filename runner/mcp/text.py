"""Answers as compact text: tables as kubectl prints them, and what is wrong once for all that it concerns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from env.words import count
from runner.mcp.answers import (
    Answer,
    ContainerState,
    ContainerStatus,
    Deployment,
    Events,
    Nodes,
    PodLog,
    Pods,
    PodStatus,
    Turn,
)

LONGEST_TEXT = 24_000
_CUT = "\n(cut: the answer is too long)"
_NAMED = 3  # of several pods with the same trouble


def text_of(answer: Answer) -> str:
    """The answer as text of at most LONGEST_TEXT characters."""
    match answer:
        case Pods():
            text = _pods(answer)
        case Deployment():
            text = _deployment(answer)
        case Events():
            text = _events(answer)
        case PodLog():
            text = _log(answer)
        case Nodes():
            text = _nodes(answer)
        case Turn():
            text = answer.text
        case _:
            text = answer.model_dump_json(indent=2)
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - len(_CUT)] + _CUT


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as they need to be, two spaces apart."""
    every = [list(titles), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in every) for column in range(len(titles))]
    return "\n".join("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
                     for row in every)  # fmt: skip


def _shown(shown: int, total: int, what: str) -> str:
    return count(total, what) if shown == total else f"{shown} of {count(total, what)} shown"


def _pods(answer: Pods) -> str:
    head = f"namespace {answer.namespace}: {_shown(answer.shown, answer.total, 'pod')}"
    if not answer.pods:
        return head
    rows = ((p.name, p.ready, p.phase, p.status, str(p.restarts), p.node or "-") for p in answer.pods)
    return "\n".join([head, table(("NAME", "READY", "PHASE", "STATUS", "RESTARTS", "NODE"), rows), *_troubles(answer)])


def _troubles(answer: Pods) -> list[str]:
    """What is wrong with pods; the same trouble of several is said once."""
    found: dict[str, list[str]] = {}
    for pod in answer.pods:
        for trouble in _trouble(pod):
            found.setdefault(trouble, []).append(pod.name)
    return [f"{_listed(names)}: {trouble}" for trouble, names in found.items()]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _trouble(pod: PodStatus) -> list[str]:
    own = [pod.message] if pod.message else []
    return own + [said for each in pod.containers if not each.ready and (said := _container(each))]


def _container(container: ContainerStatus) -> str:
    now = _state(container.now, short=container.before is not None)
    before = f", last {_state(container.before)}" if container.before else ""
    return f"container {container.name} is not ready: {now}{before}"


def _state(state: ContainerState, *, short: bool = False) -> str:
    """`short` leaves the message out, which then repeats the reason, with the name of the pod."""
    reason = f" ({state.reason})" if state.reason else ""
    code = f" with exit code {state.exit_code}" if state.exit_code is not None else ""
    said = f": {state.message}" if state.message and not short else ""
    return f"{state.state}{reason}{code}{said}"


def _deployment(answer: Deployment) -> str:
    lines = [
        f"Deployment {answer.namespace}/{answer.name}{' (paused)' if answer.paused else ''}",
        f"replicas: {answer.desired} desired, {answer.current} current, {answer.updated} updated, "
        f"{answer.ready} ready, {answer.available} available",
        f"strategy: {answer.strategy}",
        f"selector: {_pairs(answer.selector)}",
    ]
    if answer.annotations:
        lines.append(f"annotations: {_pairs(answer.annotations)}")
    for each in answer.containers:
        image = f" ({each.image})" if each.image else ""
        kind = "init container" if each.init else "container"
        asked = f"requests {_pairs(each.requests)}; limits {_pairs(each.limits)}"
        lines.append(f"{kind} {each.name}{image}: {asked}")
    for condition in answer.conditions:
        said = f": {condition.message}" if condition.message else ""
        lines.append(f"condition {condition.type}={condition.status} {condition.reason or ''}".rstrip() + said)
    return "\n".join(lines)


def _pairs(values: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items()) or "none"


def _events(answer: Events) -> str:
    about = f"Deployment {answer.namespace}/{answer.deployment}, its ReplicaSets and pods"
    head = f"{about}: {_shown(answer.shown, answer.total, 'event')}"
    if not answer.events:
        return head
    rows = ((e.last_seen or "-", e.type, e.reason, e.object, str(e.count), e.message) for e in answer.events)
    return "\n".join(
        [f"{head}, newest last", table(("LAST SEEN", "TYPE", "REASON", "OBJECT", "COUNT", "MESSAGE"), rows)]
    )


def _log(answer: PodLog) -> str:
    others = f"; other containers: {', '.join(answer.other_containers)}" if answer.other_containers else ""
    cut = ", the beginning of them cut" if answer.cut else ""
    head = f"pod {answer.namespace}/{answer.pod}, container {answer.container}: "
    return f"{head}last {count(answer.lines, 'line')}{cut}{others}\n{answer.log}".rstrip("\n")


def _nodes(answer: Nodes) -> str:
    head = _shown(answer.shown, answer.total, "node")
    if not answer.nodes:
        return head
    alike: dict[tuple[str, ...], list[str]] = {}
    for n in answer.nodes:
        key = (_node_word(n.ready, n.schedulable), n.cpu, n.memory, n.pods,
               _pairs(n.other_resources), ", ".join(n.taints) or "none")  # fmt: skip
        alike.setdefault(key, []).append(n.name)
    rows = ((str(len(names)), *key, _listed(names)) for key, names in alike.items())
    titles = ("NODES", "STATUS", "CPU", "MEMORY", "PODS", "OTHER", "TAINTS", "NAMES")
    problems = [f"{node.name}: {problem}" for node in answer.nodes for problem in node.problems]
    about = "equal ones in one row; CPU, memory and pods are what each has for all pods together"
    return "\n".join([f"{head}, {about}", table(titles, rows), *problems])


def _node_word(ready: bool, schedulable: bool) -> str:
    return ("Ready" if ready else "NotReady") + ("" if schedulable else ",SchedulingDisabled")
