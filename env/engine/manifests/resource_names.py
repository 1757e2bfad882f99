"""Resources besides CPU and memory: which there are, and what the API server asks of containers that want them.

Follows kubernetes 1.36 `pkg/scheduler/util/utils.go` (`IsScalarResourceName`), `pkg/apis/core/validation/validation.go`
(`validateContainerResourceName`, `validateResourceRequirements`) and `pkg/apis/core/helper/helpers.go`.
"""

from __future__ import annotations

from typing import Any

from env.engine.manifests.fields import Manifest, as_map
from env.engine.manifests.labels import QUALIFIED_NAME
from env.quantity import parse_cpu, parse_memory

EPHEMERAL_STORAGE = "ephemeral-storage"
_HUGE_PAGES = "hugepages-"
_VOLUMES = "attachable-volumes-"


def is_counted(name: str) -> bool:
    """Whether the scheduler counts it on nodes, besides CPU, memory and the number of pods."""
    if "/" in name:
        return QUALIFIED_NAME.fullmatch(name) is not None and not name.startswith("requests.")
    return name == EPHEMERAL_STORAGE or name.startswith((_HUGE_PAGES, _VOLUMES))


def check_requirements(resources: Manifest) -> None:
    """Refuse a container's requests and limits where the API server does.

    Extended resources and huge pages cannot be overcommitted: a request equals the limit. Huge pages are whole pages,
    and need CPU or memory beside them. That the API server wants a limit for each such request is let pass: what is
    scheduled does not depend on it.

    Raises:
        ValueError, QuantityError: Names the field.
    """
    requests, limits = as_map(resources, "requests"), as_map(resources, "limits")
    for name in sorted({*requests, *limits} - {"cpu", "memory", EPHEMERAL_STORAGE}):
        if name.startswith(_VOLUMES) or not is_counted(name):
            known = "cpu, memory, ephemeral-storage, hugepages-SIZE or a full name such as example.com/device"
            raise ValueError(f"resources: {name!r:.80}: must be {known}")
        for key, amounts in (("requests", requests), ("limits", limits)):
            if name in amounts:
                _check_amount(f"resources.{key}.{name}", name, amounts[name])
        if name in requests and name in limits and "kubernetes.io/" not in name:
            _check_equal(name, requests[name], limits[name])
    named = {*requests, *limits}
    if any(name.startswith(_HUGE_PAGES) for name in named) and not named & {"cpu", "memory"}:
        raise ValueError("resources: huge pages need cpu or memory beside them")


def _check_equal(name: str, request: Any, limit: Any) -> None:
    if parse_memory(request) != parse_memory(limit):
        raise ValueError(f"resources.requests.{name} {request!r:.40}: must equal the limit, {limit!r:.40}")


def _check_amount(field: str, name: str, amount: Any) -> None:
    if name.startswith(_HUGE_PAGES):
        page = parse_memory(name.removeprefix(_HUGE_PAGES))
        if page == 0 or parse_memory(amount) % page:
            raise ValueError(f"{field} {amount!r:.40}: must be whole pages of {name.removeprefix(_HUGE_PAGES)}")
    elif "kubernetes.io/" not in name and parse_cpu(amount) % 1000:
        raise ValueError(f"{field} {amount!r:.40}: must be a whole number")
