"""Every error a user can meet derives from one root, and its message is one clear line.

SimArenaError        the work failed: exit code 1
├── UsageError       what the user gave is wrong: exit code 2
│   ├── TraceError      the bytes are not a valid SimKube trace
│   ├── ManifestError   not a Kubernetes manifest, or one that an API server would refuse
│   ├── QuantityError   a CPU or memory quantity that Kubernetes would refuse
│   ├── TruthError      not a file of scenarios with what a control plane decided
│   ├── ScenarioError   a trace and settings that do not make one problem to solve
│   ├── AgentError      an agent, its checkpoint or its weights do not fit
│   └── ConfigError     a setting that does not exist or is out of range
├── ClusterError     the cluster could not be observed
└── OutputError      a file could not be written
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any


class SimArenaError(Exception):
    """Root of all errors shown to a user: the message names the thing, its value and what to do.

    Attributes:
        exit_code: What a command that ends with this error exits with.
    """

    exit_code = 1


class UsageError(SimArenaError):
    """What the user gave does not exist, is out of range, or does not fit together."""

    exit_code = 2


class TraceError(UsageError):
    """The bytes are not a valid SimKube trace."""


class ManifestError(UsageError):
    """Not a Kubernetes manifest, or one that an API server would refuse; says in which file and document."""


class QuantityError(UsageError):
    """A CPU or memory quantity that Kubernetes would refuse."""


class TruthError(UsageError):
    """Not a file of scenarios with what a control plane decided."""


class ScenarioError(UsageError):
    """A trace and settings that do not make one problem to solve."""


class ClusterError(SimArenaError):
    """The cluster could not be observed; there is no observation, not even an empty one."""


class OutputError(SimArenaError):
    """A file could not be written: no such folder, no permission, no space."""


class AgentError(UsageError):
    """An agent, its checkpoint or its weights do not fit."""


class ConfigError(UsageError):
    """A setting that does not exist or is out of range."""


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say of an unknown name: the valid one that is most like it, or all of them."""
    close = get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(known)}"


def reason(first: Mapping[str, Any]) -> str:
    """What one of the `errors()` of pydantic's ValidationError says, without the prefix of pydantic's own."""
    return str(first["msg"]).removeprefix("Value error, ")


def one_line(text: str, longest: int = 1000) -> str:
    """A text that may hold untrusted input, as a message: cut, and without control characters."""
    return "".join(char if char.isprintable() else "?" for char in text[:longest])
