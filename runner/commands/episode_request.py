"""What `sim-arena episode` is asked for, in environments that play it their own way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from env.errors import ConfigError
from runner.clusters.choice import ClusterChoice
from runner.clusters.simkube import OpenBucket
from runner.options.flatten import changed
from runner.options.season import SeasonChoice
from runner.options.workload import WorkloadChoice


@dataclass(frozen=True)
class EpisodeRequest:
    """What `sim-arena episode` is asked for.

    Attributes:
        agent: Who plays, as typed; None: nobody was named.
        workload, cluster, season: Options, of which each environment takes some and refuses the others.
        open_bucket: As in `ClusterChoice.opened`.
        seed: Of what is generated.
        steps: At most so many; None: as many as the environment's own.
        to: A file to be written; None: none is.
        as_json: Print a document.
    """

    agent: str | None
    workload: WorkloadChoice
    cluster: ClusterChoice
    season: SeasonChoice
    open_bucket: OpenBucket | None
    seed: int
    steps: int | None
    to: Path | None
    as_json: bool


def check_not_of_season(env: str, choice: SeasonChoice) -> None:
    """Refuse options of --env season.

    Raises:
        ConfigError: One is given.
    """
    for option in changed(choice):
        raise ConfigError(f"{option}: is of --env season; leave it out with --env {env}")
