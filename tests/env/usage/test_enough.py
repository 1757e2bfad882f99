"""The rule: what requests are enough for a use, and what is too little or too much."""

from dataclasses import replace

import pytest

from env.quantity import MIB
from env.usage.containers import Amounts
from env.usage.enough import Verdict, enough, sizing
from env.usage.usage import UNKNOWN, ContainerUse

WEEK_S = 7 * 86_400.0
USE = ContainerUse(cpu_m=200, memory_bytes=200 * MIB, source="Prometheus", window_s=WEEK_S, samples=20_000, pods=3)
NONE = Amounts()


def verdicts(use: ContainerUse, requests: Amounts, limits: Amounts = NONE) -> tuple[str, str]:
    found = sizing(use, requests, limits)
    return found.cpu.verdict.value, found.memory.verdict.value


def test_enough_is_the_use_and_fifteen_percent() -> None:
    assert enough(USE) == Amounts(230, 230 * MIB)


def test_enough_of_an_unknown_use_is_unknown_and_changes_no_request() -> None:
    assert enough(UNKNOWN) == NONE
    found = sizing(UNKNOWN, Amounts(500, None), NONE)
    assert (found.cpu.verdict, found.memory.verdict, found.proposed) == (
        Verdict.UNKNOWN,
        Verdict.UNKNOWN,
        Amounts(500, None),
    )


def test_an_idle_container_is_proposed_the_least_and_not_zero() -> None:
    assert enough(ContainerUse(cpu_m=0, memory_bytes=MIB)) == Amounts(10, 16 * MIB)


def test_a_request_below_the_use_is_too_little() -> None:
    found = sizing(USE, Amounts(199, 199 * MIB), NONE)
    assert (found.cpu.verdict, found.memory.verdict) == (Verdict.TOO_LITTLE, Verdict.TOO_LITTLE)
    assert found.proposed == Amounts(230, 230 * MIB)


def test_a_memory_limit_below_the_need_is_too_little_whatever_the_request_is() -> None:
    found = sizing(USE, Amounts(230, 230 * MIB), Amounts(None, 100 * MIB))
    assert (found.memory.verdict, found.memory.propose) == (Verdict.TOO_LITTLE, 230 * MIB)


def test_no_request_at_all_is_too_little() -> None:
    assert verdicts(USE, NONE) == ("too little", "too little")


def test_a_request_from_the_use_to_a_tenth_above_enough_is_left_alone() -> None:
    for cpu_m, mib in ((200, 200), (253, 253)):
        assert sizing(USE, Amounts(cpu_m, mib * MIB), NONE).proposed == Amounts(cpu_m, mib * MIB)
    assert verdicts(USE, Amounts(254, 254 * MIB)) == ("too much", "too much")


def test_too_much_is_lowered_to_what_is_enough() -> None:
    assert sizing(USE, Amounts(2000, 4096 * MIB), NONE).proposed == Amounts(230, 230 * MIB)


@pytest.mark.parametrize("unsure", [{"window_s": 3600.0}, {"window_s": 0.0}, {"is_partial": True}])
def test_nothing_is_too_much_by_a_short_or_partial_measurement(unsure: dict[str, float]) -> None:
    found = sizing(replace(USE, **unsure), Amounts(2000, 4096 * MIB), NONE)  # type: ignore[arg-type]
    assert (found.cpu.verdict, found.memory.verdict) == (Verdict.ENOUGH, Verdict.ENOUGH)
    assert "not lowered" in found.cpu.why


def test_but_too_little_is_too_little_by_one_look() -> None:
    found = sizing(replace(USE, window_s=0.0), Amounts(100, 100 * MIB), NONE)
    assert (found.cpu.verdict, found.memory.verdict) == (Verdict.TOO_LITTLE, Verdict.TOO_LITTLE)
    assert (found.cpu.why, found.memory.why) == ("uses 200m now, has 100m", "uses 200Mi now, has 100Mi")


def test_a_killed_containers_peak_is_a_floor_and_not_its_need() -> None:
    killed = replace(USE, memory_bytes=256 * MIB, is_floor=True)
    found = sizing(killed, Amounts(230, 256 * MIB), Amounts(None, 256 * MIB))
    assert (found.memory.verdict, found.memory.propose) == (Verdict.TOO_LITTLE, round((256 + 100) * 1.15 + 0.5) * MIB)
    assert enough(replace(killed, memory_bytes=1000 * MIB)).memory_bytes == 1380 * MIB


def test_memory_is_not_lowered_where_it_was_killed_nor_cpu_where_it_was_throttled() -> None:
    held = replace(USE, is_floor=True, cpu_is_floor=True)
    assert verdicts(held, Amounts(2000, 4096 * MIB)) == ("enough", "enough")


def test_page_cache_is_no_reason_to_raise_a_request_but_one_not_to_lower_it() -> None:
    cached = replace(USE, memory_bytes=1000 * MIB, resident_bytes=200 * MIB)
    assert sizing(cached, NONE, NONE).memory.propose == 230 * MIB
    assert sizing(cached, Amounts(230, 200 * MIB), NONE).memory.propose == 200 * MIB
    assert sizing(cached, Amounts(230, 1000 * MIB), NONE).memory.propose == 1000 * MIB
    assert sizing(cached, Amounts(230, 4000 * MIB), NONE).memory.propose == 1150 * MIB
