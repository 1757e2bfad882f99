"""What the API server makes of a new pod before it exists: LimitRanges give it resources, or refuse it; quotas too.

The order is that of the API server: LimitRanges change the pod, it is validated, LimitRanges check it, quotas come
last. Follows kubernetes 1.36 `plugin/pkg/admission/limitranger/admission.go`,
`staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go` and
`pkg/apis/core/validation/validation.go` (`ValidateResourceRequirements`,
`validatePodResourceConsistency`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from env.engine.manifests.fields import Manifest, as_map, as_maps
from env.engine.manifests.limit_range import LimitRange, defaulted, violations
from env.engine.manifests.pod_template import PodTemplate
from env.engine.manifests.resource_list import ResourceList, of_containers, read_resources, with_requests
from env.engine.manifests.resource_quota import COUNT, ResourceQuota, counts, exceeded, unspecified, usage
from env.engine.pods import Pod
from env.errors import SimArenaError
from env.workload import ObjectRef


@dataclass(frozen=True)
class Refusal:
    """Why the API server takes no such pod; `is_invalid`: in itself, otherwise it is forbidden."""

    reason: str
    is_invalid: bool = False

    def message(self, pod: str) -> str:
        """What the API server answers for a pod of that name."""
        return (
            f'Pod "{pod}" is invalid: {self.reason}' if self.is_invalid else f'pods "{pod}" is forbidden: {self.reason}'
        )


@dataclass(eq=False)
class _Account:
    """A quota and what the pods that there are take of it, in thousandths."""

    quota: ResourceQuota
    used: Counter[str] = field(default_factory=Counter)


class Admission:
    """The LimitRanges and ResourceQuotas of a cluster.

    A template is read anew where a LimitRange gives its containers resources, once for each set of LimitRanges.
    """

    def __init__(self) -> None:
        self._ranges: dict[str, dict[str, LimitRange]] = {}  # by namespace and name
        self._accounts: dict[str, dict[str, _Account]] = {}
        self._admitted: dict[PodTemplate, PodTemplate | Refusal] = {}
        self._charged: dict[Pod, tuple[list[_Account], ResourceList]] = {}

    def apply(self, ref: ObjectRef, spec: LimitRange | ResourceQuota, pods: Iterable[Pod]) -> None:
        """Create or change an object; pods that there are count for a quota, and no LimitRange changes them."""
        if isinstance(spec, LimitRange):
            self._ranges.setdefault(ref.namespace, {})[ref.name] = spec
            self._admitted.clear()
            return
        self._accounts.setdefault(ref.namespace, {})[ref.name] = _Account(spec)
        self._recount(ref.namespace, pods)

    def delete(self, kind: str, ref: ObjectRef) -> bool:
        """Delete an object; whether there was one."""
        if kind == "LimitRange":
            self._admitted.clear()
            return self._ranges.get(ref.namespace, {}).pop(ref.name, None) is not None
        return kind == "ResourceQuota" and self._accounts.get(ref.namespace, {}).pop(ref.name, None) is not None

    def admit(self, template: PodTemplate) -> PodTemplate | Refusal:
        """What a new pod of this template is made from, or why there is none."""
        made = self._within_ranges(template)
        accounts = self._accounts.get(template.namespace)
        if not accounts or isinstance(made, Refusal):
            return made
        pod = _spec(made)
        asked = usage(pod)
        for name, account in sorted(accounts.items()):
            if counts(account.quota, pod):
                missing = unspecified(account.quota, pod)
                if missing:
                    return Refusal(f"failed quota: {name}: {missing}")
                too_much = exceeded(name, account.quota, account.used, asked)
                if too_much:
                    return Refusal(too_much)
        return made

    def defaulted(self, template: PodTemplate) -> PodTemplate:
        """A template with what LimitRanges give its containers; as it is where they refuse its pods."""
        made = self._within_ranges(template)
        return template if isinstance(made, Refusal) else made

    def _within_ranges(self, template: PodTemplate) -> PodTemplate | Refusal:
        ranges = self._ranges.get(template.namespace, {})
        if not ranges and not asks_as_a_whole(template):
            return template
        if template not in self._admitted:
            self._admitted[template] = _within(template, list(ranges.values()))
        return self._admitted[template]

    def charge(self, pod: Pod) -> None:
        """A pod exists now and takes from the quotas."""
        accounts = self._accounts.get(pod.template.namespace)
        if not accounts:
            return
        spec = _spec(pod.template)
        asked = usage(spec)
        charged = [each for each in accounts.values() if counts(each.quota, spec)]
        self._charged[pod] = charged, asked
        for each in charged:
            each.used.update({name: amount.milli for name, amount in asked.items()})

    def release(self, pod: Pod) -> bool:
        """A pod has ended or is gone; whether a quota has more room now."""
        if pod not in self._charged:
            return False
        charged, asked = self._charged.pop(pod)
        staying = {COUNT: asked[COUNT]} if pod.ended and not pod.deleted else {}
        for each in charged:
            each.used.subtract({name: amount.milli for name, amount in asked.items() if name not in staying})
        if staying:
            self._charged[pod] = charged, staying
        return True

    def _recount(self, namespace: str, pods: Iterable[Pod]) -> None:
        for account in self._accounts[namespace].values():
            account.used.clear()
        for pod in pods:
            if pod.template.namespace == namespace and not pod.deleted:
                self._charged.pop(pod, None)
                self.charge(pod)
                if pod.ended:
                    self.release(pod)


def _spec(template: PodTemplate) -> Manifest:
    """The spec of its pods, as the API server has it after defaulting."""
    return with_requests(template.written())


def _within(template: PodTemplate, ranges: list[LimitRange]) -> PodTemplate | Refusal:
    """What LimitRanges make of a template."""
    pod = defaulted(_spec(template), ranges)
    invalid = _invalid(pod)
    if invalid:
        return Refusal(invalid, is_invalid=True)
    found = violations(pod, ranges)
    if found:
        return Refusal(found[0] if len(found) == 1 else f"[{', '.join(found)}]")
    try:
        return template.with_spec(pod)
    except (SimArenaError, ValueError) as error:
        return Refusal(str(error), is_invalid=True)


def asks_as_a_whole(template: PodTemplate) -> bool:
    """Whether its pods ask for resources beside their containers."""
    return template.origin is not None and bool(template.origin[0].manifest["spec"].get("resources"))


def _invalid(pod: Manifest) -> str:
    """What defaults have made wrong, in the API server's words; "" for nothing."""
    found = [*_above_own_limit(pod), *_above_whole(pod)]
    return found[0] if len(found) == 1 else f"[{', '.join(found)}]" if found else ""


