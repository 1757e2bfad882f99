"""What Deployments, ReplicaSets, StatefulSets and DaemonSets have in common: pods without end, made from one template.

Follows no Kubernetes source.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from env.engine.manifests.pod_template import PodTemplate, TemplateSource
from env.workload import ObjectRef, ResourceEdit, Resources


@dataclass(frozen=True, eq=False)
class LastingSpec:
    """What one apply of such a workload asks for.

    Attributes:
        ref: Its namespace and name.
        resources: Requests of the edited containers (0 where they have none; see `edited_container`), and replicas;
            0 replicas for a DaemonSet, which has as many pods as nodes admit them.
        source: The pod template of the manifest.
        template: What its pods are made from: `source` with `resources`.
    """

    ref: ObjectRef
    resources: Resources
    source: TemplateSource
    template: PodTemplate

    @property
    def replicas(self) -> int:
        """Pods that are asked for."""
        return self.resources.replicas

    def edited(self, edit: ResourceEdit) -> Self:
        """What the manifest would ask for after `edit`: the same as reading what `env.trace.edit` writes."""
        cpu_m = self.source.cpu.own if edit.cpu_m is None else edit.cpu_m
        memory_bytes = self.source.memory.own if edit.memory_bytes is None else edit.memory_bytes
        replicas = self.replicas if edit.replicas is None else edit.replicas
        return replace(
            self,
            resources=Resources(cpu_m or 0, memory_bytes or 0, replicas),
            template=self.source.template(edit.cpu_m, edit.memory_bytes),
        )


def resources_of(source: TemplateSource, replicas: int) -> Resources:
    """What a template's edited containers request as written, and replicas."""
    return Resources(source.cpu.own or 0, source.memory.own or 0, replicas)
