"""The driver's pod, and what it said last; it disappears with its Simulation, so that it is asked before."""

from __future__ import annotations

import re
from typing import Any

from env.kube.client import KubeApi, KubeError, plain
from env.kube.paths import path_of, within
from env.simkube import paths

Manifest = dict[str, Any]

_NOTHING = "nothing"
_TAIL = {"tailLines": "500", "limitBytes": str(256 * 1024)}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FRAME = re.compile(r"at |\d+: |::|-- <")  # of a stack trace
_HEAD = re.compile(r"^\S*\s*(ERROR|WARN|INFO)\s+")  # a time and a level


def driver_pods(api: KubeApi, name: str) -> list[Manifest]:
    """The pods of a simulation's driver, one at most."""
    where = within(paths.PODS, paths.CONTROLLER_NAMESPACE)
    return api.list(where, labels=f"job-name={paths.driver_job(name)}")


def how_it_ended(api: KubeApi, name: str) -> str:
    """The exit code of the driver, and its last error, as the end of a message; empty where it has not ended."""
    for pod in driver_pods(api, name):
        for container in (pod.get("status") or {}).get("containerStatuses") or ():
            ended = (container.get("state") or {}).get("terminated")
            if ended:
                code = f"{ended.get('exitCode')} {plain(ended.get('reason') or '')}".rstrip()
                said = _log(api, pod, container.get("name", ""), str(ended.get("message") or ""))
                return f": the driver ended with exit code {code}: {said}"
    return ""


def last_words(api: KubeApi, name: str) -> str:
    """What the driver said last, as the end of a message; empty where there is no driver."""
    for pod in driver_pods(api, name):
        containers: list[Manifest] = (pod.get("spec") or {}).get("containers") or [{}]
        return f"; the driver's last words: {_log(api, pod, containers[0].get('name', ''))}"
    return ""


def last_error(log: str) -> str:
    """The last error of a driver's log in one line; the last line where there is none.

    The driver's own last error is a headline, `driver failed`, with the reason in the next line that is not empty.
    """
    every = (_COLOUR.sub("", each).strip() for each in log.splitlines())
    lines = [line for line in every if line and not _FRAME.match(line)]
    errors = [i for i, line in enumerate(lines) if " ERROR " in f" {line} "]
    if not errors:
        return plain(_HEAD.sub("", lines[-1])) if lines else _NOTHING
    found = lines[errors[-1]]
    if found.endswith("driver failed") and errors[-1] + 1 < len(lines):
        found = lines[errors[-1] + 1]
    return plain(_HEAD.sub("", found))


def _log(api: KubeApi, pod: Manifest, container: str, message: str = "") -> str:
    """The last error of a container's log; of its `message`, which is the end of the log, where that cannot be read."""
    path = path_of(paths.PODS, pod["metadata"]["name"], paths.CONTROLLER_NAMESPACE)
    try:
        return last_error(api.text(f"{path}/log", {"container": container, **_TAIL}))
    except KubeError as error:
        said = last_error(message)
        return said if said != _NOTHING else f"(its log cannot be read: {plain(error, 200)})"
