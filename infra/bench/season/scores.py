"""What models cost, above what is possible: on each kind of generated workloads, or on recorded series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from env.season.bounds.clairvoyant import clairvoyant
from env.season.bounds.informed import informed
from env.season.policy import play
from env.season.series import Series, generated
from env.season.variants import KAPPA, Variant
from env.season.window import Prices

TEST_SEED = (1 << 40) + (1 << 34)
"""First seed of the tests: no training draws it."""
CHOICE_SEED = TEST_SEED + (1 << 30)
"""First seed of the workloads that members choose a model by: neither a training nor a test draws it."""


@dataclass(frozen=True)
class Exam:
    """Workloads that models are compared on.

    Attributes:
        name: Of the kind, or of whose they are.
        series: In steps.
        bound: What their episodes cost at the least in sum: to one who knows the law, of recorded ones who knows the
            peaks.
    """

    name: str
    series: Series
    bound: float


@dataclass(frozen=True)
class Score:
    """How a model did in an exam.

    Attributes:
        above: Its cost above the bound, as a share.
        exceeded: Share of windows with use above the request.
        held: Mean of the request over the typical peak.
    """

    above: float
    exceeded: float
    held: float


def exam_of_kind(name: str, kind: str, workloads: int, variant: Variant, first_seed: int = TEST_SEED) -> Exam:
    """An exam of generated workloads of a kind; with these seeds no training draws them."""
    series, laws = generated(variant, np.arange(first_seed, first_seed + workloads), kind)
    return Exam(name, series, float(informed(series, laws, variant, _prices(variant)).sum()))


def exam_of_series(name: str, series: Series, variant: Variant) -> Exam:
    """An exam of recorded workloads, whose law is not known."""
    return Exam(name, series, float(clairvoyant(series, variant, _prices(variant)).sum()))


def scores_of(agent: Any, exams: Sequence[Exam], variant: Variant) -> Mapping[str, Score]:
    """The scores of an agent that acts greedily, by the names of the exams."""
    found = {}
    for exam in exams:
        played = play(agent.best_in_all, exam.series, variant)
        above = float(played.cost.sum()) / exam.bound - 1.0
        found[exam.name] = Score(above, float(played.exceeded.mean()), float(played.held.mean()))
    return found


def _prices(variant: Variant) -> Prices:
    return Prices(KAPPA, variant.restart_price)
