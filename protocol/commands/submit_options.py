"""The options of `dispatch submit` that no other command has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import typer

from agents.kinds import DEFAULT, TRAINABLE
from protocol.strategies.table import ROBUST_SIZE, Strategy
from protocol.wire.choices import Closers, JobType
from protocol.wire.keys import MAX_MEMBERS
from protocol.wire.schedule import DEFAULT_ROUNDS
from runner.options import completion
from runner.options.agents import SettingsOption
from runner.options.season import SETTINGS

DEFAULT_UNITS = 20
"""Episodes or epochs of a job where nothing is said."""


@dataclass(frozen=True, kw_only=True)
class JobChoice:
    """Who is trained, how long and from what.

    Attributes:
        episode_timeout: Seconds.
    """

    panel: ClassVar[str] = "Training"

    agent: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"{', '.join(TRAINABLE)}. Default: {DEFAULT}, in other environments than the cluster ppo.",
            autocompletion=completion.of(TRAINABLE),
        ),
    ] = None
    learner: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Train this learner of an installed package in place of an agent, for --epochs; digits comes along.",
            autocompletion=completion.or_plugin("learner", ("digits",)),
        ),
    ] = None
    episodes: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Episodes; in a federation those of each member. Default: 20."),
    ] = None
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Same seed, same weights.")] = 0
    settings: SettingsOption = field(default_factory=dict)
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Start from these weights: a .pt file or s3://BUCKET/KEY.",
            autocompletion=completion.files,
        ),
    ] = None
    job_type: Annotated[
        JobType,
        typer.Option(metavar="NAME", help="training; or experience_collection: run episodes, keep their transitions."),
    ] = JobType.TRAINING
    max_attempts: Annotated[
        int, typer.Option(metavar="N", min=1, help="Attempts without progress before a job fails.")
    ] = 10
    episode_timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="Seconds that one episode may take.")
    ] = 3600.0


@dataclass(frozen=True, kw_only=True)
class EpochsChoice:
    """What is trained in an environment that is counted in epochs, or by a learner."""

    panel: ClassVar[str] = "--env other than cluster, --learner"

    epochs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Epochs; in a federation those of each member. Default: 20.")
    ] = None
    epoch_steps: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Environment steps of an epoch, of all environments together (65,536); of a learner at most so many "
            "steps or examples (16,777,216).",
        ),
    ] = None
    environments: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Environments that are stepped together. Default: 256.")
    ] = None
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="KIND,KIND,...",
            help="What is generated there; with --heterogeneous one kind for each member in turn.",
        ),
    ] = None
    series: Annotated[
        tuple[str, ...],
        typer.Option(
            metavar="FILE",
            help="Train on these recorded series (CSV) in place of generated ones. May be given again; with "
            "--heterogeneous of N members each has every N-th file.",
            autocompletion=completion.files,
        ),
    ] = ()
    variant: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of --env season: memory, cpu or replicas; of fleet: small or large."),
    ] = None
    kappa: Annotated[
        float | None, typer.Option(metavar="PRICE", help="Price of a window with too little, in --env season.")
    ] = None

    @property
    def settings(self) -> dict[str, Any]:
        """Of the environment: those that are given."""
        return {name: given for name in SETTINGS if (given := getattr(self, name)) is not None}

    @property
    def kinds(self) -> tuple[str, ...]:
        """Each once, in the order given."""
        return tuple(dict.fromkeys(filter(None, (self.kind or "").split(","))))


@dataclass(frozen=True, kw_only=True)
class FederationChoice:
    """Who trains together, and how updates become one model; without a size, a group or a sync: a single job.

    Attributes:
        round_timeout: Seconds.
    """

    panel: ClassVar[str] = "Federation"

    federation_size: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=MAX_MEMBERS, help="Members that share one model. Without it: a single job."
        ),
    ] = None
    sample: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            min=1,
            max=MAX_MEMBERS,
            help="Members that each round draws, by the seed; the others go on with its average. Default: all.",
        ),
    ] = None
    group: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The federation's name; the same again completes a cut-off submit."),
    ] = None
    episodes_per_round: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Episodes, or epochs, of each member between two averages; the last round may be shorter. "
            f"Default: as few as make at most {DEFAULT_ROUNDS} rounds.",
        ),
    ] = None
    heterogeneous: Annotated[
        bool,
        typer.Option(
            "--heterogeneous",
            help="Each member sees its own share only: of N members every N-th trace, else one kind of problem.",
        ),
    ] = False
    per_episode_sync: Annotated[
        bool,
        typer.Option(
            "--per-episode-sync",
            help="A single job whose weights pass through sync-server after every episode: a federation of one.",
        ),
    ] = False
    strategy: Annotated[
        Strategy,
        typer.Option(
            metavar="NAME",
            help=f"How updates are averaged: {', '.join(Strategy)}. "
            f"Robust against members that lie: {', '.join(each for each in Strategy if each.robust)}.",
        ),
    ] = Strategy.FEDAVG
    barrier: Annotated[
        Closers,
        typer.Option(metavar="NAME", help="Who closes rounds: sync-server; or workers, without any server."),
    ] = Closers.SYNC_SERVER
    min_participants: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Updates that a round needs. Default: a majority, of two members 1; "
            f"with a robust strategy at least {ROBUST_SIZE}.",
        ),
    ] = None
    round_timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=1,
            help="Seconds after a round's first update when it closes without the missing ones, if there are enough.",
        ),
    ] = 3600.0

    @property
    def wanted(self) -> bool:
        """Whether a federation is asked for, not a single job."""
        return self.federation_size is not None or self.group is not None or self.per_episode_sync

    @property
    def size(self) -> int:
        """Members."""
        return self.federation_size or 1

    @property
    def round_size(self) -> int:
        """Members that take part in a round."""
        return self.sample or self.size
