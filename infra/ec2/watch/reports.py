"""What machines of a fleet say of themselves in the bucket.

Nothing of it is trusted: documents are bounded and validated, and no text reaches a terminal but cut and cleaned.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, ConfigDict, Field

from env.errors import one_line
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.errors import BadDocument, OtherRelease, Refused
from protocol.wire.store import ObjectSummary

LOG_BYTES = 256 * 1024  # machines write the last 64 KiB
LINE = 300  # characters of any text that is shown beside others
SPOT_NOTICE = "spot interruption"  # how boot/spot.sh begins to say why a machine ends
_AT_ONCE = 16

_ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[@-Z\\^_])")


def plain(text: str) -> str:
    """A text without what steers a terminal; lines stay lines."""
    lines = _ESCAPE_SEQUENCE.sub("", text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(one_line(line.replace("\t", "    "), len(line) * 4) for line in lines)


def short(text: str) -> str:
    """One line of `plain` text, cut."""
    return one_line(" ".join(plain(text[: 4 * LINE]).split()), LINE)


class ReportedState(StrEnum):
    """Where a machine is in its life. WORKING: it has booted, its worker runs."""

    BOOTING = "booting"
    WORKING = "working"
    ENDING = "ending"
    FAILED = "failed"


class ReportedStatus(documents.Document):
    """status.json: what the machine does, such as a step of its boot, or why it ends. Unknown keys are passed over:
    machines may be newer than who looks at them."""

    model_config = ConfigDict(extra="ignore")

    max_bytes: ClassVar[int] = 16 * 1024

    state: ReportedState
    doing: Annotated[str, BeforeValidator(lambda value: short(value) if isinstance(value, str) else value)] = ""
    step: int = Field(default=0, ge=0, le=1000)
    steps: int = Field(default=0, ge=0, le=1000)
    since: float = Field(default=0.0, ge=0, le=1e11, allow_inf_nan=False, description="seconds since the epoch")


@dataclass(frozen=True)
class InstanceReport:
    """What a machine has left in the bucket.

    Attributes:
        heard: when it last wrote anything, by S3's clock, seconds since the epoch; None: it never did.
        log_line: the last line of the log that it wrote last.
        problem: why there is no status although something is there.
    """

    status: ReportedStatus | None = None
    heard: float | None = None
    log_line: str = ""
    problem: str = ""


def read_reports(bucket: Bucket, workers: Collection[str]) -> dict[str, InstanceReport]:
    """What these machines say: one listing, and two files of each that has written any.

    Raises:
        StoreError: the bucket cannot be read.
    """
    files = _files(bucket.list(keys.MACHINES).entries)
    written = sorted(worker for worker in set(workers) if worker in files)
    reports: list[InstanceReport] = []
    for start in range(0, len(written), _AT_ONCE):
        batch = written[start : start + _AT_ONCE]
        reports += bucket.clock.together([partial(_report, bucket, worker, files[worker]) for worker in batch])
    return dict(zip(written, reports, strict=True))


def read_log(bucket: Bucket, worker: str, name: str) -> str | None:
    """A machine's log, fit for a terminal; None if it has written none.

    Raises:
        Refused: larger than any machine of ours writes, or not to be read.
    """
    body = bucket.get(keys.machine_file(worker, name), LOG_BYTES)
    return None if body is None else plain(body.decode(errors="replace"))


def last_line(log: str) -> str:
    """The last line that says anything, cut."""
    return next((short(line) for line in reversed(log.split("\n")) if line.strip()), "")


def _files(entries: Iterable[ObjectSummary]) -> dict[str, dict[str, float]]:
    """When each machine's files were written, by machine and name."""
    files: dict[str, dict[str, float]] = defaultdict(dict)
    for entry in entries:
        if parsed := keys.parse_machine_file(entry.key):
            worker, name = parsed
            files[worker][name] = entry.modified
    return dict(files)


def _report(bucket: Bucket, worker: str, files: dict[str, float]) -> InstanceReport:
    status, problem = None, ""
    if "status.json" in files:
        try:
            status = documents.read(bucket, ReportedStatus, keys.machine_file(worker, "status.json"))
        except (BadDocument, OtherRelease) as error:
            problem = short(str(error))
    logs = sorted((name for name in files if name.endswith(".log")), key=lambda name: (files[name], name))
    return InstanceReport(status, max(files.values()), _newest_line(bucket, worker, logs[-1]) if logs else "", problem)


def _newest_line(bucket: Bucket, worker: str, name: str) -> str:
    try:
        return last_line(read_log(bucket, worker, name) or "")
    except Refused as error:
        return short(str(error))
