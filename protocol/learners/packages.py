"""What a job needs of installed packages: a worker that lacks one leaves the job to others."""

from __future__ import annotations

from collections.abc import Mapping

from env.errors import ConfigError
from env.gym.checks import packages_of
from env.gym.reward import REWARDS
from env.problems.rooms.kinds import NAMES
from protocol.wire.errors import NotInstalled
from protocol.wire.job_documents import Manifest


def require_packages(manifest: Manifest) -> None:
    """Accept a job whose reward and problems are ours, or of packages that are installed here in the same versions.

    A name that is neither ours nor said to be a package's is wrong everywhere, and refused where the job is begun.

    Raises:
        NotInstalled: Another worker may have what is needed.
    """
    wanted = manifest.training
    if wanted.learner is not None:
        return  # `catalogue.require_learner` looks at its package
    is_ours = wanted.reward in REWARDS and (wanted.problem is None or wanted.problem in NAMES)
    if not is_ours and not wanted.packages:
        return
    try:
        here = packages_of(wanted.reward, wanted.problem)
    except ConfigError as error:
        needs = f"needs {_in_words(wanted.packages)}: " if wanted.packages else ""
        raise NotInstalled(f"{manifest.job_id}: {needs}{error}") from error
    if here != wanted.packages:
        raise NotInstalled(f"{manifest.job_id}: needs {_in_words(wanted.packages)}; installed here: {_in_words(here)}")


def _in_words(packages: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(packages.items())) or "none"
