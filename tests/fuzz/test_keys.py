"""Keys: what the builders let through is read back as it was, and no two keys mean the same."""

from __future__ import annotations

from collections.abc import Callable

import hostile
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from protocol.wire import keys
from protocol.wire.errors import BadId
from protocol.wire.keys import Mark

ids = (
    hostile.text | st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}\n?", fullmatch=True) | st.sampled_from(["g-m0001", "active"])
)
counts = st.integers(-2, 10**7) | st.sampled_from([0, 1, 9999, 10**4, 999_999, 10**6, 10**9])
digits = st.text("0123456789٠١२೩𝟙", min_size=1, max_size=12)
pieces = st.sampled_from(
    [
        *("jobs/", "pending/", "in_progress/", "results/", "federations/", "active/", "rounds/", "updates/", "state/"),
        *(
            "claim-",
            "cancel",
            ".json",
            ".safetensors",
            "manifest.json",
            "ep_",
            "g",
            "g-m0001",
            "/",
            "..",
            ".",
            "000001",
            "%2e",
        ),
    ]
)
whole = st.sampled_from(
    [
        "jobs/pending/g/manifest.json",
        "jobs/in_progress/g/claim-{}.json",
        "jobs/in_progress/g-m{}/heartbeat-0001.json",
        "jobs/in_progress/{}/cancel.json",
        "results/g/state/ep_{}.safetensors",
        "federations/g/rounds/{}/updates/{}.safetensors",
        "federations/active/{}",
    ]
)
numbered = st.builds(
    str.format,
    whole,
    digits | st.integers(0, 10**10).map(str) | st.integers(0, 9999).map("{:04d}".format) | ids,
    digits,
)
loose = numbered | st.lists(pieces | digits | hostile.text, max_size=8).map("".join)
PREFIXES = ("jobs/", "results/", "federations/", "traces/", "series/", "weights/", "probe/", "code/", "workers/")

Builder = Callable[[str, int], str]
BUILDERS: list[Builder] = [
    lambda name, n: keys.pending_manifest(name),
    lambda name, n: keys.finished_manifest(name),
    lambda name, n: keys.rejected_error(name),
    lambda name, n: keys.cancel(name),
    lambda name, n: keys.result(name),
    lambda name, n: keys.state(name, n),
    lambda name, n: keys.artifact("j", name),
    lambda name, n: keys.trace(name),
    lambda name, n: keys.weights(name),
    lambda name, n: keys.active(name),
    lambda name, n: keys.federation(name),
    lambda name, n: keys.update(name, n, 0),
    lambda name, n: keys.decision(name, n),
    lambda name, n: keys.global_weights(name, n),
    lambda name, n: keys.result(keys.member_job(name, n)),
    lambda name, n: keys.in_progress_of_group(name),
    lambda name, n: keys.probe(name),
    lambda name, n: keys.code(name, "wheel.whl"),
    lambda name, n: keys.code("0" * 64, name),
    lambda name, n: keys.machine_file(name, "status.json"),
    lambda name, n: keys.machine_file("i-0", name),
]


def build(call: Callable[[], str]) -> str | None:
    return hostile.answered("keys: built", 0, call)


@settings(settings.get_profile("fuzz"))
@given(builder=st.sampled_from(BUILDERS), name=ids, number=counts)
def test_no_builder_makes_a_key_that_leaves_its_place(builder: Builder, name: str, number: int) -> None:
    key = build(lambda: builder(name, number))
    if key is not None:
        assert key.isascii()
        assert key.startswith(PREFIXES)
        assert all(part not in ("", ".", "..") for part in key.removesuffix("/").split("/"))
        assert len(key) < 1024


@settings(settings.get_profile("fuzz"))
@given(name=ids, number=counts, mark=st.sampled_from([Mark.CLAIM, Mark.HEARTBEAT, Mark.RELEASED]))
def test_what_was_built_is_read_back(name: str, number: int, mark: Mark) -> None:
    hostile.CASES["keys: read back"] += 1
    hostile.PEAKS.setdefault("keys: read back", 0)
    try:
        state, active = keys.state(name, number), keys.active(name)
        update, job = keys.update(name, number, number), keys.member_job(name, number)
    except BadId:
        assume(False)
    assert keys.parse_state(state) == number
    assert keys.parse_active(active) == name
    assert keys.parse_update(update) == number
    assert keys.parse_member_job(job) == (name, number)
    assert keys.parse_manifest(keys.pending_manifest(name)) == name
    assert keys.parse_progress(keys.attempt_mark(name, mark, number)) == keys.Progress(name, mark, number)
    assert keys.parse_progress(keys.cancel(name)) == keys.Progress(name, Mark.CANCEL, 0)


@settings(settings.get_profile("fuzz"))
@given(key=loose)
def test_a_key_that_is_understood_is_the_one_that_would_be_built(key: str) -> None:
    hostile.CASES["keys: parsed"] += 1
    hostile.PEAKS.setdefault("keys: parsed", 0)
    if (job_id := keys.parse_manifest(key)) is not None:
        built = (keys.pending_manifest(job_id), keys.finished_manifest(job_id), keys.rejected_manifest(job_id))
        assert key in built
    if (row := keys.parse_progress(key)) is not None:
        mark = (
            keys.cancel(row.job_id) if row.mark is Mark.CANCEL else keys.attempt_mark(row.job_id, row.mark, row.attempt)
        )
        assert key == mark
    if (group := keys.parse_active(key)) is not None:
        assert key == keys.active(group)
    if (episode := keys.parse_state(key)) is not None:
        assert key.isascii()
        assert key.endswith(f"ep_{episode:06d}.safetensors")
    if (member := keys.parse_update(key)) is not None:
        assert key.isascii()
        assert key.endswith(f"updates/{member}.safetensors")
