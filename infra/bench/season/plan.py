"""Which trainings the benchmark consists of, and in which order; nothing is trained here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from protocol.strategies.table import Strategy


class Row(StrEnum):
    """How a model came to be; a row of the table."""

    ALONE = "alone"
    FEDAVG = "FedAvg"
    FEDPROX = "FedProx"
    PERSONAL = "FedAvg, then alone"
    CHOSEN = "each member's choice"
    POOLED = "pooled, one member's budget"
    POOLED_ALL = "pooled, all members' budget"
    OTHERS = "FedAvg of the others"
    NEWCOMER = "FedAvg of the others, then alone"


@dataclass(frozen=True)
class Budget:
    """How long is trained. All members have equally many environment steps.

    Attributes:
        epochs: Of a member in a federation.
        own_epochs: Of a member by itself afterwards, from the federation's weights. One that is alone from the start
            has both together.
        epochs_per_round: Of each member, between two averages.
        environments, epoch_steps: As of `dispatch submit`.
        own_learning_rate: Step size at first of the epochs that come afterwards.
        proximal: FedProx's mu.
        settings: Of the agent, in all trainings alike.
    """

    epochs: int
    own_epochs: int
    epochs_per_round: int
    environments: int
    epoch_steps: int
    own_learning_rate: float
    proximal: float
    settings: Mapping[str, int | float]

    def settings_of(self, planned: Planned) -> dict[str, int | float]:
        """The agent's in a training. Its step size has fallen at its end, however short it is: one that does not fall
        leaves a model that differs from epoch to epoch by more than the trainings differ."""
        return {
            **self.settings,
            "anneal_steps": planned.epochs * self.epoch_steps,
            **({"proximal": self.proximal} if planned.strategy is Strategy.FEDPROX else {}),
            **({"learning_rate": self.own_learning_rate} if planned.starts_from else {}),
        }


@dataclass(frozen=True)
class Planned:
    """One training: a job, or a federation of several members.

    Attributes:
        row: What it is for.
        seed: Of the training.
        members: Who takes part: indices of the members whose workloads it meets. Of a federation each member meets its
            own, a job meets those of all.
        epochs: Of a member.
        strategy: None: a job.
        starts_from: The training whose weights it starts from; None: untrained.
    """

    row: Row
    seed: int
    members: tuple[int, ...]
    epochs: int
    strategy: Strategy | None = None
    starts_from: Planned | None = None

    @property
    def name(self) -> str:
        """Of its folder."""
        who = "" if len(self.members) > 1 and self.row is not Row.OTHERS else f"-{self.members[0]}"
        if self.row is Row.OTHERS:
            who = f"-without-{self.left_out}"
        words = self.row.lower().replace(",", "").replace("'", "").replace(" ", "-")
        return f"seed-{self.seed}/{words}{who}"

    @property
    def left_out(self) -> int:
        """The member that a federation of the others lacks."""
        return next(each for each in range(len(self.members) + 1) if each not in self.members)


def planned(budget: Budget, members: int, seeds: Sequence[int]) -> Iterator[Planned]:
    """All trainings, seed by seed; what one starts from comes before it."""
    for seed in seeds:
        yield from _of_seed(budget, members, seed)


def _of_seed(budget: Budget, members: int, seed: int) -> Iterator[Planned]:
    everyone = tuple(range(members))
    whole = budget.epochs + budget.own_epochs
    fedavg = Planned(Row.FEDAVG, seed, everyone, budget.epochs, Strategy.FEDAVG)
    yield fedavg
    for each in everyone:
        yield Planned(Row.ALONE, seed, (each,), whole)
    for each in everyone:
        yield Planned(Row.PERSONAL, seed, (each,), budget.own_epochs, starts_from=fedavg)
    yield Planned(Row.POOLED, seed, everyone, whole)
    yield Planned(Row.POOLED_ALL, seed, everyone, whole * members)
    yield Planned(Row.FEDPROX, seed, everyone, budget.epochs, Strategy.FEDPROX)
    left_out = (seed - 1) % members
    others = tuple(each for each in everyone if each != left_out)
    without = Planned(Row.OTHERS, seed, others, budget.epochs, Strategy.FEDAVG)
    yield without
    yield Planned(Row.NEWCOMER, seed, (left_out,), budget.own_epochs, starts_from=without)
