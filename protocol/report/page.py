"""A federation's record as a page. What is in the record comes from the bucket; the page's renderer makes it safe."""

from __future__ import annotations

from collections.abc import Sequence

from env.words import count
from protocol.report import charts, curves, tables
from protocol.report.again import submit_lines
from protocol.report.evaluation import Evaluation, section
from protocol.report.record import Part, Record
from protocol.report.texts import listed, moment
from protocol.wire import keys
from protocol.wire.choices import Closers
from protocol.wire.federation_documents import OutcomeStatus
from protocol.wire.schedule import LEASE_TTL_S
from runner.report.cells import duration
from runner.report.page import Cell, Column, Commands, Facts, Page, Section, Table


def page_of(
    record: Record,
    bucket: str,
    *,
    made: str,
    ttl_s: float = LEASE_TTL_S,
    evaluation: Evaluation | None = None,
    again: Sequence[str] = (),
) -> Page:
    """The page of a federation.

    Args:
        bucket: as messages call it, s3://NAME.
        made: what made the page and when.
        evaluation: of its newest global model, where there is one.
        again: commands that make it again; none: `dispatch submit` and what it needs.
    """
    sections = [
        Section("state", "State", [_state(record), *_trouble(record)]),
        Section("learning", "Learning", charts.learning(record, evaluation.returns if evaluation else None)),
        *([section(evaluation)] if evaluation else []),
        Section("rounds", "Rounds", [*charts.pace(record), *charts.averaged(record), *tables.rounds(record)]),
        Section("members", "Members", tables.members(record)),
        Section("cost", "Requests and dollars", tables.requests(record, ttl_s)),
        Section("settings", "Settings", _settings(record)),
        Section("again", "Make it again", _again(record, bucket, again)),
    ]
    group = record.federation.group
    return Page(f"Federation {group}", verdict(record), [each for each in sections if each.parts], made)


def verdict(record: Record) -> str:
    """How the federation ended or how far it is, what was learnt, and who was left out; one sentence."""
    federation, outcome = record.federation, record.outcome
    rounds = f"{record.closed} of {count(federation.rounds, 'round')} closed"
    if outcome is None:
        state = f"Running: {rounds}"
    elif outcome.status is OutcomeStatus.FINISHED:
        state = f"Finished: all {count(federation.rounds, 'round')} closed"
    else:
        state = f"Failed after {count(record.closed, 'round')} ({outcome.reason[:300]})"
    took = f" in {duration(record.seconds)}" if record.seconds and record.closed else ""
    means = [round_.reward for round_ in record.averaged if round_.reward is not None]
    ends = curves.tenths(means)
    learnt = ""
    if ends and len(means) > 1:
        learnt = f"; mean return from {ends[0]:+.2f} to {ends[1]:+.2f} (first and last tenth of the rounds)"
    elif ends:
        learnt = f"; mean return {ends[0]:+.2f}"
    return f"{state}{took}{learnt}; {_absences(record)}."


def _absences(record: Record) -> str:
    parts = record.parts()
    absent = (parts != Part.AVERAGED) & (parts != Part.NOT_DRAWN)
    if not parts.size:
        return f"{count(record.federation.size, 'member')}"
    sample = record.federation.sample
    who = f"{count(record.federation.round_size, 'member')}" + (f" drawn of {record.federation.size}" if sample else "")
    if not absent.any():
        all_of_them = "its one member" if record.federation.round_size == 1 else f"all {who}"
        return f"{all_of_them} in every round" + (" read" if record.skipped else "")
    return f"{count(int(absent.any(axis=1).sum()), 'round')} of {len(parts)} without some of the {who}"


