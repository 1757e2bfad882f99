"""requirements.lock is what `make lock` makes of constraints.txt and pyproject.toml."""

from __future__ import annotations

import re

import pytest
from lock import LOCK, closure, versions

from infra.ec2.launch.pins import TORCH_SHA256, TORCH_VERSION

LINES = LOCK.read_text().splitlines()


def test_the_lock_has_all_that_sim_arena_needs_on_a_machine_at_the_versions_of_the_constraints() -> None:
    pins = versions()
    assert [line.partition(" ")[0] for line in LINES] == [f"{name}=={pins[name]}" for name in sorted(closure(pins))]


def test_every_package_of_the_lock_has_one_hash() -> None:
    for line in LINES:
        assert re.fullmatch(r"[a-z0-9-]+==\S+ --hash=sha256:[0-9a-f]{64}", line), line
    hashes = [line.rpartition(":")[2] for line in LINES]
    assert len(set(hashes)) == len(hashes)


def test_torch_in_the_lock_is_the_pinned_cpu_build() -> None:
    assert f"torch=={TORCH_VERSION} --hash=sha256:{TORCH_SHA256}" in LINES


def test_a_package_that_is_needed_but_not_pinned_is_named() -> None:
    pins = versions()
    del pins["botocore"]
    with pytest.raises(SystemExit, match=r"^botocore, which .+ needs: not in constraints\.txt"):
        closure(pins)
