"""Keys: what is built can be parsed back, and nothing else passes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.wire import ids, keys
from protocol.wire.errors import BadId
from protocol.wire.keys import Mark, Progress

some_ids = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
groups = st.from_regex(r"[a-z0-9][a-z0-9-]{0,56}", fullmatch=True).filter(lambda group: group != "active")
numbers = st.integers(1, keys.MAX_ROUNDS)
members = st.integers(0, keys.MAX_MEMBERS - 1)


@given(some_ids)
def test_a_manifest_key_is_parsed_back(job_id: str) -> None:
    for build in (keys.submitted_manifest, keys.pending_manifest, keys.finished_manifest, keys.rejected_manifest):
        assert keys.parse_manifest(build(job_id)) == job_id


@given(some_ids, st.sampled_from([Mark.CLAIM, Mark.HEARTBEAT, Mark.RELEASED]), st.integers(1, 10**6))
def test_an_attempts_mark_is_parsed_back(job_id: str, mark: Mark, attempt: int) -> None:
    assert keys.parse_progress(keys.attempt_mark(job_id, mark, attempt)) == Progress(job_id, mark, attempt)
    assert keys.parse_progress(keys.cancel(job_id)) == Progress(job_id, Mark.CANCEL, 0)


@given(some_ids, groups, numbers, members)
def test_states_updates_members_and_index_entries_are_parsed_back(job: str, group: str, n: int, member: int) -> None:
    assert keys.parse_state(keys.state(job, n)) == n
    assert keys.parse_update(keys.update(group, n, member)) == member
    assert keys.parse_active(keys.active(group)) == group
    assert keys.parse_member_job(keys.member_job(group, member)) == (group, member)


@given(some_ids, st.sampled_from(sorted(keys.MACHINE_FILES)))
def test_a_machines_files_are_parsed_back_and_no_others(worker: str, name: str) -> None:
    key = keys.machine_file(worker, name)
    assert keys.parse_machine_file(key) == (worker, name)
    for other in (f"{key}/x", f"{key}.1", key.replace("workers", "results"), f"{keys.machine(worker)}x.json"):
        assert keys.parse_machine_file(other) is None
    with pytest.raises(BadId):
        keys.machine_file(worker, "../result.json")


@pytest.mark.parametrize("name", ["../x.whl", "a/b", "", ".hidden", "-option", "a b", "ä", "a" * 129])
def test_code_has_a_plain_file_name_below_its_hash(name: str) -> None:
    assert keys.code("0" * 64, "sim_arena-0.1.0+x-py3-none-any.whl").startswith(f"code/{64 * '0'}/")
    with pytest.raises(BadId):
        keys.code("0" * 64, name)
    with pytest.raises(BadId):
        keys.code("0" * 63, "x.whl")


@given(st.text(max_size=80))
def test_only_plain_ids_become_part_of_a_key(text: str) -> None:
    if ids.is_id(text):
        assert set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert 1 <= len(text) <= 63
    else:
        with pytest.raises(BadId):
            keys.pending_manifest(text)


@pytest.mark.parametrize("text", ["../x", "a/b", "A", "", "-a", "a\n", "a" * 64, "ä", "a.b", "a b"])
def test_paths_capitals_and_line_ends_are_no_ids(text: str) -> None:
    assert not ids.is_id(text)


@given(st.text(max_size=120))
def test_parsers_never_raise_and_never_answer_an_id_that_is_not_allowed(text: str) -> None:
    for key in (text, f"jobs/pending/{text}/manifest.json", f"jobs/in_progress/{text}/claim-0001.json"):
        job_id = keys.parse_manifest(key)
        row = keys.parse_progress(key)
        assert job_id is None or ids.is_id(job_id)
        assert row is None or ids.is_id(row.job_id)


def test_the_name_of_the_index_and_names_too_long_for_members_are_no_groups() -> None:
    for group in ("active", "g" * 58, "../x"):
        with pytest.raises(BadId, match="use 1 to 57 of"):
            keys.federation(group)
        assert keys.parse_active(f"federations/active/{group}") is None


@pytest.mark.parametrize("number", [0, -1, 1_000_000])
def test_an_episode_beyond_six_digits_is_refused(number: int) -> None:
    with pytest.raises(BadId, match="use 1 to 999999"):
        keys.state("job", number)


def test_only_known_files_stand_beside_a_result() -> None:
    with pytest.raises(BadId):
        keys.artifact("job", "../../evil")


def test_the_attempts_of_a_group_do_not_include_another_groups() -> None:
    prefix = keys.in_progress_of_group("web")
    assert keys.attempt_mark(keys.member_job("web", 3), Mark.CLAIM, 1).startswith(prefix)
    assert not keys.attempt_mark(keys.member_job("web-2", 3), Mark.CLAIM, 1).startswith(prefix)


def every_key(job: str, other: str, group: str) -> Iterator[str]:
    """A key of each kind that may lie in one bucket."""
    sha256 = "0" * 64
    for name in (job, other, keys.member_job(group, 0)):
        yield from (build(name) for build in (keys.submitted_manifest, keys.pending_manifest, keys.finished_manifest))
        yield from (build(name) for build in (keys.rejected_manifest, keys.rejected_error, keys.cancel, keys.result))
        yield from (keys.attempt_mark(name, mark, 1) for mark in (Mark.CLAIM, Mark.HEARTBEAT, Mark.RELEASED))
        yield from (keys.artifact(name, file) for file in keys.ARTIFACTS)
        yield from (keys.machine_file(name, file) for file in keys.MACHINE_FILES)
        yield keys.state(name, 1)
        yield from (keys.probe(name), keys.scratch(name, "list/a/b"))
    yield from (keys.trace(sha256), keys.weights(sha256), keys.code(sha256, "x.whl"))
    yield from (build(group) for build in (keys.active, keys.federation, keys.outcome))
    yield from (build(group, 1) for build in (keys.decision, keys.global_weights, keys.server_state))
    yield from (keys.update(group, 1, member) for member in (0, 1, 10))


@given(some_ids, some_ids, groups)
def test_no_key_is_the_folder_of_another_one(job: str, other: str, group: str) -> None:
    """MinIO hides such keys, versitygw refuses them; both keep objects as files."""
    found = set(every_key(job, other, group))
    folders = {key[:at] for key in found for at, char in enumerate(key) if char == "/"}
    assert not found & folders
