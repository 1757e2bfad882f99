"""A writing action on a real cluster: tried by the API server, asked for, and done; or only proposed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from env.doctor.actions import DoctorAction
from env.kube.client import KubeApi, KubeError
from env.live.plan import Change, Plan
from env.untrusted import count, mapping


class Outcome(StrEnum):
    """What came of a change."""

    PROPOSED = "proposed"
    """The action is not among those that were allowed."""
    WOULD_BE_DONE = "would be done"
    """The API server's dry run accepts it, and no more was asked for."""
    DECLINED = "declined"
    REFUSED = "refused"
    DONE = "done"


@dataclass(frozen=True)
class Written:
    """A change, and what came of it; `why` is the API server's reason of a refusal."""

    change: Change
    outcome: Outcome
    why: str = ""


def perform(
    api: KubeApi, plan: Plan, *, allowed: bool, dry_run: bool, confirm: Callable[[Sequence[Change]], bool]
) -> list[Written]:
    """Carry out a plan, as far as that is allowed and confirmed.

    Args:
        api: The API server.
        plan: What is to be changed.
        allowed: Whether this action may write at all; else all is proposed, and no request is made.
        dry_run: Whether to stop after the API server's own dry run.
        confirm: Asked once, with the changes that the dry run accepts.
    """
    if not allowed:
        return [Written(each, Outcome.PROPOSED) for each in plan.changes]
    tried = [(each, _refusal(api, each, dry_run=True)) for each in plan.changes]
    accepted = [each for each, why in tried if not why]
    refused = [Written(each, Outcome.REFUSED, why) for each, why in tried if why]
    if not accepted or any(_is_cordon(plan, each.change) for each in refused):
        return refused
    if dry_run:
        return [*(Written(each, Outcome.WOULD_BE_DONE) for each in accepted), *refused]
    if not confirm(accepted):
        return [*(Written(each, Outcome.DECLINED) for each in accepted), *refused]
    done: list[Written] = []
    for each in accepted:
        why = _refusal(api, each, dry_run=False)
        done.append(Written(each, Outcome.REFUSED if why else Outcome.DONE, why))
        if why and _is_cordon(plan, each):
            break
    return [*done, *refused]


def _is_cordon(plan: Plan, change: Change) -> bool:
    """Whether it is the cordon of a drain, without which nothing is evicted: pods could come back."""
    return plan.action is DoctorAction.DRAIN_NODE and change.method == "PATCH"


def _refusal(api: KubeApi, change: Change, *, dry_run: bool) -> str:
    """Make a request; why the API server refuses it, or ""."""
    try:
        body = dict(change.body)
        if change.was is not None:
            scale = api.get(change.path)
            if scale is None or count(mapping(scale.get("spec")).get("replicas")) != change.was:
                return f"it is gone or has other than {change.was} replicas by now"
            body["metadata"] = {"resourceVersion": mapping(scale.get("metadata")).get("resourceVersion")}
        api.change(change.method, change.path, body, dry_run=dry_run)
    except KubeError as error:
        return str(error)
    return ""
