"""Windows of a season on a cluster: what it says of the pods is what the season says of the window."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from env.embedded.cluster import EmbeddedCluster
from env.errors import ClusterError
from env.problems.nodes import equal_nodes
from env.problems.scenario import Scenario, scenario_from_trace
from env.quantity import GIB
from env.season.laws import GRAIN
from env.season.replay import exceeded_on, window_scenario
from env.season.variants import JUMPS, VARIANTS, Variant
from env.season.window import play_window

KEEP = JUMPS.index(0)
CLUSTER = EmbeddedCluster()


def says(variant: Variant, request: int, peak: float) -> bool:
    return exceeded_on(CLUSTER, window_scenario(variant, request, peak))


@settings(max_examples=25, deadline=None)
@given(st.data(), st.sampled_from([*VARIANTS.values()]))
def test_a_cluster_says_of_a_window_what_the_season_does(data: st.DataObject, variant: Variant) -> None:
    request = data.draw(st.integers(1, variant.largest))
    near = st.integers(max(GRAIN, (request - 1) * GRAIN), (request + 1) * GRAIN)
    peak = min(data.draw(st.one_of(near, st.integers(GRAIN, 64 * GRAIN))) / GRAIN, variant.most_peak)
    window = play_window(request, 0, KEEP, peak, 0.0, False, variant.kills, variant.largest)
    assert says(variant, request, peak) == window.exceeded


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_a_peak_of_exactly_the_request_fits_and_one_grain_more_does_not(variant: Variant) -> None:
    for request in (1, 7, variant.largest):
        assert not says(variant, request, float(request))
        assert says(variant, request, request + 1 / GRAIN)


def test_pods_that_no_node_takes_are_no_word_on_their_use() -> None:
    fits = window_scenario(VARIANTS["memory"], 40, 20.0, 7)
    nodes = equal_nodes(1, 1000, GIB)
    crowded: Scenario = scenario_from_trace(fits.trace, name=fits.name, nodes=nodes)
    with pytest.raises(ClusterError, match="season-memory-7: of 1 pods 0 are Ready and 0 short"):
        exceeded_on(CLUSTER, crowded)