def _above_own_limit(pod: Manifest) -> Iterator[str]:
    """Requests of containers above their limits."""
    for part in ("containers", "initContainers"):
        for number, container in enumerate(as_maps(pod, part)):
            resources = as_map(container, "resources")
            limits = read_resources(resources, "limits")
            for name, request in sorted(read_resources(resources, "requests").items()):
                if name in limits and request.milli > limits[name].milli:
                    yield (
                        f'spec.{part}[{number}].resources.requests: Invalid value: "{request.text}": '
                        f"must be less than or equal to {name} limit of {limits[name].text}"
                    )


def _above_whole(pod: Manifest) -> Iterator[str]:
    """Containers that ask for more than their pod does as a whole."""
    whole = as_map(pod, "resources")
    together = of_containers(pod, "requests")
    for name, request in sorted(read_resources(whole, "requests").items()):
        if name in together and together[name].milli > request.milli:
            yield (
                f'spec.resources.requests[{name}]: Invalid value: "{request.text}": '
                f"must be greater than or equal to aggregate container requests of {together[name].text}"
            )
    most = read_resources(whole, "limits")
    for number, container in enumerate(as_maps(pod, "containers")):
        for name, limit in sorted(read_resources(as_map(container, "resources"), "limits").items()):
            if name in most and limit.milli > most[name].milli:
                yield (
                    f'spec.resources.containers[{number}][{name}].limits: Invalid value: "{limit.text}": '
                    f"must be less than or equal to pod limits of {most[name].text}"
                )
