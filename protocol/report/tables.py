"""The tables of a federation's page: every round, every member."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from env.words import count
from protocol.report import curves
from protocol.report.costs import costs
from protocol.report.record import MemberRecord, Part, Record
from protocol.report.texts import NAMES_SHOWN, listed
from runner.report.page import Cell, Column, Facts, Table


def rounds(record: Record) -> list[Table]:
    """Every round that was read."""
    if not record.rounds:
        return []
    columns = [
        Column("round", "number"),
        Column("closed", note="full: every live member had delivered; deadline: some were too late"),
        Column("members", "number", "whose updates were averaged"),
        Column("mean return", "number", "over these members"),
        Column("solved", "share", "of their episodes, in training"),
        Column("seconds", "seconds", "since the round before closed, by S3's clock in whole seconds"),
        Column("left out, and why"),
    ]
    seconds = record.seconds_each()
    rows: list[list[Cell]] = [
        [
            round_.number,
            round_.reason or "unreadable",
            round_.participants,
            _known(round_.reward),
            round_.solved_share,
            _known(took),
            "; ".join(([round_.error] if round_.error else []) + list(round_.left_out)),
        ]
        for round_, took in zip(record.rounds, seconds, strict=True)
    ]
    note = f"{record.skipped} closed rounds between these are not shown." if record.skipped else ""
    return [Table("Every round" if not record.skipped else "Rounds", columns, rows, note)]


def _known(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def members(record: Record) -> list[Facts | Table]:
    """Machines, versions and take-overs, and every member that was read."""
    jobs = record.members
    if not jobs:
        return []
    states = Counter(job.state for job in jobs)
    machines = {job.worker for job in jobs if job.worker}
    takeovers = sum(max(0, job.attempts - 1) for job in jobs)
    pairs = [
        ("states", ", ".join(f"{number} {state}" for state, number in states.most_common(NAMES_SHOWN))),
        ("machines", listed(sorted(machines))),
        ("take-overs", f"{takeovers} (attempts after a member's first; those after a clean stop are counted, too)"),
    ]
    for name in ("cpu", "python", "numpy", "numba", "platform"):
        values = sorted({job.fingerprint[name] for job in jobs if name in job.fingerprint})
        if values:
            pairs.append((name, listed(values)))
    return [Facts("", pairs), _member_table(record, jobs)]


def _member_table(record: Record, jobs: Sequence[MemberRecord]) -> Table:
    parts, rewards = record.parts(), record.rewards()
    columns = [
        Column("member", "number"),
        Column("state", note="free: its attempt ended, and the next worker takes it"),
        Column("machine", "code", "the worker of its last attempt; on EC2 an instance"),
        Column("attempts", "number", "those after the first are take-overs"),
        Column("averaged", "number", "rounds with its update"),
        Column("late", "number", "rounds that closed without an update of it"),
        Column("left out", "number", "rounds in which its update could not be averaged"),
        Column("return, first tenth", "number"),
        Column("return, last tenth", "number"),
        Column("steps", "number", "of its environment, by its result"),
        Column("remark"),
    ]
    rows: list[list[Cell]] = []
    for job in jobs:
        own = parts[:, job.member]
        returns = [float(value) for value in rewards[:, job.member] if not math.isnan(value)]
        ends = curves.tenths(returns) or (None, None)
        amounts = [int((own == kind).sum()) for kind in (Part.AVERAGED, Part.LATE, Part.LEFT_OUT)]
        machine = job.worker or ""
        rows.append([job.member, job.state, machine, job.attempts, *amounts, *ends, job.env_steps, job.error or ""])
    more = record.federation.size - len(jobs)
    notes = [f"{count(more, 'more member')} are not shown."] if more else []
    if record.skipped:
        notes.append(f"Counts and returns are of the {len(parts)} rounds that were read.")
    return Table("Every member" if not more else "Members", columns, rows, " ".join(notes))


def requests(record: Record, ttl_s: float) -> list[Table]:
    """What all processes asked of S3, estimated; `ttl_s` is of their leases."""
    found = costs(record, ttl_s)
    if not found:
        return []
    verbs = ("PUT", "GET", "LIST")
    columns = [Column("for"), *(Column(verb, "number") for verb in verbs), Column("dollars", "dollars")]
    rows: list[list[Cell]] = [[each.purpose, *(each.requests.get(v, 0) for v in verbs), each.dollars] for each in found]
    total = [sum(each.requests.get(verb, 0) for each in found) for verb in verbs]
    rows.append(["all", *total, sum(each.dollars for each in found)])
    note = (
        "An estimate: what the work takes follows from the rounds; waiting, renewing and watching are as "
        "sim-arena bench protocol measures them in rounds of 10 s. S3 Standard in us-east-1, without storage."
    )
    return [Table("Requests to S3", columns, rows, note)]
