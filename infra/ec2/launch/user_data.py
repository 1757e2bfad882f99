"""What a machine does from its first second to its last: a cloud-config of the scripts and units in boot/.

The machine's orders are shell variables in one file, which the scripts read; everything else in it is constant.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

import yaml

from env.errors import QuantityError, UsageError
from env.quantity import parse_cpu, parse_memory
from env.simkube.settings import SimKubeSettings
from infra.ec2.launch.pins import CLUSTER_PINS, TORCH_INDEX
from protocol.wire import ids, keys
from protocol.wire.store import valid_bucket
from runner.options.flatten import pairs

MAX_BYTES = 16_384
"""https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html: "limited to 16 KB, in raw form"."""

MAX_NODES = 1000
_MAX_HOURS = 24 * 365
_BIN, _UNITS, _ORDERS = "/opt/sim-arena/bin", "/etc/systemd/system", "/etc/sim-arena/orders"
_PACKAGES = {"embedded": ("python3.11", "python3.11-pip"), "simkube": ("docker", "git")}
_TIMERS = ("sim-arena-deadline.timer", "sim-arena-keeper.timer")
_IN_THE_WHEEL = ("cluster.sh",)
_REGION = re.compile(r"[a-z]{2,}(-[a-z0-9]+)+")


@dataclass(frozen=True)
class Artifact:
    """A file in the bucket, below code/<sha256>/."""

    key: str
    sha256: str


@dataclass(frozen=True)
class Orders:
    """What a machine is to do.

    Attributes:
        lock: all other packages, each with its version and hash.
        own_wheels: a user's packages, installed after them.
        cluster: embedded or simkube.
        max_hours: it ends itself after so long,
        idle_minutes: and when it has shown no sign of work for so long.
        lease_ttl: seconds; the fleet's `worker --lease-ttl`.
        nodes: virtual nodes, each of `node_cpu` and `node_memory` (simkube).
        simkube: NAME=VALUE settings for the worker (simkube).
        bake: install and clean up, to be made an image of; no worker runs.
        bucket_owner: the account of the bucket, asked for with every request to it; empty while it is not known.

    Raises:
        UsageError, BadId, ConfigError: one of them cannot be.
    """

    bucket: str
    bucket_region: str
    group: str
    wheel: Artifact
    lock: Artifact
    cluster: str
    max_hours: float = 12
    idle_minutes: float = 30
    lease_ttl: float = 60
    nodes: int = 3
    node_cpu: str = "16"
    node_memory: str = "32Gi"
    simkube: tuple[str, ...] = ()
    bake: bool = False
    bucket_owner: str = ""
    own_wheels: tuple[Artifact, ...] = ()

    def __post_init__(self) -> None:
        valid_bucket(self.bucket)
        if not _REGION.fullmatch(self.bucket_region):
            raise UsageError(f"region {self.bucket_region[:80]!r}: no region can have this name")
        ids.valid_id(self.group, "group")
        if self.bucket_owner:
            ids.valid_account(self.bucket_owner)
        for artifact in (self.wheel, self.lock, *self.own_wheels):
            if artifact.key != keys.code(artifact.sha256, artifact.key.rpartition("/")[2]):
                raise UsageError(f"{artifact.key[:200]!r}: not a file of code/{artifact.sha256}/")
        if self.cluster not in _PACKAGES:
            raise UsageError(f"--cluster {self.cluster}: unknown; choose from {', '.join(_PACKAGES)}")
        _check_range("--max-hours", self.max_hours, 0, _MAX_HOURS)
        _check_range("--idle-minutes", self.idle_minutes, 0, _MAX_HOURS * 60)
        _check_range("--lease-ttl", self.lease_ttl, 0, 86_400)
        self._check_simkube()

    def _check_simkube(self) -> None:
        if not 1 <= self.nodes <= MAX_NODES:
            raise UsageError(f"--nodes {self.nodes}: use 1 to {MAX_NODES}")
        for flag, parse, text in (
            ("--node-cpu", parse_cpu, self.node_cpu),
            ("--node-memory", parse_memory, self.node_memory),
        ):
            try:
                parse(text)
            except QuantityError as error:
                raise UsageError(f"{flag} {text[:80]}: {error}") from error
        if self.simkube and self.cluster != "simkube":
            raise UsageError("--simkube: needs --cluster simkube")
        for setting in self.simkube:
            if not setting.isprintable():
                raise UsageError(f"--simkube {setting[:80]!r}: has control characters; write them as JSON does")
        SimKubeSettings.read(pairs(self.simkube, "--simkube"))  # better refused here than by every worker


def render(orders: Orders, pins: Mapping[str, str] = CLUSTER_PINS) -> str:
    """The user-data of machines with these orders: constant for a fleet, as the machine asks who it is.

    Raises:
        UsageError: larger than EC2 takes.
    """
    boot = _boot_files()
    scripts = [_file(f"{_BIN}/{name}", text, "0755") for name, text in boot.items() if name.endswith(".sh")]
    units = [_file(f"{_UNITS}/{name}", _unit(text, orders), "0644") for name, text in boot.items() if ".sh" not in name]
    document = {
        "write_files": [_file(_ORDERS, _assignments(_variables(orders, pins)), "0644"), *scripts, *units],
        "runcmd": [
            # First what ends the machine, then what may fail. In an image the timers ran already, as they were then.
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", *_TIMERS],
            ["systemctl", "restart", *_TIMERS],
            [f"{_BIN}/boot.sh"],
        ],
    }
    text = "#cloud-config\n" + str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True))
    size = len(text.encode())
    if size > MAX_BYTES:
        raise UsageError(
            f"user-data of {size} bytes: EC2 takes {MAX_BYTES}; give fewer --with, and fewer or shorter --simkube"
        )
    return text


def _variables(orders: Orders, pins: Mapping[str, str]) -> Mapping[str, str | tuple[str, ...]]:
    variables: dict[str, str | tuple[str, ...]] = {
        "export AWS_DEFAULT_REGION": orders.bucket_region,
        "export SIM_ARENA_BUCKET": orders.bucket,
        "export SIM_ARENA_BUCKET_OWNER": orders.bucket_owner,
        "export SIM_ARENA_LEASE_TTL": str(orders.lease_ttl),
        "GROUP": orders.group,
        "CLUSTER": orders.cluster,
        "MAX_S": _seconds(orders.max_hours * 3600),
        "IDLE_S": _seconds(orders.idle_minutes * 60),
        "BAKE": str(int(orders.bake)),
        "WHEEL": orders.wheel.key,
        "WHEEL_SHA256": orders.wheel.sha256,
        "LOCK": orders.lock.key,
        "LOCK_SHA256": orders.lock.sha256,
        "WITH": tuple(wheel.key for wheel in orders.own_wheels),
        "TORCH_INDEX": TORCH_INDEX,
        "PACKAGES": _PACKAGES["embedded"],
        "SIMKUBE": orders.simkube,
    }
    if orders.cluster == "simkube":
        variables |= {
            "PACKAGES": _PACKAGES["embedded"] + _PACKAGES["simkube"],
            "NODES": str(orders.nodes),
            "NODE_CPU": orders.node_cpu,
            "NODE_MEMORY": orders.node_memory,
            **pins,
        }
    return variables


def _assignments(variables: Mapping[str, str | tuple[str, ...]]) -> str:
    """The variables as shell assignments, quoted; lists as arrays."""
    lines = (
        f"{name}=({' '.join(map(shlex.quote, value))})" if isinstance(value, tuple) else f"{name}={shlex.quote(value)}"
        for name, value in variables.items()
    )
    return "".join(f"{line}\n" for line in lines)


def _boot_files() -> dict[str, str]:
    """Texts by name; what the wheel brings is not among them."""
    found = sorted(files("infra.ec2").joinpath("boot").iterdir(), key=lambda path: path.name)
    return {path.name: path.read_text(encoding="utf-8") for path in found if path.name not in _IN_THE_WHEEL}


def _unit(text: str, orders: Orders) -> str:
    return text.replace("@MAX_S@", _seconds(orders.max_hours * 3600))


def _file(path: str, content: str, mode: str) -> dict[str, str]:
    return {"path": path, "permissions": mode, "content": content}


def _seconds(value: float) -> str:
    return str(math.ceil(value))


def _check_range(flag: str, value: float, above: float, most: float) -> None:
    if not above < value <= most:
        raise UsageError(f"{flag} {value:g}: use more than {above:g} and at most {most:g}")


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML has no types
    """Texts of several lines as they are, so that people can read what their machines run."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
