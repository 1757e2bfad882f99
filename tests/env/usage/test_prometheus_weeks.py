"""Weeks of use from a Prometheus: memory in windows of six hours."""

from __future__ import annotations

from collections.abc import Callable

from fake_prometheus import DAY_S, NOW, FakePrometheus, Labels, Reply

from env.quantity import MIB
from env.usage.series import WINDOW_S
from env.usage.usage import ContainerKey, Usage

Read = Callable[..., Usage]
WEB = ContainerKey("Deployment", "shop", "web", "web")
PODS = ("web-6d4b9c7f5-x7k2p", "web-6d4b9c7f5-b4c5d")
WORKING_SET = "container_memory_working_set_bytes"
LAST_END = NOW // WINDOW_S * WINDOW_S


def of(pod: str) -> Labels:
    return {"namespace": "shop", "pod": pod, "container": "web", "job": "kubelet"}


def fill(server: FakePrometheus, days: int, pod: str = PODS[0]) -> None:
    """A sample every half hour; at each noon, UTC, 300Mi, else 100Mi."""
    points = [(float(before), 100 * MIB) for before in range(0, days * DAY_S, 1800)]
    noons = [NOW - at for at in range(int(NOW // DAY_S * DAY_S) + 43_200 - days * DAY_S, int(NOW), DAY_S)]
    server.add(WORKING_SET, of(pod), points)
    server.add(WORKING_SET, of(pod), [(before + 60.0, 300 * MIB) for before in noons])


def test_two_weeks_are_read_in_windows_of_which_the_largest_pod_counts(server: FakePrometheus, read: Read) -> None:
    fill(server, 15)
    server.add(WORKING_SET, of(PODS[1]), [(NOW - LAST_END + WINDOW_S / 2, 700 * MIB)])
    (track,) = read(WEB, range_s=14.0 * DAY_S).series[WEB].memory
    assert (len(track.seconds), track.seconds[-1]) == (56, LAST_END - WINDOW_S / 2)
    assert set(track.seconds[1:] - track.seconds[:-1]) == {WINDOW_S}
    assert track.values[-1] == 700 * MIB
    by_hour = {hour: set(track.values[:-1][track.seconds[:-1] % DAY_S == hour * 3600]) for hour in (3, 9, 15, 21)}
    assert by_hour == {3: {100 * MIB}, 9: {300 * MIB}, 15: {100 * MIB}, 21: {100 * MIB}}


def test_a_shorter_range_is_not_read_in_windows(server: FakePrometheus, read: Read) -> None:
    fill(server, 8)
    found = read(WEB, range_s=7.0 * DAY_S)
    assert (found.of(WEB).memory_bytes, found.series) == (300 * MIB, {})


def test_windows_that_cannot_be_read_leave_the_peak(server: FakePrometheus, read: Read) -> None:
    fill(server, 15)
    if isinstance(server, FakePrometheus):
        of_windows = f"[{WINDOW_S}s]"
        server.break_with = lambda query, at: Reply.error(500, "internal", "no") if of_windows in query else None
        found = read(WEB, range_s=14.0 * DAY_S)
        assert (found.of(WEB).memory_bytes, found.of(WEB).is_partial, found.series) == (300 * MIB, False, {})
        assert any("memory was not read in windows, so it is not tested week by week" in each for each in found.notes)
