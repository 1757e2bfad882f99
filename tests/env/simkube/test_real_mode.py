"""That these tests run on an API server that is not theirs: one without SimKube's kinds, controllers or nodes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_api import FakeApi
from fake_objects import RESOURCES

SOME = "test_fake_api or embedded_cluster or nothing_is_left or at_its_deadline or (decided and scale) or leaves_no"
ROOT = Path(__file__).parents[3]


def pytest_on(kubeconfig: Path, chosen: str) -> subprocess.CompletedProcess[str]:
    """These tests, as a user runs them on a real server."""
    words = ["-q", "-p", "no:cacheprovider", "-k", chosen, Path(__file__).parent]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["SIM_ARENA_KUBECONFIG"] = str(kubeconfig)
    return subprocess.run(
        [sys.executable, "-m", "pytest", *map(str, words)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def bare(fake: FakeApi) -> FakeApi:
    """etcd and kube-apiserver alone."""
    fake.bare = True
    for resource in RESOURCES:
        if resource.custom:
            fake.remove("customresourcedefinitions", f"{resource.plural}.{resource.group}")
    return fake


def test_they_pass_on_a_bare_server_and_leave_it_as_it_was(bare: FakeApi, tmp_path: Path) -> None:
    before = bare.names()
    done = pytest_on(bare.write_kubeconfig(tmp_path / "kubeconfig"), SOME)
    assert done.returncode == 0, done.stdout
    assert " skipped" not in done.stdout
    assert bare.names() == before


def test_kinds_that_were_there_stay(fake: FakeApi, tmp_path: Path) -> None:
    before = fake.names()
    done = pytest_on(fake.write_kubeconfig(tmp_path / "kubeconfig"), "an_object_is_created_once")
    assert done.returncode == 0, done.stdout
    assert fake.names() == before


def test_a_server_on_which_simkube_is_in_use_is_left_alone(fake: FakeApi, tmp_path: Path) -> None:
    fake.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "simkube"}})
    before = fake.names()
    done = pytest_on(fake.write_kubeconfig(tmp_path / "kubeconfig"), "an_object_is_created_once")
    assert done.returncode == 1
    assert "simkube is there, so SimKube is in use; take a server that is not used" in done.stdout
    assert fake.names() == before
