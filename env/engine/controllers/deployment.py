"""The Deployment controller: which ReplicaSets there are, and how many pods each should have next.

Follows kubernetes 1.36 `pkg/controller/deployment` (`sync.go`, `rolling.go`, `recreate.go`, `util/deployment_util.go`).
One call of `sync` is one sync of the controller.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import ClassVar

from env.engine.api_server import ApiServer
from env.engine.controllers.replica_set import ReplicaSet
from env.engine.controllers.rollout import proportional_sizes
from env.engine.manifests.deployment import DeploymentSpec
from env.engine.pods import Pod
from env.workload import ObjectRef


@dataclass(eq=False)
class Deployment:
    """A Deployment: what it asks for, and its ReplicaSets, oldest first."""

    spec: DeploymentSpec
    sets: list[ReplicaSet] = field(default_factory=list)
    kind: ClassVar[str] = "Deployment"

    @property
    def ref(self) -> ObjectRef:
        """Namespace and name."""
        return self.spec.ref

    def pods(self) -> list[Pod]:
        """All its pods, in order of creation."""
        return [pod for each in self.sets for pod in each.members]

    def selects(self, pod: Pod) -> bool:
        """It owns no pods itself."""
        return False

    def would_only_grow(self, spec: DeploymentSpec) -> bool:
        """Whether no pod goes and no other revision comes when this is asked for next."""
        settled = len(self.sets) == 1 and self.sets[0].template.revision == spec.template.revision
        return settled and self.sets[0].replicas == self.spec.replicas <= spec.replicas

    def sync(self, api: ApiServer) -> bool:
        """One sync of its controller; whether it changed anything."""
        if self._is_done():
            return False
        newest = self._newest()
        if newest is not None:
            newest.min_ready_s = self.spec.min_ready_s
        changed = self._scaled(api) if self._is_scaling() or self.spec.paused else self._rolled_out(api)
        self._wait(api)
        newest = self._newest()
        self.sets = [each for each in self.sets if each.replicas or each.members or each.leaving or each is newest]
        return changed

    def _wait(self, api: ApiServer) -> None:
        """Look again when the next pod has been Ready for minReadySeconds."""
        times = [at_s for each in self.sets if (at_s := each.next_available_s(api.now_s)) is not None]
        if times:
            api.wake(self, min(times))

    def _is_done(self) -> bool:
        """One ReplicaSet, of what is asked for and scaled to it: the common case, decided quickly."""
        if len(self.sets) != 1:
            return False
        only, asked = self.sets[0], self.spec
        return only.replicas == only.desired == asked.replicas and (
            only.template is asked.template or only.template.revision == asked.template.revision
        )

    def _newest(self) -> ReplicaSet | None:
        """The ReplicaSet of the template that is asked for now."""
        template = self.spec.template
        for each in self.sets:
            if each.template is template or each.template.revision == template.revision:
                return each
        return None

    def _old(self) -> list[ReplicaSet]:
        newest = self._newest()
        return [each for each in self.sets if each is not newest]

    def _is_scaling(self) -> bool:
        return any(each.replicas and each.desired != self.spec.replicas for each in self.sets)

    # --- scaling -----------------------------------------------------------------------------------------------------

    def _scaled(self, api: ApiServer) -> bool:
        """`sync.go`, scale: the one active set takes all, several share in proportion to their size."""
        asked, newest = self.spec, self._newest()
        active = [each for each in self.sets if each.replicas]
        if len(active) <= 1:
            only = active[0] if active else newest or (self.sets[-1] if self.sets else None)
            return only is not None and self._scale(api, only, asked.replicas)
        if newest is not None and self._is_saturated(newest, api.now_s):
            return any([self._scale(api, each, 0) for each in self._old()])
        if asked.strategy.recreate:
            return False
        surge, _ = asked.fenceposts
        allowed = asked.replicas + surge if asked.replicas > 0 else 0
        sizes = proportional_sizes([(each.replicas, each.most) for each in active], allowed, asked.replicas)
        return any([self._scale(api, each, size) for each, size in zip(active, sizes, strict=True)])

    def _is_saturated(self, newest: ReplicaSet, now_s: float) -> bool:
        """`IsSaturated`: it has all pods that are asked for, available, and its annotations say so."""
        return newest.replicas == newest.desired == self.spec.replicas == newest.available(now_s)

    def _scale(self, api: ApiServer, replica_set: ReplicaSet, replicas: int) -> bool:
        asked = self.spec
        surge, _ = asked.fenceposts
        annotated = (asked.replicas, asked.replicas + surge)
        before = replica_set.replicas
        changed = before != replicas or (replica_set.desired, replica_set.most) != annotated
        replica_set.replicas = replicas
        replica_set.desired, replica_set.most = annotated
        if before != replicas and api.recorder.wanted:
            direction = "up" if replica_set.replicas > before else "down"
            text = f"Scaled {direction} replica set {replica_set.ref.name} from {before} to {replica_set.replicas}"
            api.recorder.owner(
                self.kind, self.ref.namespace, self.ref.name, "ScalingReplicaSet", text, "deployment-controller"
            )
        return changed

    # --- rolling out -------------------------------------------------------------------------------------------------

    def _rolled_out(self, api: ApiServer) -> bool:
        return self._recreated(api) if self.spec.strategy.recreate else self._rolled(api)

    def _recreated(self, api: ApiServer) -> bool:
        old = self._old()
        if any([self._scale(api, each, 0) for each in old if each.replicas]):
            return True
        if any(each.members or each.leaving for each in old):
            return False
        newest, created = self._created(api)
        return self._scale(api, newest, self.spec.replicas) or created

    def _rolled(self, api: ApiServer) -> bool:
        newest, created = self._created(api)
        if not created and self._scale(api, newest, self._grown(newest)):
            return True
        return self._shrunk(api, newest) or created

    def _created(self, api: ApiServer) -> tuple[ReplicaSet, bool]:
        newest = self._newest()
        if newest is not None:
            return newest, False
        template = self.spec.template
        digest = hashlib.sha256(repr(template.revision).encode()).hexdigest()[:10] if api.recorder.wanted else ""
        newest = ReplicaSet.make(ObjectRef(self.ref.namespace, f"{self.ref.name}-{digest}"), template, 0, api)
        newest.parent = self
        newest.min_ready_s = self.spec.min_ready_s
        self.sets.append(newest)
        self._scale(api, newest, self._grown(newest))
        return newest, True

    def _grown(self, newest: ReplicaSet) -> int:
        """`NewRSNewReplicas`: as many as the surge leaves room for."""
        asked = self.spec
        if asked.strategy.recreate:
            return asked.replicas
        if newest.replicas > asked.replicas:
            return asked.replicas
        surge, _ = asked.fenceposts
        room = asked.replicas + surge - sum(each.replicas for each in self.sets)
        return newest.replicas if room <= 0 else min(asked.replicas, newest.replicas + room)

    def _shrunk(self, api: ApiServer, newest: ReplicaSet) -> bool:
        """`reconcileOldReplicaSets`: unhealthy old pods first, then as many as may be unavailable."""
        old = [each for each in self._old() if each.replicas]
        if not old:
            return False
        now_s, asked = api.now_s, self.spec
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
                changed |= self._scale(api, each, each.replicas - unhealthy)
                spare -= unhealthy
        available = sum(each.available(now_s) for each in (*old, newest))
        leaving = available - least
        for each in old:
            gone = min(max(0, leaving), each.replicas)
            if gone:
                changed |= self._scale(api, each, each.replicas - gone)
                leaving -= gone
        return changed
