"""The process of the stand-ins: `python -m infra.proof.control_plane.stand_ins PROGRAMS FOLDER`."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from env.kube.client import KubeError
from env.kube.connect import connect
from infra.proof.control_plane import cert_manager, kubelet_logs
from infra.proof.control_plane.kubelet import PORT, Kubelet
from infra.proof.control_plane.pod_process import Host, NotStarted

_PAUSE_S = 0.3


def main(programs: Path, folder: Path) -> None:
    """Look and act until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    api = connect(kubeconfig=str(folder / "kubeconfig"))
    host = Host(api, programs, folder)
    kubelet = Kubelet(host)
    kubelet_logs.serve(host, PORT)
    try:
        while True:
            _attempt(kubelet.look)
            _attempt(lambda: cert_manager.look(api))
            time.sleep(_PAUSE_S)
    finally:
        kubelet.close()


def _attempt(look: Callable[[], None]) -> None:
    """What the API server refuses now, because an object has changed or gone, is looked at again."""
    try:
        look()
    except (KubeError, NotStarted) as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
