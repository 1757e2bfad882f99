"""Windows of a season on SimKube: real pods are OOM-killed in those in which the season says so."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from env.season.policy import play
from env.season.replay import exceeded_on, window_scenario
from env.season.series import generated
from env.season.variants import JUMPS, VARIANTS
from env.simkube.cluster import SimKubeCluster

MEMORY = VARIANTS["memory"]


@pytest.mark.parametrize("exceeded", [False, True], ids=["that fits", "with an OOM"])
def test_a_window_ends_on_a_real_control_plane_as_in_the_season(
    cluster: Callable[..., SimKubeCluster], exceeded: bool
) -> None:
    series, _ = generated(MEMORY, range(20), "bursty")
    played = play(lambda states: np.full(len(states), JUMPS.index(0)), series, MEMORY)
    apart = np.where(played.exceeded == exceeded, np.abs(played.peaks - played.requests), np.inf)
    lane, window = np.unravel_index(apart.argmin(), apart.shape)  # where the peak was nearest to the request
    request, peak = int(played.requests[lane, window]), float(played.peaks[lane, window])
    assert exceeded_on(cluster(speed=20, settle_s=5), window_scenario(MEMORY, request, peak, int(window))) == exceeded
