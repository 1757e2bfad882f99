"""What a submission says only where it is trained by epochs: checked and drafted from options."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from env.errors import UsageError, nearest
from env.words import count
from protocol.commands.submit_options import DEFAULT_UNITS
from protocol.wire import documents
from protocol.wire.choices import JobType
from protocol.wire.job_documents import EpochsSpec
from runner.options.agents import EpisodeChoice

if TYPE_CHECKING:
    from protocol.commands.submit_options import EpochsChoice, FederationChoice, JobChoice
    from runner.commands.environments import EnvironmentKind
    from runner.options.workload import WorkloadChoice


def in_epochs(
    kind: EnvironmentKind,
    job: JobChoice,
    episode: EpisodeChoice,
    workload: WorkloadChoice,
    federation: FederationChoice,
    epochs: EpochsChoice,
) -> dict[str, object]:
    """The fields of a training by epochs.

    Raises:
        UsageError: Options that this environment does not have, or that do not go together.
    """
    if job.episodes is not None:
        raise UsageError(f"--episodes: --env {kind.name} is trained by epochs; give --epochs")
    if job.job_type is not JobType.TRAINING:
        raise UsageError(f"--job-type {job.job_type}: plays on a cluster; --env {kind.name} has only training")
    if epochs.series and epochs.kinds:
        raise UsageError(f"--kind {epochs.kind}: is generated, but --series gives recorded ones; leave one out")
    own = replace(episode, steps=EpisodeChoice.steps) if "steps" in kind.options else episode
    kind.check_played(workload, own)
    return {
        "episodes": epochs.epochs or DEFAULT_UNITS,
        "environment": documents.build(
            EpochsSpec,
            name=kind.name,
            environments=epochs.environments or ENVIRONMENTS,
            epoch_steps=epochs.epoch_steps or EPOCH_STEPS,
            kinds=() if epochs.series else _kinds(kind, federation, epochs.kinds),
            settings=epochs.settings,
        ),
    }


EPOCH_STEPS, ENVIRONMENTS = 1 << 16, 256
"""Of an epoch, where nothing is said: those of `sim-arena train`."""


def _kinds(kind: EnvironmentKind, federation: FederationChoice, given: tuple[str, ...]) -> tuple[str, ...]:
    for name in given:
        if name not in kind.kinds:
            known = nearest(name, kind.kinds) if kind.kinds else "it has none"
            raise UsageError(f"--kind {name}: unknown in --env {kind.name}; {known}")
    if not federation.heterogeneous:
        return given
    kinds = given or kind.kinds
    if not kinds:
        raise UsageError(f"--heterogeneous: --env {kind.name} has no kinds for members to differ in; leave it out")
    if given and len(given) > federation.size:
        kinds_for = f"{count(len(given), 'kind')} for {count(federation.size, 'member')}"
        raise UsageError(f"--kind: {kinds_for}; with --heterogeneous each member has one, so some would be left out")
    return kinds
