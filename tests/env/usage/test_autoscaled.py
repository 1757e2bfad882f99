"""Workloads that an autoscaler scales by their use."""

import pytest
from usage_objects import Manifest, autoscaler

from env.quantity import MIB
from env.usage.autoscaled import with_autoscalers
from env.usage.containers import Amounts
from env.usage.enough import sizing
from env.usage.usage import ContainerKey, ContainerUse, Usage

WEB = ContainerKey("Deployment", "shop", "web", "web")
USAGE = Usage({WEB: ContainerUse(cpu_m=100, memory_bytes=100 * MIB, window_s=7 * 86_400.0)})


@pytest.mark.parametrize(
    ("scaler", "cpu", "memory"),
    [
        (autoscaler("web", "cpu"), "enough", "too much"),
        (autoscaler("web"), "enough", "too much"),  # by CPU, as it says nothing
        (autoscaler("web", "cpu", "memory"), "enough", "enough"),
        (autoscaler("web", "cpu", target_type="AverageValue"), "too much", "too much"),
        (autoscaler("ads", "cpu"), "too much", "too much"),
        (autoscaler("web", "cpu", kind="StatefulSet"), "too much", "too much"),
        ({"kind": "HorizontalPodAutoscaler", "metadata": None, "spec": []}, "too much", "too much"),
    ],
)
def test_a_resource_that_an_autoscaler_scales_by_is_not_lowered(scaler: Manifest, cpu: str, memory: str) -> None:
    found = sizing(with_autoscalers(USAGE, [scaler]).of(WEB), Amounts(4000, 4096 * MIB), Amounts())
    assert (found.cpu.verdict, found.memory.verdict) == (cpu, memory)


def test_but_it_is_raised_where_it_is_too_little() -> None:
    found = sizing(with_autoscalers(USAGE, [autoscaler("web", "cpu")]).of(WEB), Amounts(50, None), Amounts())
    assert (found.cpu.verdict, found.cpu.propose) == ("too little", 115)
