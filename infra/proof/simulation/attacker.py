"""An attacker in a simulated run: a process with exactly the rights of a worker that is confined to one member's job.

Where members close rounds it may create decisions and weights too, as every member there may. At random times it does
one thing of those below, most often to its own updates. What its rights do not allow is refused, as S3 would; that it
tries shows that the rights, and not its restraint, protect the others.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress

from infra.proof.simulation.forgeries import forgeries_of
from infra.proof.simulation.rights import ConfinedStore
from infra.proof.simulation.scenario import SimulationScenario
from infra.proof.standin import GROUP
from protocol.jobs import queue
from protocol.rounds.updates import update_facts
from protocol.wire import keys
from protocol.wire.clock import Clock
from protocol.wire.errors import StoreError
from protocol.wire.federation_documents import Decision, Outcome, OutcomeStatus, Participant
from protocol.wire.job_documents import ResultStatus
from protocol.wire.keys import Mark
from protocol.wire.memory import MemoryStore

ODD_FACTS: tuple[dict[str, str], ...] = (
    {},
    {"facts": "[" * 999},
    {"facts": '{"transitions": -5}'},
    {"facts": '{"transitions": 1e400}'},
    {"facts": '{"transitions": 99999999}'},
    {"facts": '{"transitions": 3, "reward": NaN, "solved": "x"}'},
)


class Attacker:
    """One attack after the other, until faults end.

    Args:
        store: of its process; it is used with the attacker's rights only.
        say: told what it does.
    """

    def __init__(
        self, scenario: SimulationScenario, clock: Clock, store: MemoryStore, say: Callable[[str], None]
    ) -> None:
        assert scenario.attacked is not None  # noqa: S101 (a run without an attacker starts none)
        self.scenario = scenario
        self.member = scenario.attacked
        self.job_id = keys.member_job(GROUP, self.member)
        self.clock = clock
        self.store = ConfinedStore(store, self.job_id, closes_rounds=scenario.attacker_closes_rounds)
        self.say = say
        self.forgeries = forgeries_of(scenario.wanted)
        self.random = random.Random(f"attacks of {scenario.seed}")

    def run(self) -> None:
        kinds = (*(3 * (self.flood, self.own_update)), self.others, self.claims, self.own_job, self.rounds)
        for _ in range(self.random.randint(3, 30)):
            kind = self.random.choice(kinds)
            self.say(kind.__name__)
            kind()
            self.clock.sleep(self.random.expovariate(10 / self.scenario.calm_s))

    # -- what it tries -----------------------------------------------------------------------------------

    def flood(self) -> None:
        """Its updates of all rounds, now."""
        for round_ in range(1, self.scenario.wanted.rounds + 1):
            self._update(round_, self.member)

    def own_update(self) -> None:
        """One of its updates, early or late; or another one in its place."""
        key = self._update(self._round(), self.member)
        if self.random.random() < 0.2:
            self._put(key, self.forgeries.weights)
            self._delete(key)

    def others(self) -> None:
        """What belongs to other members."""
        other = self.random.randrange(self.scenario.wanted.size)
        job_id = keys.member_job(GROUP, other)
        if other != self.member:
            self._update(self._round(), other)
            self._create(keys.result(job_id), b"{}")
            self._create(keys.state(job_id, self._round()), b"{}")
            self._create(keys.attempt_mark(job_id, Mark.CLAIM, self.random.randint(1, 9999)), b"{}")
            self._delete(keys.pending_manifest(job_id))
        self._create(keys.pending_manifest("job-attack"), b"{}")

    def claims(self) -> None:
        """Claims and marks on its own job, with odd numbers and contents."""
        attempt = self.random.choice((1, 2, 3, 50, 9999, 999_999_999))
        mark = self.random.choice((Mark.CLAIM, Mark.CLAIM, Mark.HEARTBEAT, Mark.RELEASED))
        key = keys.attempt_mark(self.job_id, mark, attempt)
        body = self.random.choice((b"", b"{}", b"\xff" * 99, b'{"version": 7}', b"[" * 9999))
        self._put(key, body) if mark is Mark.HEARTBEAT else self._create(key, body)

    def own_job(self) -> None:
        """Its own job's results, states and manifest."""
        ended = queue.ended(self.job_id, self.random.choice(list(ResultStatus)), "attack").to_bytes()
        state = self.random.choice(self.forgeries.states)
        match self.random.randrange(5):
            case 0:
                self._create(keys.result(self.job_id), self.random.choice((ended, b"{}", b"\xff")))
            case 1:
                self._create(keys.state(self.job_id, self.random.randint(1, 999_999)), state)
            case 2:
                self._create(keys.rejected_manifest(self.job_id), b"poison")
            case 3:
                self._delete(keys.pending_manifest(self.job_id))
            case _:
                self._delete(keys.attempt_mark(self.job_id, Mark.CLAIM, self.random.randint(1, 3)))

    def rounds(self) -> None:
        """What only those may write that close rounds: its own decision, its weights, an outcome; and the report."""
        self._put(keys.report(GROUP), b"<script>forged</script>")
        self._create(keys.report(GROUP), b"<script>forged</script>")
        self._delete(keys.report(GROUP))
        round_ = self._round()
        mine = Participant(member=self.member, weight=self.random.choice((1, 10, 10**9)))
        reason = self.random.choice(("full", "deadline"))
        decision = Decision.model_validate({"round": round_, "reason": reason, "participants": (mine,)}).to_bytes()
        for key, body in (
            (keys.decision(GROUP, round_), self.random.choice((decision, b"{"))),
            (keys.server_state(GROUP, round_), self.forgeries.weights),
            (keys.global_weights(GROUP, round_), self.forgeries.weights),
        ):
            if self.random.random() < 0.5:
                self._create(key, body)
        if self.random.random() < 0.1:
            status = self.random.choice(list(OutcomeStatus))
            outcome = Outcome(status=status, rounds=round_, reason="attack", finished_at="").to_bytes()
            self._create(keys.outcome(GROUP), outcome)

    # -- requests ----------------------------------------------------------------------------------------

    def _round(self) -> int:
        return self.random.randint(1, self.scenario.wanted.rounds)

    def _update(self, round_: int, member: int) -> str:
        key = keys.update(GROUP, round_, member)
        true = update_facts(1, 0.5, 0)
        mine = self.forgeries.weights
        body, facts = self.random.choice(
            (
                *(4 * ((mine, true),)),  # what may be averaged, and is far from what the others send
                *((odd, true) for odd in self.forgeries.odd),
                (mine, self.random.choice(ODD_FACTS)),
            )
        )
        self._create(key, body, facts)
        return key

    def _create(self, key: str, body: bytes, facts: dict[str, str] | None = None) -> None:
        with suppress(StoreError):
            self.store.put(key, body, {**(facts or {}), "nonce": "attack"}, create_only=True)

    def _put(self, key: str, body: bytes) -> None:
        with suppress(StoreError):
            self.store.put(key, body, {}, create_only=False)

    def _delete(self, key: str) -> None:
        with suppress(StoreError):
            self.store.delete(key)
