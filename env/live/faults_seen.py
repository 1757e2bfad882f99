"""What a finding is: one object that something is wrong with, and the evidence."""

from __future__ import annotations

from dataclasses import dataclass

from env.doctor.faults import Fault


@dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Attributes:
        what: The name of a `Fault` as `fault_name` writes it; of something else, a name of that form.
        kind: Of the object, such as Pod.
        namespace: Its namespace; empty for nodes.
        name: Its name.
        said: The evidence, one printable line.
        fault: The fault, if it is one that a doctor's environment has.
        container: The container concerned, if it is one.
        owner: The Deployment behind a pod, if there is one.
        wanted: A number that mends it: replicas of a Deployment.
    """

    what: str
    kind: str
    namespace: str
    name: str
    said: str
    fault: Fault | None = None
    container: str = ""
    owner: str = ""
    wanted: int | None = None

    @property
    def object(self) -> str:
        """Kind and name, such as `Pod web/web-1`."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def fault_name(fault: Fault) -> str:
    """A fault as documents and people call it, such as `crash-loop`."""
    return fault.name.lower().replace("_", "-")
