from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from env.errors import UsageError
from env.kube.client import KubeApi
from infra.proof.control_plane import __main__ as commands
from infra.proof.control_plane import build as building
from infra.proof.control_plane import recipe
from infra.proof.control_plane.plane import Plane
from infra.proof.control_plane.pod_process import Host, NotStarted

FOLDER = Path(recipe.__file__).parent


@pytest.fixture
def shims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in front of the path."""
    folder = tmp_path / "shims"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def shim(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_a_build_that_fails_says_what_the_compiler_said(shims: Path, tmp_path: Path) -> None:
    shim(shims, "go", "echo 'server.go:1:1: no such thing' >&2; exit 1")
    with pytest.raises(building.BuildFailed, match=r"go build failed in .*\nserver\.go:1:1: no such thing"):
        building.build(tmp_path / "built", lambda line: None)
    assert "bin/etcd" in building.missing(tmp_path / "built")


def test_what_is_built_is_not_built_again(shims: Path, tmp_path: Path) -> None:
    source = tmp_path / "module"
    for module in recipe.MODULES:
        for file in module.files:
            (source / file).parent.mkdir(parents=True, exist_ok=True)
            (source / file).write_text(file)
    # go build -buildvcs=false -ldflags FLAGS -o NAME PACKAGE; cargo install --locked --root FOLDER CRATE@VERSION
    shim(shims, "go", f'if [ "$1" = list ]; then echo {source}; else echo built > "$6"; fi')
    shim(shims, "cargo", 'mkdir -p "$4/bin"; echo built > "$4/bin/${5%@*}"')
    said: list[str] = []
    building.build(tmp_path / "built", said.append)
    assert building.missing(tmp_path / "built") == []
    assert len(said) == len(recipe.programs())
    said.clear()
    building.build(tmp_path / "built", said.append)
    assert said == []


def test_another_version_is_another_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipe.fingerprint()
    monkeypatch.setattr(recipe, "CRATES", recipe.Crates(recipe.CRATES.names, "2.8.0"))
    assert recipe.fingerprint() != before


def test_images_and_docs_name_the_versions_that_are_built() -> None:
    objects = (FOLDER / "objects.yaml").read_text()
    assert re.findall(r"image: \S+/(\S+)", objects) == [f"sk-ctrl:v{recipe.SIMKUBE}", f"kwok:v{recipe.KWOK}"]
    page = (FOLDER.parents[2] / "docs" / "control-plane.md").read_text()
    for version in (recipe.ETCD, recipe.KUBERNETES, recipe.KWOK, recipe.SIMKUBE):
        assert version in page


def test_virtual_nodes_are_those_of_the_docs() -> None:
    page = (FOLDER.parents[2] / "docs" / "simkube.md").read_text()
    recipe_of_docs = re.search(r"<<END\n(apiVersion: v1\nkind: Node.*?)END", page, re.S)
    assert recipe_of_docs
    documents = list(yaml.safe_load_all((FOLDER / "objects.yaml").read_text()))
    for i in (1, 2, 3):
        assert yaml.safe_load(recipe_of_docs[1].replace("$i", str(i))) in documents


@pytest.mark.parametrize("name", ["", "A", "a/b", "../x", "-x", "a" * 32])
def test_a_name_that_is_no_label_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lower-case letters"):
        Plane(name, tmp_path).start(bare=True, say=lambda line: None)


def test_a_missing_compiler_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(building, "CACHE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commands.main(["build"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "error: go is not installed; it builds the control plane"


def pod(container: dict[str, Any], **spec: Any) -> dict[str, Any]:
    containers = [{"name": "c", "image": "example.org/made:v1", **container}]
    return {"metadata": {"name": "p", "namespace": "default", "uid": "u"}, "spec": {"containers": containers, **spec}}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    for name in ("bin", "pods", "logs", "pids"):
        (tmp_path / name).mkdir()
    for name in ("made", "other"):
        shim(tmp_path / "bin", name, f'echo {name} "$@" "$WHO"')
    return Host(KubeApi(None), tmp_path / "bin", tmp_path)  # type: ignore[arg-type]  # no request is made


@pytest.mark.parametrize(
    ("container", "output"),
    [
        ({"args": ["--x"]}, "made --x"),
        ({"command": ["/bin/other"], "args": ["--x"]}, "other --x"),
        ({"args": ["/other", "--x"]}, "other --x"),
        ({"env": [{"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}, "made p"),
    ],
)
def test_a_pod_is_the_process_that_its_container_names(host: Host, container: dict[str, Any], output: str) -> None:
    process = host.start(pod(container))
    assert process.wait(10) == 0
    assert " ".join(host.log("p").read_text().split()) == output
    assert (host.folder / "pids" / "p").read_text() == str(process.pid)


def test_a_pod_without_a_program_or_its_file_is_not_started(host: Host) -> None:
    with pytest.raises(NotStarted, match="no program absent on this machine"):
        host.start(pod({"command": ["/bin/absent"]}))
    volume = {"name": "trace", "hostPath": {"path": "/nosuch.sktrace", "type": "File"}}
    with pytest.raises(NotStarted, match=r"/nosuch\.sktrace is not a file"):
        host.start(pod({}, volumes=[volume]))
