"""A writing action on a real cluster: tried by the API server, asked for, and done; or only proposed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
    NOT_KNOWN = "not known"
    """The request was sent and not answered."""


@dataclass(frozen=True)
class Written:
    """A change, and what came of it; `why` is the API server's reason of a refusal."""

    change: Change
    outcome: Outcome
    why: str = ""


def perform(
    api: KubeApi, plan: Plan, *, allowed: bool, dry_run: bool, confirm: Callable[[Sequence[Change]], bool]
) -> Iterator[Written]:
    """Carry out a plan, as far as that is allowed and confirmed; each change as soon as it is known what came of it.

    Args:
        api: The API server.
        plan: What is to be changed.
        allowed: Whether this action may write at all; else all is proposed, and no request is made.
        dry_run: Whether to stop after the API server's own dry run.
        confirm: Asked once, with the changes that the dry run accepts.
    """
    if not allowed:
        yield from (Written(each, Outcome.PROPOSED) for each in plan.changes)
        return
    tried = [_requested(api, each, dry_run=True) for each in plan.changes]
    refused = [each for each in tried if each.outcome is not Outcome.DONE]
    accepted = [each.change for each in tried if each.outcome is Outcome.DONE]
    yield from refused
    if not accepted or any(_is_cordon(plan, each.change) for each in refused):
        return
    if dry_run:
        yield from (Written(each, Outcome.WOULD_BE_DONE) for each in accepted)
        return
    if not confirm(accepted):
        yield from (Written(each, Outcome.DECLINED) for each in accepted)
        return
    for each in accepted:
        written = _requested(api, each, dry_run=False)
        yield written
        if written.outcome is not Outcome.DONE and _is_cordon(plan, each):
            return


def _is_cordon(plan: Plan, change: Change) -> bool:
    """Whether it is the cordon of a drain, without which nothing is evicted: pods could come back."""
    return plan.action is DoctorAction.DRAIN_NODE and change.method == "PATCH"


def _requested(api: KubeApi, change: Change, *, dry_run: bool) -> Written:
    """Make a request; what came of it."""
    try:
        body = dict(change.body)
        if change.was is not None:
            scale = api.get(change.path)
            if scale is None or count(mapping(scale.get("spec")).get("replicas")) != change.was:
                return Written(change, Outcome.REFUSED, f"it is gone or has other than {change.was} replicas by now")
            body["metadata"] = {"resourceVersion": mapping(scale.get("metadata")).get("resourceVersion")}
        api.change(change.method, change.path, body, dry_run=dry_run)
    except KubeError as error:
        outcome = Outcome.REFUSED if error.status or dry_run else Outcome.NOT_KNOWN
        return Written(change, outcome, str(error))
    return Written(change, Outcome.DONE)
