"""The benchmark as a whole: members and exams, and every training that is still to be done, one after the other."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agents.saved.files import write_atomic
from env.interrupt import Stopped
from env.season.laws import KINDS
from env.season.variants import WINDOWS, Variant, variant_named
from infra.bench.season import pods
from infra.bench.season.choices import validation_of, with_choices
from infra.bench.season.plan import Budget, Planned, planned
from infra.bench.season.report import Report, Scores, draw, report_of
from infra.bench.season.results import Results
from infra.bench.season.scores import CHOICE_SEED, Exam, exam_of_kind, exam_of_series, scores_of
from infra.bench.season.trainings import Member, agent_of, submission, train

if TYPE_CHECKING:
    from pathlib import Path

    from infra.bench.season.commands import SeasonsChoice

UNSEEN = "pods of no member"
OWN_LEARNING_RATE, PROXIMAL = 2e-3, 0.01
SETTINGS = {"minibatch_size": 256, "learning_rate": 2e-3}
"""Of all trainings alike: short ones need longer steps at first than the defaults, which are for long ones."""
ROLLOUT_WINDOWS = 14
"""Windows of each environment between two updates."""


@dataclass(frozen=True)
class Bench:
    """One benchmark.

    Attributes:
        unseen: The exam that stands for all workloads; None: the mean over all exams does.
        bound: What costs are compared with, in words.
    """

    config: Mapping[str, Any]
    results: Results
    budget: Budget
    variant: Variant
    members: Sequence[Member]
    exams: Sequence[Exam]
    trainings: Sequence[Planned]
    unseen: str | None
    bound: str

    @property
    def shown(self) -> list[Exam]:
        """The exams that are not there to choose by."""
        own = {validation_of(member.name) for member in self.members}
        return [exam for exam in self.exams if exam.name not in own]

    def report(self) -> Report:
        """On what has ended; it is written to the folder too."""
        report = report_of(self.results.all_of(self.trainings), self.members, self.unseen)
        document = {"config": self.config, **report.document()}
        write_atomic(self.results.path / "report.json", json.dumps(document, indent=1).encode() + b"\n")
        return report

    def draw(self, report: Report) -> None:
        """The picture in the folder."""
        found = with_choices(self.results.all_of(self.trainings), [member.name for member in self.members])
        scores = Scores(found, self.members, self.unseen)
        draw(report, scores, self.results.path / "season-federated.png", self.bound)


def bench_of(choice: SeasonsChoice, folder: Path) -> Bench:
    """The benchmark of these options, in a folder.

    Raises:
        ConfigError: An option or a file that does not fit, or a folder of another benchmark.
    """
    from infra.bench.season.commands import config_of

    variant = variant_named(choice.variant)
    config = config_of(choice)
    shares = None if choice.series is None else pods.split(choice.series, choice.members, variant)
    results = Results(folder, config)
    budget = Budget(
        epochs=choice.epochs,
        own_epochs=choice.own_epochs,
        epochs_per_round=choice.epochs_per_round,
        environments=choice.environments,
        epoch_steps=choice.environments * WINDOWS,
        settings={**SETTINGS, "rollout_steps": choice.environments * ROLLOUT_WINDOWS},
        own_learning_rate=OWN_LEARNING_RATE,
        proximal=PROXIMAL,
    )
    if shares is None:
        members = [Member(kind, kind=kind) for kind in KINDS]
        exams = [exam_of_kind(kind, kind, choice.workloads, variant) for kind in KINDS]
        exams += [exam_of_kind(validation_of(kind), kind, choice.workloads, variant, CHOICE_SEED) for kind in KINDS]
        unseen, bound = None, "the informed optimum"
    else:
        members = shares.write(folder)
        exams = [exam_of_series(member.name, part, variant) for member, part in zip(members, shares.parts, strict=True)]
        exams.append(exam_of_series(UNSEEN, shares.unseen, variant))
        unseen, bound = UNSEEN, "the clairvoyant optimum"
    trainings = list(planned(budget, len(members), range(1, choice.seeds + 1)))
    return Bench(config, results, budget, variant, members, exams, trainings, unseen, bound)


def run(bench: Bench, stop: threading.Event, tell: Callable[[str], None]) -> None:
    """Do every training that has not ended, and keep what it gave.

    Raises:
        Stopped: `stop` was set.
        SimArenaError: A training failed.
    """
    left = [each for each in bench.trainings if bench.results.scores(each) is None]
    if not left:
        return
    tell(f"{len(bench.trainings) - len(left)} of {len(bench.trainings)} trainings are in {bench.results.path}")
    for number, each in enumerate(left, 1):
        began = time.monotonic()
        scores = _run(bench, each, stop)
        words = ", ".join(f"{exam.name} {100 * scores[exam.name].above:.1f}" for exam in bench.shown)
        tell(f"{number}/{len(left)} {each.name}: {time.monotonic() - began:.0f} s; % above {bench.bound}: {words}")
        bench.report()


def _run(bench: Bench, each: Planned, stop: threading.Event) -> Mapping[str, Any]:
    results = bench.results
    start = results.weights(each.starts_from) if each.starts_from else None
    wanted = submission(each, bench.budget, bench.members, bench.variant.name, start)
    log = results.log(each)
    if stop.is_set():
        raise Stopped
    write_atomic(results.weights(each), train(wanted, log, stop))
    scores = scores_of(agent_of(wanted.training, results.weights(each)), bench.exams, bench.variant)
    results.keep(each, scores)
    return scores
