"""A real cluster as a doctor's patient: features, a mask, and the fifteen actions.

The whole cluster is read once at the start, so that its end is known as in the simulation; a doctor is told what its
own readings reveal. What is known, for how long, and what a write makes unknown follows the simulation's own rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env.doctor.actions import ACTIONS, WRITES, DoctorAction
from env.doctor.faults import FAULTS, OUTDATES, REVEALS, Fault, age, forget, reveal
from env.kube.paths import path_of
from env.live.faults_seen import Finding
from env.live.findings import amounts, findings, is_dns_known
from env.live.logs import with_logs
from env.live.observe import state_of
from env.live.plan import Change, Plan, Reach, plan
from env.live.pods import controller_of, pod_key
from env.live.reading import LOG, PODS, POLICY, Reader, Seen
from env.live.shown import shown
from env.live.write import Outcome, Written, perform
from env.untrusted import mapping, name

SETTLES_S = 10.0
"""Seconds that are let pass after a write, and by WAIT where something was written: controllers need them."""


_SENT = (Outcome.DONE, Outcome.NOT_KNOWN)


@dataclass(frozen=True)
class Rights:
    """What a doctor may change.

    Attributes:
        allowed: Actions that may write; the others are proposed.
        dry_run: Stop after the API server's own dry run.
        confirm: Asked before each action that writes, with what it changes.
        tell: Told of each change as soon as it is known what came of it: the cluster may not be readable afterwards.
    """

    allowed: frozenset[DoctorAction] = frozenset()
    dry_run: bool = False
    confirm: Callable[[DoctorAction, Sequence[Change]], bool] = lambda action, changes: False
    tell: Callable[[DoctorAction, Written], None] = lambda action, written: None


@dataclass(frozen=True)
class LiveStep:
    """What an action did.

    Attributes:
        action: The action.
        lines: What a reading one shows.
        written: What came of a writing one's changes.
        because: Why it changes nothing, or not all.
    """

    action: DoctorAction
    lines: tuple[str, ...] = ()
    written: tuple[Written, ...] = ()
    because: str = ""


@dataclass
class _Known:
    """Of each fault how much there is, and for how long it is known; as in `env.doctor.cluster.CLUSTER`."""

    amount: NDArray[np.int64] = field(default_factory=lambda: np.zeros(FAULTS, np.int64))
    known: NDArray[np.int64] = field(default_factory=lambda: np.zeros(FAULTS, np.int64))


class LiveCluster:
    """A cluster behind an API server.

    Args:
        reader: Reads it.
        rights: What may be changed.

    Attributes:
        seen: What was read last.
        found: What is wrong, by that.
        is_over: Nothing is wrong, or the last action was a WAIT with nothing left to find or to mend.

    Raises:
        ConfigError: A namespace that does not exist.
        ClusterError: No answer, or one of the kinds that an observation needs cannot be read.
    """

    def __init__(self, reader: Reader, rights: Rights | None = None) -> None:
        reader.check()
        self.rights = rights or Rights()
        self.is_over = False
        self._reader = reader
        self._reach = Reach(reader.namespaces)
        self._known = _Known()
        self._spent: set[tuple[DoctorAction, tuple[str, ...]]] = set()
        self._restarted: frozenset[str] = frozenset()
        self._has_written = False
        self.seen: Seen
        self.found: list[Finding]
        self.look_at_all()
        self.is_over = self.is_well

    def look_at_all(self) -> None:
        """Read everything that any action reads."""
        seen = self._reader.with_pod_usage(self._reader.look(getattr(self, "seen", None)))
        self._take(with_logs(self._reader.with_quotas(seen), self._reader))

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong, and nothing was refused to be read."""
        return not self.found and not self.seen.unread

    @property
    def state(self) -> NDArray[np.float32]:
        """The features, as a doctor sees them."""
        return state_of(self.seen, self._known)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """True for each action that may tell or change something; a write that was tried before on the same is not."""
        mask = np.ones(ACTIONS, np.bool_)
        for action in WRITES:
            mask[action] = self._is_open(self._plan(action))
        return mask

    def step(self, action: DoctorAction) -> LiveStep:
        """Act, then read all that an observation needs.

        Raises:
            ClusterError: The cluster cannot be read any more.
        """
        step = self._write(action) if action in WRITES else LiveStep(action)
        if self._has_written and (action is DoctorAction.WAIT or step.written):
            self._reader.api.timer.sleep(SETTLES_S)
        self._take(self._asked(action, self._reader.look(self.seen)))
        if any(each.outcome in _SENT for each in step.written):
            forget(self._known, OUTDATES[action])
        reveal(self._known, self._revealed(action))
        age(self._known)
        self.is_over = self.is_well or (action is DoctorAction.WAIT and self._is_reportable())
        if action in WRITES or action is DoctorAction.WAIT:
            return step
        return replace(step, lines=tuple(shown(action, self.seen, self.found)))

    def _take(self, seen: Seen) -> None:
        self.seen, self.found = seen, findings(seen)
        for fault, amount in amounts(self.found).items():
            self._known.amount[fault] = amount

    def _asked(self, action: DoctorAction, seen: Seen) -> Seen:
        """What the action reads besides."""
        match action:
            case DoctorAction.CHECK_LOGS:
                return with_logs(seen, self._reader)
            case DoctorAction.TOP_NODES | DoctorAction.TOP_PODS | DoctorAction.GET_DEPLOYMENTS:
                return self._reader.with_pod_usage(seen)
            case DoctorAction.SCALE_UP_DEPLOYMENT | DoctorAction.SCALE_DOWN_DEPLOYMENT:
                return self._reader.with_pod_usage(seen)
            case DoctorAction.GET_RESOURCE_QUOTAS:
                return self._reader.with_quotas(seen)
        return seen

    def _revealed(self, action: DoctorAction) -> int:
        """The faults that the action reveals here, as bits: not those that could not be read."""
        hidden = 0
        if self.seen.pod_usage is None:
            hidden |= 1 << Fault.TOO_FEW_REPLICAS | 1 << Fault.TOO_MANY_REPLICAS
        if LOG in self.seen.unread or POLICY in self.seen.unread:
            hidden |= 1 << Fault.NETWORK_POLICY
        if (action is DoctorAction.GET_PODS and not is_dns_known(self.seen)) or LOG in self.seen.unread:
            hidden |= 1 << Fault.DNS
        present = sum(1 << fault for fault in Fault if self._known.amount[fault])
        return REVEALS[action] & ~(hidden & ~present)

    def _is_reportable(self) -> bool:
        """Whether all that is wrong is known to the doctor, and all that could be done was tried."""
        hidden = any(self._known.amount[fault] and self._known.known[fault] <= 0 for fault in Fault)
        return not hidden and not any(self._is_open(self._plan(action)) for action in WRITES)

    def _plan(self, action: DoctorAction) -> Plan:
        return plan(action, self.seen, self._reach, self._restarted)

    def _is_open(self, planned: Plan) -> bool:
        return bool(planned.changes) and _key(planned) not in self._spent

    def _write(self, action: DoctorAction) -> LiveStep:
        planned = self._plan(action)
        if not self._is_open(planned):
            return LiveStep(action, because=planned.because or "it was tried before")
        self._spent.add(_key(planned))
        written = []
        for each in perform(
            self._reader.api,
            planned,
            allowed=action in self.rights.allowed,
            dry_run=self.rights.dry_run,
            confirm=lambda changes: self.rights.confirm(action, changes),
        ):
            self.rights.tell(action, each)
            written.append(each)
        done = {each.change.path for each in written if each.outcome in _SENT}
        self._has_written = self._has_written or bool(done)
        if action is DoctorAction.RESTART_FAILED_PODS and done:
            self._restarted |= {_uid(pod) for pod in self.seen.pods if _path(pod) in done}
            self.seen = replace(self.seen, logs={})  # they are of pods that are gone
        return LiveStep(action, (), tuple(written), planned.because)


def _key(planned: Plan) -> tuple[DoctorAction, tuple[str, ...]]:
    return planned.action, tuple(each.said for each in planned.changes)


def _uid(pod: Any) -> str:
    return name(mapping(controller_of(pod)).get("uid"))


def _path(pod: Any) -> str:
    namespace, called = pod_key(pod)
    return path_of(PODS, called, namespace)
