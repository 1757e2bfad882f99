"""The median of each number, or the mean of the two in the middle.

Yin et al., Byzantine-Robust Distributed Learning, ICML 2018, arXiv 1803.01498, definition 1: the trimmed mean of which
nothing else is left.
"""

from __future__ import annotations

from protocol.strategies import trimmed_mean


class Combined(trimmed_mean.Combined):
    """Holds all updates, with equal weight."""

    cut = staticmethod(trimmed_mean.median_cut)
