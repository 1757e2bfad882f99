"""What `-f` reads of files, folders and standard input, and what has to be rendered first."""

from __future__ import annotations

import io
import os
import sys
import threading
from pathlib import Path

import pytest
import yaml
from written import keys, said, workload

from env.errors import ManifestError
from env.snapshot import files, read_manifests


def write(path: Path, *names: str) -> Path:
    """A file with a Deployment of each name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump_all([workload("Deployment", name) for name in names]))
    return path


def names(*paths: Path | str) -> list[str]:
    """The Deployments in what these paths hold."""
    return [key.partition("/")[2] for key in keys(read_manifests(list(map(str, paths))))]


def test_a_folder_is_read_with_the_folders_in_it_by_name_without_what_is_hidden(tmp_path: Path) -> None:
    write(tmp_path / "b.yml", "b")
    write(tmp_path / "a.yaml", "a1", "a2")
    write(tmp_path / "c" / "deep" / "d.YAML", "d")
    write(tmp_path / ".git" / "x.yaml", "hidden")
    write(tmp_path / ".x.yaml", "hidden")
    write(tmp_path / "notes.txt", "text")
    assert names(tmp_path) == ["a1", "a2", "b", "d"]


def test_several_paths_are_read_in_their_order(tmp_path: Path) -> None:
    assert names(write(tmp_path / "z.yaml", "z"), write(tmp_path / "a.yaml", "a")) == ["z", "a"]


def test_standard_input_and_pipes_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = write(tmp_path / "a.yaml", "a").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(body)))
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=write, args=(tmp_path / "pipe", "b"))
    writer.start()
    assert names("-", tmp_path / "pipe") == ["a", "b"]
    writer.join()


def test_a_pipe_or_a_link_to_a_folder_within_a_folder_is_not_read(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.yaml", "a")
    os.mkfifo(tmp_path / "in" / "pipe.yaml")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "broken.yaml").symlink_to(tmp_path / "absent")
    assert names(tmp_path / "in") == ["a"]


@pytest.mark.parametrize("chart", ["Chart.yaml", "kustomization.yaml", "kustomization.yml", "Kustomization"])
def test_a_chart_or_kustomization_in_a_folder_is_left_out_and_named_with_its_command(
    tmp_path: Path, chart: str
) -> None:
    write(tmp_path / "a.yaml", "a")
    (tmp_path / "my app" / "templates").mkdir(parents=True)
    (tmp_path / "my app" / chart).write_text("name: {{ x }}")
    (tmp_path / "my app" / "templates" / "web.yaml").write_text("name: {{ .Release.Name }}")
    found = read_manifests([str(tmp_path)])
    command = "helm template" if chart == "Chart.yaml" else "kubectl kustomize"
    kind = "Helm chart" if chart == "Chart.yaml" else "kustomization"
    assert keys(found) == ["Deployment default/a"]
    assert said(found) == [f"{kind} {tmp_path}/my app: render it first: {command} '{tmp_path}/my app'"]


@pytest.mark.parametrize(
    ("path", "said_of_it"),
    [
        ("chart", "-f {}/chart: a Helm chart, not manifests; render it first: helm template {}/chart, and"),
        ("chart/Chart.yaml", "render it first: helm template {}/chart, and read that with -f -"),
        ("chart/templates", "{}/chart/templates/web.yaml, document 1, line 1: a template with {{{{ in it; "
         "render it first: helm template {}/chart, and"),
        ("over", "-f {}/over: a kustomization, not manifests; render it first: kubectl kustomize {}/over, and"),
        ("over/kustomization.yaml", "render it first: kubectl kustomize {}/over, and"),
    ],
)  # fmt: skip
def test_a_chart_or_kustomization_that_is_named_is_an_error_with_its_command(
    tmp_path: Path, path: str, said_of_it: str
) -> None:
    (tmp_path / "chart" / "templates").mkdir(parents=True)
    (tmp_path / "chart" / "Chart.yaml").write_text("name: x")
    (tmp_path / "chart" / "templates" / "web.yaml").write_text("{{- if .Values.on }}\nkind: Deployment\n{{- end }}")
    (tmp_path / "over").mkdir()
    (tmp_path / "over" / "kustomization.yaml").write_text("resources: [../base]")
    with pytest.raises(ManifestError) as error:
        read_manifests([str(tmp_path / path)])
    assert said_of_it.format(tmp_path, tmp_path) in str(error.value)


def test_files_of_other_tools_in_a_folder_are_named_and_do_not_matter(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", "a")
    (tmp_path / "package.json").write_text('{"name": "x"}')
    (tmp_path / "tsconfig.json").write_text('{\n  // a comment\n  "a": 1,\n}')
    (tmp_path / "values.yaml").write_text("image: web\nreplicas: 3\n")
    (tmp_path / "empty.yaml").write_text("---\n# nothing\n")
    found = read_manifests([str(tmp_path)])
    assert [(each.kind, Path(each.name).name, each.matters) for each in found.skipped] == [
        ("file", "package.json", False),
        ("file", "tsconfig.json", False),
        ("file", "values.yaml", False),
    ]


def test_a_broken_manifest_in_a_folder_is_an_error_all_the_same(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", "a")
    (tmp_path / "b.yaml").write_text("apiVersion: apps/v1\nkind: Deployment\nmetadata:\n\tname: x\n")
    with pytest.raises(ManifestError, match=r"b\.yaml, document 1, line 4: "):
        read_manifests([str(tmp_path)])


def test_templates_that_other_programs_fill_in_are_no_templates_here(tmp_path: Path) -> None:
    rule = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"rule": "{{ $labels.pod }}"}}
    web = workload("Deployment", "web", pod={"containers": [{"name": "a", "image": "x", "args": ["--fmt={{.Time}}"]}]})
    web["metadata"]["annotations"] = {"note": "{{ now }}"}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump_all([rule, web]))
    assert names(tmp_path / "a.yaml") == ["web"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("absent.yaml", r"cannot be read \(No such file or directory\)"),
        ("empty", r"holds no file that ends in \.yaml, \.yml, \.json"),
        ("comments.yaml", "holds nothing that makes pods"),
        ("https://example.com/web.yaml", "nothing is read over the network; run: curl"),
        ("a\0b", "cannot be read"),
        ("chart-1.0.tgz", "helm template .*chart-1.0.tgz, and read that with -f -"),
        ("web.sktrace", "a trace, which goes to --trace .*web.sktrace"),
    ],
)
def test_a_path_that_gives_nothing_is_named(tmp_path: Path, path: str, reason: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "comments.yaml").write_text("# nothing\n---\n# at all\n")
    with pytest.raises(ManifestError, match=reason) as error:
        read_manifests([path if path.startswith("https") else str(tmp_path / path)])
    assert str(error.value).isprintable()


def test_an_empty_path_is_refused_as_a_variable_that_is_not_set() -> None:
    with pytest.raises(ManifestError, match="-f '': the path is empty; is a variable not set"):
        read_manifests([""])


def test_too_much_to_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        write(tmp_path / f"{name}.yaml", name)
    monkeypatch.setattr(files, "MAX_FILES", 2)
    with pytest.raises(ManifestError, match="more than 2 files"):
        read_manifests([str(tmp_path)])
    monkeypatch.setattr(files, "MAX_BYTES", 300)
    with pytest.raises(ManifestError, match="MiB in all; name fewer files"):
        read_manifests([str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")])


def test_folders_within_too_many_others_are_refused(tmp_path: Path) -> None:
    write(Path(tmp_path, *"x" * 40, "a.yaml"), "a")
    with pytest.raises(ManifestError, match="folders within more than 32 others"):
        read_manifests([str(tmp_path)])
