"""What a finished run leaves behind, indexed: the checks of all invariants look things up here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from infra.proof.simulation.history import AppliedRequest, History
from infra.proof.simulation.plain import PlainLearner, fresh_learner
from infra.proof.simulation.scenario import ATTACKER, MemberDefect, SimulationScenario
from infra.proof.standin import GROUP, StandIn
from infra.proof.tiny_learner import Habit
from infra.proof.virtual_threads import Process
from protocol.wire import documents, ids, keys
from protocol.wire.federation_documents import Decision, Federation, Outcome
from protocol.wire.job_documents import Result, TrainingSpec
from protocol.wire.keys import Mark


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        bodies: what is in the bucket at the end.
        stuck: why it did not come to its end, if so.
    """

    scenario: SimulationScenario
    history: History
    bodies: Mapping[str, bytes]
    processes: tuple[Process, ...]
    stuck: str | None

    @property
    def wanted(self) -> Federation:
        return self.scenario.wanted

    @cached_property
    def member_jobs(self) -> tuple[str, ...]:
        return tuple(keys.member_job(GROUP, member) for member in range(self.wanted.size))

    @cached_property
    def jobs(self) -> tuple[str, ...]:
        return self.member_jobs + self.scenario.single_jobs

    @cached_property
    def honest_jobs(self) -> tuple[str, ...]:
        """All but the one that an attacker may spoil."""
        return tuple(job_id for job_id in self.jobs if not self.is_spoilt(job_id))

    def is_spoilt(self, job_id: str) -> bool:
        """Whether an attacker has the credentials of a job's worker: then nothing is promised about that job."""
        return self.scenario.attacked is not None and job_id == keys.member_job(GROUP, self.scenario.attacked)

    def is_damaged(self, job_id: str) -> bool:
        """Whether a job's manifest cannot be read."""
        parsed = keys.parse_member_job(job_id)
        return parsed is not None and self.scenario.defects.get(parsed[1]) is MemberDefect.DAMAGED

    @cached_property
    def forged(self) -> bool:
        """Whether the attacker decided or averaged a round, or wrote the outcome."""
        return any(
            event.who == ATTACKER and event.key.startswith(keys.rounds(GROUP)) and not keys.parse_update(event.key)
            for event in self.history.writes
        ) or (self.by_attacker(keys.outcome(GROUP)))

    def by_attacker(self, key: str) -> bool:
        event = self.history.first(key)
        return event is not None and event.who == ATTACKER

    def training_of(self, job_id: str) -> TrainingSpec:
        return self.wanted.training if job_id in self.member_jobs else self.scenario.single_training

    @property
    def repeats(self) -> bool:
        """Whether what is trained twice from one state is the same; else no weights are promised."""
        return self.scenario.habit is Habit.SOUND or not self.scenario.learns

    def fresh_learner(self, job_id: str) -> StandIn | PlainLearner:
        """What a job trains, from its start."""
        parsed = keys.parse_member_job(job_id) if job_id in self.member_jobs else None
        return fresh_learner(self.training_of(job_id), parsed[1] if parsed else 0, self.wanted if parsed else None)

    def restored(self, job_id: str, state: AppliedRequest) -> StandIn | PlainLearner:
        """What a job trains, from one of its states."""
        learner = self.fresh_learner(job_id)
        learner.restore(state.request.body)
        return learner

    def body(self, key: str) -> bytes | None:
        """What was first created under a key, whether or not it is still there."""
        event = self.history.first(key)
        return None if event is None else event.request.body

    @cached_property
    def decisions(self) -> dict[int, tuple[AppliedRequest, Decision]]:
        found = {}
        for round_ in range(1, self.wanted.rounds + 1):
            event = self.history.first(keys.decision(GROUP, round_))
            if event is not None and event.who != ATTACKER:
                found[round_] = (event, documents.parse(Decision, event.request.body, event.key))
        return found

    def opened(self, round_: int) -> float:
        """When a round opened, virtual seconds: when the weights landed that it starts from; 0 if they never did."""
        key = keys.global_weights(GROUP, round_ - 1) if round_ > 1 else keys.federation(GROUP)
        event = self.history.first(key)
        return 0.0 if event is None else event.at

    @cached_property
    def outcome(self) -> Outcome | None:
        body = self.body(keys.outcome(GROUP))
        return None if body is None else documents.parse(Outcome, body, keys.outcome(GROUP))

    @cached_property
    def results(self) -> dict[str, tuple[AppliedRequest, Result]]:
        events = {job_id: self.history.first(keys.result(job_id)) for job_id in self.honest_jobs}
        return {
            job_id: (event, documents.parse(Result, event.request.body, event.key))
            for job_id, event in events.items()
            if event is not None
        }

    @cached_property
    def claims(self) -> dict[tuple[str, int], list[AppliedRequest]]:
        """Who created which attempt, in order."""
        found: dict[tuple[str, int], list[AppliedRequest]] = defaultdict(list)
        for key, events in self.history.created.items():
            row = keys.parse_progress(key)
            if row is not None and row.mark is Mark.CLAIM:
                found[row.job_id, row.attempt] += events
        return found

    @cached_property
    def states(self) -> dict[str, dict[int, AppliedRequest]]:
        """Per job its states, by episode."""
        found: dict[str, dict[int, AppliedRequest]] = {job_id: {} for job_id in self.jobs}
        for job_id in self.jobs:
            prefix = keys.states(job_id)
            for key, events in self.history.created.items():
                if events and key.startswith(prefix) and (episode := keys.parse_state(key)):
                    found[job_id][episode] = events[0]
        return found

    def over_before(self, job_id: str, event: AppliedRequest) -> bool:
        """Whether a job had its result when a request took effect."""
        found = self.history.first(keys.result(job_id)) if ids.is_id(job_id) else None
        return found is not None and found.place < event.place

    def deleted(self, thing: AppliedRequest, before: AppliedRequest) -> bool:
        """Whether what was created was deleted again before another request took effect."""
        return any(
            event.key == thing.key and event.request.verb == "DELETE" and thing.place < event.place < before.place
            for event in self.history.writes
        )

    def purged(self, job_id: str) -> bool:
        return self.scenario.purge and job_id in self.member_jobs

    @property
    def done_s(self) -> float:
        """When the outcome and the last result were there, virtual seconds."""
        ends = [self.history.first(key) for key in (keys.outcome(GROUP), *map(keys.result, self.honest_jobs))]
        return max((event.at for event in ends if event), default=0.0)

    @property
    def episodes_kept(self) -> int:
        """Those whose training was of use: in the results, or in the states of a job that ended otherwise."""
        completed = {job_id: result.episodes_completed for job_id, (_, result) in self.results.items()}
        # By what a state holds, not by its name: a member that was left behind never trained the rounds it skipped.
        held = {
            job_id: max((len(self.restored(job_id, event).history) for event in states.values()), default=0)
            for job_id, states in self.states.items()
            if not self.is_spoilt(job_id)
        }
        return sum(max(completed.get(job_id, 0), held[job_id]) for job_id in self.honest_jobs)
