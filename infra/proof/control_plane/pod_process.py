"""A pod's program as a process of this machine: its command line, environment, Secrets and log."""

from __future__ import annotations

import base64
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.errors import SimArenaError
from env.kube.client import KubeApi
from env.kube.paths import path_of

Manifest = dict[str, Any]

SECRETS = "/api/v1/secrets"


class NotStarted(SimArenaError):
    """A container that a kubelet would not start: it waits for something that is not there."""


@dataclass(frozen=True)
class Host:
    """Where pods become processes.

    Attributes:
        api: The API server.
        programs: A folder with the programs of all images.
        folder: The plane's; gets logs, Secrets and the ids of the processes.
    """

    api: KubeApi
    programs: Path
    folder: Path

    def log(self, pod: str) -> Path:
        """Where a pod's output goes."""
        return self.folder / "logs" / f"{pod}.log"

    def start(self, pod: Manifest) -> subprocess.Popen[bytes]:
        """Start the pod's first container.

        Raises:
            NotStarted: A Secret or file that it mounts is not there, or no program is known for it.
        """
        name, container = pod["metadata"]["name"], pod["spec"]["containers"][0]
        place = self.folder / "pods" / name
        place.mkdir(parents=True, exist_ok=True)
        words = self._command(container)
        for mount, folder in self._volumes(pod, container, place).items():
            words = [word.replace(mount, str(folder)) for word in words]
        environment = {**os.environ, **self._environment(pod, container)}
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(words, env=environment, stdout=log, stderr=log, cwd=place)  # noqa: S603
        (self.folder / "pids" / name).write_text(str(process.pid))
        return process

    def _command(self, container: Manifest) -> list[str]:
        """The program by its path in the image, or by the image's name where the image starts one by itself."""
        words = [*(container.get("command") or ()), *(container.get("args") or ())]
        if not words or not words[0].startswith("/"):
            words = [container["image"].rpartition("/")[2].partition(":")[0], *words]
        program = self.programs / Path(words[0]).name
        if not program.is_file():
            raise NotStarted(f"image {container['image']}: no program {program.name} on this machine")
        return [str(program), *words[1:]]

    def _volumes(self, pod: Manifest, container: Manifest, place: Path) -> dict[str, Path]:
        """Where the mount of each Secret is instead; files of the host are at their own path."""
        mounts = {mount["name"]: mount["mountPath"] for mount in container.get("volumeMounts") or ()}
        moved = {}
        for volume in pod["spec"].get("volumes") or ():
            if (secret := volume.get("secret")) and volume["name"] in mounts:
                folder = moved[mounts[volume["name"]]] = place / volume["name"]
                folder.mkdir(exist_ok=True)
                for key, value in self._secret(pod, secret["secretName"]).items():
                    (folder / key).write_bytes(value)
            host = volume.get("hostPath") or {}
            if host.get("type") == "File" and not Path(host["path"]).is_file():
                raise NotStarted(f"hostPath type check failed: {host['path']} is not a file")
        return moved

    def _environment(self, pod: Manifest, container: Manifest) -> dict[str, str]:
        given = {"KUBECONFIG": str(self.folder / "kubeconfig")}
        for source in container.get("envFrom") or ():
            if secret := source.get("secretRef"):
                given |= {key: value.decode() for key, value in self._secret(pod, secret["name"]).items()}
        for variable in container.get("env") or ():
            field = ((variable.get("valueFrom") or {}).get("fieldRef") or {}).get("fieldPath")
            given[variable["name"]] = _field(pod, field) if field else variable.get("value") or ""
        return given

    def _secret(self, pod: Manifest, name: str) -> dict[str, bytes]:
        secret = self.api.get(path_of(SECRETS, name, pod["metadata"]["namespace"]))
        if secret is None:
            raise NotStarted(f'secret "{name}" not found')
        return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}


def _field(pod: Manifest, path: str) -> str:
    """The downward API: `metadata.name` to the name."""
    found: Any = pod
    for name in path.split("."):
        found = found[name]
    return str(found)
