"""A control plane: processes in a network namespace, and a folder with their logs, credentials and ids."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from env.errors import SimArenaError, UsageError
from infra.proof.control_plane import credentials, network
from infra.proof.control_plane.build import CACHE

_ETCD = "http://127.0.0.1:2379"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}", re.ASCII)
_READY_S = 120.0
_KINDS_S = 120.0
_STOP_S = 10.0


@dataclass(frozen=True)
class Plane:
    """A plane by its name, running or not.

    Attributes:
        name: That of its network namespace.
        programs: The folder that `build` filled.
    """

    name: str
    programs: Path

    @property
    def folder(self) -> Path:
        """Logs, credentials, ids of processes, and traces."""
        return CACHE / "planes" / self.name

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.folder / "kubeconfig"

    @property
    def data(self) -> Path:
        """A folder for traces, which the node worker-1 has at the same path."""
        return self.folder / "data"

    @property
    def environment(self) -> dict[str, str]:
        """What a command in the namespace needs: kubectl and skctl are on its path."""
        path = f"{self.programs / 'bin'}:{os.environ.get('PATH', os.defpath)}"
        return {**os.environ, "PATH": path, "KUBECONFIG": str(self.kubeconfig), "SIM_ARENA_PLANE": self.name}

    def process_id(self, name: str) -> int:
        """The id of a process: kube-scheduler, or that of a pod, by the beginning of the pod's name.

        Raises:
            SimArenaError: There is none, or more than one.
        """
        found = [path for path in sorted((self.folder / "pids").glob(f"{name}*")) if self._id(path)]
        if len(found) != 1:
            raise SimArenaError(f"plane {self.name}: {len(found)} processes are called {name}, not one")
        return int(found[0].read_text())

    @contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """Within, a process is stopped by SIGSTOP, as if it hung."""
        process = self.process_id(name)
        os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process, signal.SIGCONT)

    def start(self, *, bare: bool, say: Callable[[str], None]) -> None:
        """Start it and wait until it can be used.

        Args:
            bare: Leave out SimKube, KWOK, the stand-ins and all nodes.
            say: Gets a line about each part.

        Raises:
            UsageError: The name will not do, or it runs already.
            SimArenaError: It does not get ready.
        """
        if not _NAME.fullmatch(self.name):
            raise UsageError(f"plane {self.name!r}: a name has lower-case letters, digits and -, at most 31")
        if network.exists(self.name):
            raise UsageError(f"plane {self.name} exists; choose another name, or stop it")
        network.create(self.name)
        try:
            shutil.rmtree(self.folder, ignore_errors=True)
            for name in ("logs", "pids", "data", "pods"):
                (self.folder / name).mkdir(parents=True)
            self._start_control_plane(say)
            if not bare:
                self._start_simkube(say)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End its processes, by the ids that were written down, and remove the namespace. The logs stay."""
        if not network.exists(self.name):
            return
        ids = [path for path in (self.folder / "pids").glob("*") if self._id(path)]
        for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGKILL):
            for path in ids:
                if process := self._id(path):
                    os.kill(process, number)
            if number is not signal.SIGCONT:
                self._wait(_STOP_S, lambda: not any(map(self._id, ids)))
        network.remove(self.name)

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """What kubectl prints; `given` is its stdin.

        Raises:
            SimArenaError: It failed.
        """
        done = subprocess.run(  # noqa: S603 (a fixed command line, no shell)
            network.inside(self.name, "kubectl", *arguments),
            input=given, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise SimArenaError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()[-1000:]}")
        return done.stdout

    def _start_control_plane(self, say: Callable[[str], None]) -> None:
        pki = self.folder / "pki"
        config = credentials.write(pki)
        say("starting etcd and Kubernetes")
        self._spawn("etcd", "--data-dir", str(self.folder / "etcd"), "--listen-client-urls", _ETCD,
                    "--advertise-client-urls", _ETCD, "--unsafe-no-fsync")  # fmt: skip
        self._spawn("kube-apiserver", f"--etcd-servers={_ETCD}", "--service-cluster-ip-range=10.0.0.0/24",
                    "--secure-port=6443", "--bind-address=127.0.0.1", f"--advertise-address={network.ADDRESS}",
                    f"--tls-cert-file={pki}/api.crt", f"--tls-private-key-file={pki}/api.key",
                    f"--client-ca-file={pki}/ca.crt", f"--token-auth-file={pki}/tokens.csv",
                    "--service-account-issuer=https://kubernetes.default.svc",
                    f"--service-account-key-file={pki}/sa.pub", f"--service-account-signing-key-file={pki}/sa.key",
                    "--authorization-mode=RBAC", "--allow-privileged",
                    # To the webhook's pod without a kube-proxy.
                    "--enable-aggregator-routing", "--endpoint-reconciler-type=none")  # fmt: skip
        if not self._wait(_READY_S, self._answers):
            raise SimArenaError(f"the API server is not ready within {_READY_S:.0f} s; see {self.folder}/logs")
        self._spawn("kube-controller-manager", f"--kubeconfig={config}", "--use-service-account-credentials",
                    f"--service-account-private-key-file={pki}/sa.key", f"--root-ca-file={pki}/ca.crt",
                    "--leader-elect=false", "--controllers=*,-nodeipam,-cloud-node-lifecycle")  # fmt: skip
        self._spawn("kube-scheduler", f"--kubeconfig={config}", "--leader-elect=false")

    def _start_simkube(self, say: Callable[[str], None]) -> None:
        say("starting KWOK and SimKube")
        (self.folder / "crds.yaml").write_text(self._output("skctl", "crd"), encoding="utf-8")
        built = self.programs / "files"
        kinds = ["-f", str(built / "kwok.x-k8s.io_stages.yaml"), "-f", str(self.folder / "crds.yaml")]
        own = files("infra.proof.control_plane")
        self.kubectl("apply", *kinds, "-f", str(own / "cert_manager.yaml"))
        if not self._wait(_KINDS_S, self._knows_its_kinds):
            raise SimArenaError(f"the API server does not serve custom kinds within {_KINDS_S:.0f} s")
        stages = [path for path in sorted(built.glob("*.yaml")) if not path.name.startswith("kwok.x-k8s.io")]
        for path in (*stages, files("env.simkube") / "stages.yaml", own / "objects.yaml"):
            self.kubectl("apply", "-f", str(path))
        self._spawn_stand_ins()
        self.kubectl("wait", "-A", "deployment", "--all", "--for=condition=Available", "--timeout=120s")
        self.kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=120s")

    def _spawn_stand_ins(self) -> None:
        module = "infra.proof.control_plane.stand_ins"
        self._spawn_as("stand-ins", sys.executable, "-m", module, str(self.programs / "bin"), str(self.folder))

    def _spawn(self, program: str, *arguments: str) -> None:
        self._spawn_as(program, str(self.programs / "bin" / program), *arguments)

    def _spawn_as(self, name: str, *command: str) -> None:
        with (self.folder / "logs" / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 (a fixed command line, no shell)
                network.inside(self.name, *command),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, start_new_session=True,
            )  # fmt: skip
        (self.folder / "pids" / name).write_text(str(process.pid))

    def _output(self, *command: str) -> str:
        done = subprocess.run(  # noqa: S603
            command, env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    def _answers(self) -> bool:
        try:
            self.kubectl("get", "--raw", "/readyz")
        except SimArenaError:
            return False
        return True

    def _knows_its_kinds(self) -> bool:
        """Whether all custom kinds are served. `kubectl wait` fails on one whose conditions are still null."""
        kinds = json.loads(self.kubectl("get", "crd", "-o", "json"))["items"]
        conditions = [each.get("status", {}).get("conditions") or () for each in kinds]
        return all(any(one["type"] == "Established" and one["status"] == "True" for one in each) for each in conditions)

    def _id(self, path: Path) -> int | None:
        """A process's id from its file; None if it has ended. An id that another process has by now does not count."""
        try:
            number = int(path.read_text())
        except (OSError, ValueError):
            return None
        return number if number in network.processes(self.name) and not _is_zombie(number) else None

    @staticmethod
    def _wait(limit_s: float, reached: Callable[[], bool]) -> bool:
        end = time.monotonic() + limit_s
        while not reached():
            if time.monotonic() > end:
                return False
            time.sleep(0.2)
        return True


def _is_zombie(process: int) -> bool:
    """Whether a process has ended, and its parent has not asked how."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
