"""What trains in a run: integers, or a learner of a package. It takes virtual time, and may have a defect."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from infra.proof.simulation.scenario import MemberDefect, SimulationScenario
from infra.proof.standin import StandIn, integers
from infra.proof.tiny_learner import BATCHES, absent, installed
from protocol.learners.catalogue import KindOf
from protocol.learners.named import NamedLearner
from protocol.rounds.aggregate import Aggregate, RoundInputs
from protocol.rounds.averaging import RoundAggregate
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.errors import ProtocolError
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import Manifest
from protocol.worker.learner import Episode

Train = Callable[[int, Callable[[], bool]], Episode]


class Course:
    """How a job's training goes, whatever it trains.

    Args:
        work: passes so many seconds of virtual time.
        trained: called after every episode.

    Raises:
        ProtocolError: the member has settings that its learner refuses.
    """

    def __init__(
        self,
        manifest: Manifest,
        scenario: SimulationScenario,
        work: Callable[[float], None],
        trained: Callable[[], None],
    ) -> None:
        member = manifest.federation.member if manifest.federation else None
        slow = member is not None and member == scenario.slow_member
        self.works_s = scenario.works_s * (20 if slow else 1)
        self.work = work
        self.trained = trained
        self.defect = None if member is None else scenario.defects.get(member)
        if self.defect is MemberDefect.REFUSED:
            raise ProtocolError("hidden: no such setting")
        if self.defect is MemberDefect.HANGS:
            self.works_s = 4 * manifest.training.episode_timeout_s

    def run(self, train: Train, episode: int, must_stop: Callable[[], bool]) -> Episode:
        """An episode, for which `train` asks BATCHES times whether it must stop."""
        if self.defect is MemberDefect.CRASHES and episode > 1:
            raise RuntimeError("a defect of the learner")

        def asked() -> bool:
            if must_stop():
                return True
            self.work(self.works_s / BATCHES)
            return False

        done = train(episode, asked)
        self.trained()
        return done


class Integers(StandIn):
    """The stand-in, on its course."""

    def __init__(self, manifest: Manifest, course: Course) -> None:
        super().__init__(manifest, lambda seconds: None, 0.0)
        self.course = course

    def run_episode(self, episode: int, must_stop: Callable[[], bool]) -> Episode:
        return self.course.run(super().run_episode, episode, must_stop)


class Learning(NamedLearner):
    """The learner of a package, on its course; without a picture, which takes longer than all the rest."""

    def __init__(
        self, bucket: Bucket, manifest: Manifest, say: Callable[[str], None], kind_of: KindOf, course: Course
    ) -> None:
        super().__init__(bucket, manifest, say, kind_of)
        self.course = course

    def run_episode(self, episode: int, must_stop: Callable[[], bool]) -> Episode:
        return self.course.run(super().run_episode, episode, must_stop)

    def artifacts(self) -> Mapping[str, bytes]:
        return {keys.CHECKPOINT: self.weights()}


def installed_at(scenario: SimulationScenario, worker_id: str, noise: Callable[[], float]) -> KindOf:
    """What a worker's machine has."""
    number = int(worker_id[1:]) if worker_id[1:].isdigit() else None
    if number is None or number not in scenario.lacking:
        return installed(scenario.habit, noise)
    return installed(scenario.habit, noise, "0.9") if number % 2 else absent


def averages(federation: Federation, before: RoundInputs) -> Aggregate:
    """Of integers; of a learner's tensors as in earnest."""
    return (integers if federation.training.learner is None else RoundAggregate)(federation, before)
