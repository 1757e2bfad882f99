"""The Deployment controller: which ReplicaSets there are, and how many pods each should have next.

Follows kubernetes `pkg/controller/deployment` (`sync.go`, `rolling.go`, `recreate.go`, `util/deployment_util.go`). One
call of `sync` is one sync of the controller.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from env.engine.controllers.replica_set import ReplicaSet
from env.engine.controllers.rollout import proportional_sizes
from env.engine.plane import Plane
from env.engine.pods import Pod
from env.trace.document import WorkloadRef
from env.trace.workload import Asked


@dataclass(eq=False)
class Deployment:
    """A Deployment: what it asks for, and its ReplicaSets, oldest first."""

    asked: Asked
    sets: list[ReplicaSet] = field(default_factory=list)
    kind: str = "Deployment"

    @property
    def ref(self) -> WorkloadRef:
        return self.asked.ref

    def pods(self) -> list[Pod]:
        return [pod for each in self.sets for pod in each.members]

    def sync(self, plane: Plane) -> bool:
        if self._is_done():
            return False
        newest = self._newest()
        if newest is not None:
            newest.min_ready_s = self.asked.min_ready_s
        changed = self._scaled(plane) if self._is_scaling() or self.asked.paused else self._rolled_out(plane)
        self._wait(plane)
        self.sets = [each for each in self.sets if each.replicas or each.members or each is self._newest()]
        return changed

    def _wait(self, plane: Plane) -> None:
        """Look again when the next pod has been Ready for minReadySeconds."""
        times = [at_s for each in self.sets if (at_s := each.next_available_s(plane.now_s)) is not None]
        if times:
            plane.wake(self, min(times))

    def _is_done(self) -> bool:
        """One ReplicaSet, of what is asked for and scaled to it: the common case, told quickly."""
        if len(self.sets) != 1:
            return False
        only, asked = self.sets[0], self.asked
        return only.replicas == only.desired == asked.replicas and (
            only.template is asked.template or only.template.revision == asked.template.revision
        )

    def _newest(self) -> ReplicaSet | None:
        """The ReplicaSet of the template that is asked for now."""
        revision = self.asked.template.revision
        return next((each for each in self.sets if each.template.revision == revision), None)

    def _old(self) -> list[ReplicaSet]:
        newest = self._newest()
        return [each for each in self.sets if each is not newest]

    def _is_scaling(self) -> bool:
        return any(each.replicas and each.desired != self.asked.replicas for each in self.sets)

    # --- scaling -----------------------------------------------------------------------------------------------------

    def _scaled(self, plane: Plane) -> bool:
        """`sync.go`, scale: the one active set takes all, several share in proportion to their size."""
        asked, newest = self.asked, self._newest()
        active = [each for each in self.sets if each.replicas]
        if len(active) <= 1:
            only = active[0] if active else newest or (self.sets[-1] if self.sets else None)
            return only is not None and self._scale(plane, only, asked.replicas)
        if newest is not None and self._is_saturated(newest, plane.now_s):
            return any([self._scale(plane, each, 0) for each in self._old()])
        if asked.strategy.recreate:
            return False
        surge, _ = asked.fenceposts
        allowed = asked.replicas + surge if asked.replicas > 0 else 0
        sizes = proportional_sizes([(each.replicas, each.most) for each in active], allowed, asked.replicas)
        return any([self._scale(plane, each, size) for each, size in zip(active, sizes, strict=True)])

    def _is_saturated(self, newest: ReplicaSet, now_s: float) -> bool:
        """`IsSaturated`: it has all pods that are asked for, available, and was told so."""
        return newest.replicas == newest.desired == self.asked.replicas == newest.available(now_s)

    def _scale(self, plane: Plane, replica_set: ReplicaSet, replicas: int) -> bool:
        asked = self.asked
        surge, _ = asked.fenceposts
        annotated = (asked.replicas, asked.replicas + surge)
        before = replica_set.replicas
        changed = before != replicas or (replica_set.desired, replica_set.most) != annotated
        replica_set.replicas = replicas
        replica_set.desired, replica_set.most = annotated
        if before != replicas:
            self._tell(plane, replica_set, before)
        return changed

    def _tell(self, plane: Plane, replica_set: ReplicaSet, before: int) -> None:
        if plane.recorder.wanted:
            direction = "up" if replica_set.replicas > before else "down"
            text = f"Scaled {direction} replica set {replica_set.ref.name} from {before} to {replica_set.replicas}"
            plane.recorder.owner(
                self.kind, self.ref.namespace, self.ref.name, "ScalingReplicaSet", text, "deployment-controller"
            )

    # --- rolling out -------------------------------------------------------------------------------------------------

    def _rolled_out(self, plane: Plane) -> bool:
        return self._recreated(plane) if self.asked.strategy.recreate else self._rolled(plane)

    def _recreated(self, plane: Plane) -> bool:
        old = self._old()
        if any([self._scale(plane, each, 0) for each in old if each.replicas]):
            return True
        if any(each.members for each in old):
            return False
        newest, created = self._created(plane)
        return self._scale(plane, newest, self.asked.replicas) or created

    def _rolled(self, plane: Plane) -> bool:
        newest, created = self._created(plane)
        if not created and self._scale(plane, newest, self._grown(newest)):
            return True
        return self._shrunk(plane, newest) or created

    def _created(self, plane: Plane) -> tuple[ReplicaSet, bool]:
        newest = self._newest()
        if newest is not None:
            return newest, False
        template = self.asked.template
        digest = hashlib.sha256(repr(template.revision).encode()).hexdigest()[:10] if plane.recorder.wanted else ""
        newest = ReplicaSet.make(WorkloadRef(self.ref.namespace, f"{self.ref.name}-{digest}"), template, 0, plane)
        newest.parent = self
        newest.min_ready_s = self.asked.min_ready_s
        self.sets.append(newest)
        self._scale(plane, newest, self._grown(newest))
        return newest, True

    def _grown(self, newest: ReplicaSet) -> int:
        """`NewRSNewReplicas`: as many as the surge leaves room for."""
        asked = self.asked
        if asked.strategy.recreate:
            return asked.replicas
        if newest.replicas > asked.replicas:
            return asked.replicas
        surge, _ = asked.fenceposts
        room = asked.replicas + surge - sum(each.replicas for each in self.sets)
        return newest.replicas if room <= 0 else min(asked.replicas, newest.replicas + room)

    def _shrunk(self, plane: Plane, newest: ReplicaSet) -> bool:
        """`reconcileOldReplicaSets`: unhealthy old pods first, then as many as may be unavailable."""
        old = [each for each in self._old() if each.replicas]
        if not old:
            return False
        now_s, asked = plane.now_s, self.asked
        _, unavailable = asked.fenceposts
        least = asked.replicas - unavailable
        total = newest.replicas + sum(each.replicas for each in old)
        spare = total - least - (newest.replicas - newest.available(now_s))
        if spare <= 0:
            return False
        changed = False
        for each in old:
            unhealthy = min(spare, max(0, each.replicas - each.available(now_s)))
            if unhealthy:
                changed |= self._scale(plane, each, each.replicas - unhealthy)
                spare -= unhealthy
        available = sum(each.available(now_s) for each in (*old, newest))
        leaving = available - least
        for each in old:
            gone = min(max(0, leaving), each.replicas)
            if gone:
                changed |= self._scale(plane, each, each.replicas - gone)
                leaving -= gone
        return changed
