"""What is wrong -> commands that a person runs to see more of it, and to mend it.

Only names that Kubernetes takes get into a command, and a shell gets every word quoted.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from string import Formatter

from env.doctor.faults import Fault
from env.live.faults_seen import Finding
from env.live.plan import kubectl

_LOOK = {
    "Node": "describe node {name}",
    "PersistentVolumeClaim": "describe pvc {name} -n {namespace}",
    "NetworkPolicy": "describe networkpolicy {name} -n {namespace}",
    "Deployment": "describe deployment {name} -n {namespace}",
    "Pod": "describe pod {name} -n {namespace}",
}
_THEN: dict[Fault, tuple[str, ...]] = {
    Fault.NODE_NOT_READY: ("drain {name} --ignore-daemonsets",),
    Fault.NODE_CORDONED: ("uncordon {name}",),
    Fault.CRASH_LOOP: (
        "logs {name} -n {namespace} -c {container} --previous",
        "delete pod {name} -n {namespace}",
    ),
    Fault.OUT_OF_MEMORY: (
        "logs {name} -n {namespace} -c {container} --previous",
        "set resources deployment/{owner} -n {namespace} -c {container} --limits=memory=MORE",
    ),
    Fault.BAD_IMAGE: (
        "rollout history deployment/{owner} -n {namespace}",
        "rollout undo deployment/{owner} -n {namespace}",
    ),
    Fault.CLAIM_UNBOUND: ("get storageclass",),
    Fault.NO_ROOM: ("get nodes",),
    Fault.TOO_FEW_REPLICAS: ("scale deployment/{name} -n {namespace} --replicas={wanted}",),
    Fault.TOO_MANY_REPLICAS: ("scale deployment/{name} -n {namespace} --replicas={wanted}",),
    Fault.QUOTA_USED_UP: ("describe resourcequota -n {namespace}",),
    Fault.DNS: (
        "get pods -n kube-system -l k8s-app=kube-dns",
        "logs -n kube-system -l k8s-app=kube-dns --tail=50",
    ),
}
"""Commands by what is wrong; one that needs what a finding lacks, such as a Deployment, is left out."""


def commands(finding: Finding, where: Sequence[str]) -> list[str]:
    """Commands for a shell.

    Args:
        finding: What is wrong.
        where: Arguments that choose the cluster, such as `--context NAME`; none for the current one.
    """
    return [command_text(each, where) for each in _commands(finding)]


def command_text(command: Sequence[str], where: Sequence[str]) -> str:
    """A kubectl command as text for a POSIX shell."""
    return shlex.join([command[0], *where, *command[1:]])


def _commands(finding: Finding) -> Iterator[tuple[str, ...]]:
    given = {
        "name": finding.name,
        "namespace": finding.namespace,
        "owner": finding.owner,
        "container": finding.container,
        "wanted": "" if finding.wanted is None else str(finding.wanted),
    }
    then = () if finding.fault is None else _THEN.get(finding.fault, ())
    for template in (_LOOK.get(finding.kind, ""), *then):
        used = [field for _, field, _, _ in Formatter().parse(template) if field]
        if template and all(given[each] for each in used):
            command = kubectl(
                *(word.format(**given) for word in template.split()), names=[given[each] for each in used]
            )
            yield from [command] if command else []
