"""What is known of containers' use, put together from several sources."""

from env.usage.usage import UNKNOWN, ContainerKey, ContainerUse, Usage

WEB = ContainerKey("Deployment", "shop", "web", "web")
ADS = ContainerKey("Deployment", "shop", "ads", "ads")


def test_a_container_without_data_is_unknown_and_not_zero() -> None:
    assert Usage().of(WEB) is UNKNOWN
    assert (UNKNOWN.cpu_m, UNKNOWN.memory_bytes, UNKNOWN.is_known) == (None, None, False)


def test_a_source_that_names_a_container_and_does_not_know_it_leaves_it_to_the_next() -> None:
    both = Usage({WEB: UNKNOWN}, missing=(WEB,)).before(Usage({WEB: ContainerUse(cpu_m=5)}))
    assert (both.of(WEB).cpu_m, both.missing) == (5, ())


def test_the_first_source_wins_and_the_second_fills_in() -> None:
    file = Usage({WEB: ContainerUse(cpu_m=100)}, missing=(ADS,), notes=("a",))
    measured = Usage({WEB: ContainerUse(cpu_m=900), ADS: ContainerUse(cpu_m=5)}, notes=("a", "b"))
    both = file.before(measured)
    assert (both.of(WEB).cpu_m, both.of(ADS).cpu_m) == (100, 5)
    assert (both.missing, both.notes) == ((), ("a", "b"))