def _state(record: Record) -> Facts:
    federation, outcome = record.federation, record.outcome
    pairs = [
        ("state", f"{outcome.status}: {outcome.reason}" if outcome else "running"),
        ("rounds closed", f"{record.closed} of {federation.rounds}"),
        ("members", f"{federation.size}" + (f", {federation.sample} drawn a round" if federation.sample else "")),
        ("began", moment(record.opened_at)),
        ("last round closed", moment(max((round_.closed_at for round_ in record.rounds), default=0.0))),
        ("took", duration(record.seconds) if record.seconds else "not known"),
    ]
    if record.skipped:
        pairs.append(("rounds read", f"{len(record.rounds)}; they stand for all, the first and last ones are whole"))
    if outcome and outcome.weights_sha256:
        pairs.append(("SHA-256 of the last global weights", outcome.weights_sha256))
    asked = ", ".join(f"{number} {verb}" for verb, number in sorted(record.requests.items()))
    return Facts("", [*pairs, ("requests to make this page", asked)])


def _trouble(record: Record) -> list[Table]:
    if not record.trouble:
        return []
    return [Table("What cannot be read", [Column("object and reason")], [[line] for line in record.trouble])]


def _settings(record: Record) -> list[Facts | Table]:
    federation, training = record.federation, record.federation.training
    learner = training.learner
    rule = {Closers.SYNC_SERVER: "a sync-server", Closers.WORKERS: "the members' workers"}[federation.barrier]
    pairs = [
        ("strategy", str(federation.strategy)),
        ("rounds are closed by", rule),
        ("updates that a round needs", f"{federation.min_participants} of {federation.round_size}"),
        ("deadline of a round", f"{federation.round_timeout_s:g} s after its first update"),
        (f"{training.unit}s of each member", f"{training.episodes}, {federation.episodes_per_round} a round"),
        ("learner", learner.name) if learner else ("agent", training.agent),
        ("seed", str(training.seed)),
        ("reward", training.reward if training.unit == "episode" else "its own"),
        ("at most", f"{training.unit_steps} steps an {training.unit}"),
        ("members see", "their own share each" if federation.heterogeneous else "the same"),
        ("trained on", _work(record)),
        ("starts from", training.weights or "the weights that the seed defines"),
        ("numbers in the model", f"{sum(spec.elements for spec in federation.model):,}"),
        ("submitted", f"{federation.created_at[:40]} (by the submitter's clock)"),
    ]
    given = learner.settings if learner else training.agent_settings
    rows: list[list[Cell]] = [[name, str(value)] for name, value in sorted(given.items())]
    table = Table(
        f"Settings of the {'learner' if learner else 'agent'}", [Column("name"), Column("value", "code")], rows
    )
    return [Facts("", pairs), *([table] if rows else [])]


def _work(record: Record) -> str:
    training = record.federation.training
    if training.learner:
        return f"what the learner {training.learner.name} gives each member"
    if environment := training.environment:
        parts = [f"{len(environment.series)} recorded series"] if environment.series else [*environment.kinds]
        parts += [f"{name} {value}" for name, value in sorted(environment.settings.items())]
        return f"environment {environment.name}{': ' if parts else ''}{', '.join(parts)}"
    if training.traces:
        return f"{count(len(training.traces), 'trace')}: {listed([sha256[:12] for sha256 in training.traces])}"
    kind = training.problem or ("one kind for each member" if record.federation.heterogeneous else "any kind")
    return f"generated problems: {kind}"


def _again(record: Record, bucket: str, given: Sequence[str]) -> list[Commands | Facts]:
    federation = record.federation
    name = bucket.removeprefix("s3://")
    again = f"{federation.group}-again"
    lines = [
        f"export SIM_ARENA_BUCKET={name}",
        *submit_lines(federation, bucket),
        *(["sync-server --exit-when-idle"] if federation.barrier is Closers.SYNC_SERVER else []),
        f"worker    # as many as a round has members, for the same pace: {federation.round_size}",
        f"dispatch status {again} --json    # weights_sha256 is the same if every round has the same members",
    ]
    pairs = [("federation.json", f"{bucket}/{keys.federation(federation.group)}")]
    outcome = record.outcome
    if outcome and outcome.weights_sha256:
        pairs.append(("its weights' SHA-256", outcome.weights_sha256))
    versions = [job.fingerprint for job in record.members if job.fingerprint][:1]
    pairs += [(f"with {name}", value) for found in versions for name, value in sorted(found.items())]
    return [Commands("Commands", given or lines), Facts("The same bits need", pairs)]
