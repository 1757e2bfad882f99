from __future__ import annotations

import logging
from pathlib import Path

import pytest

from env.embedded.cluster import EmbeddedCluster
from env.embedded.kept_replays import KeptReplays, code_digest
from env.gym.rooms import make_scenario
from env.problems.scenario import Scenario
from env.workload import Resources


@pytest.fixture(scope="module")
def room() -> Scenario:
    return make_scenario("crowded", 1)


def observed(kept: KeptReplays, room: Scenario) -> list[object]:
    start = kept.observe(room, None).resources
    return [kept.observe(room, asked) for asked in (None, start, start._replace(replicas=1), Resources(50, 2**26, 9))]


def test_what_is_kept_is_what_a_replay_gives(tmp_path: Path, room: Scenario) -> None:
    first = KeptReplays("test", tmp_path)
    found = observed(first, room)
    first.close()
    again = KeptReplays("test", tmp_path)
    again._cluster = None  # type: ignore[assignment]  # whatever it is asked comes from the file
    same = make_scenario("crowded", 1)
    assert observed(again, same) == found
    cluster, start = EmbeddedCluster(), first.observe(room, None).resources
    assert found[2] == cluster.observe(room, start._replace(replicas=1))


def test_other_scenarios_and_requests_have_rows_of_their_own(tmp_path: Path, room: Scenario) -> None:
    kept, cluster = KeptReplays("test", tmp_path), EmbeddedCluster()
    for scenario in (room, make_scenario("crowded", 2), make_scenario("split", 1)):
        assert kept.observe(scenario, None) == cluster.observe(scenario, None)


@pytest.mark.parametrize("damage", [lambda data: data[:-8], lambda data: data[:-1] + b"\x7f", lambda data: b"x" + data])
def test_a_damaged_file_is_said_and_replayed_anew(
    tmp_path: Path, room: Scenario, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    first = KeptReplays("test", tmp_path)
    found = observed(first, room)
    first.close()
    first.path.write_bytes(damage(first.path.read_bytes()))  # type: ignore[operator]
    with caplog.at_level(logging.WARNING):
        again = KeptReplays("test", tmp_path)
    assert "damaged" in caplog.text
    assert observed(again, room) == found


def test_a_file_of_other_code_is_not_read_and_goes(tmp_path: Path, room: Scenario) -> None:
    other = tmp_path / "test-0123456789abcdef.replays"
    other.write_bytes(b"of another engine")
    kept = KeptReplays("test", tmp_path)
    assert code_digest()[:16] in kept.path.name
    kept.observe(room, None)
    kept.close()
    assert [path.name for path in tmp_path.iterdir()] == [kept.path.name]


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(
    tmp_path: Path, room: Scenario, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    kept = KeptReplays("test", tmp_path / "file")
    seen = kept.observe(room, None)
    kept.close()
    assert seen.total
    assert "are not kept" in caplog.text
