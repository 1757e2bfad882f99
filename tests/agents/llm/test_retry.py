"""Requests that fail for the moment."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from agents.llm.conversation import Asked, Reply, Request
from agents.llm.model import ProviderAway, ProviderRefused
from agents.llm.retry import LONGEST_WAIT_S, Patience
from env.interrupt import Stopped, stopping_when

from .fakes import Clock, Saying

REQUEST = Request("system", (Asked("hello"),), (), {}, 100)


def away(retry_after_s: float | None = None, *, may_be_paid: bool = False) -> ProviderAway:
    return ProviderAway("429 too many requests", retry_after_s=retry_after_s, may_be_paid=may_be_paid)


def tried(model: Saying, clock: Clock, budget_s: float = 300.0, seed: int = 0) -> list[ProviderAway]:
    failures: list[ProviderAway] = []
    Patience(budget_s, clock, np.random.default_rng(seed)).complete(model, REQUEST, failures.append)
    return failures


def test_waits_as_long_as_the_server_asks(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    with caplog.at_level(logging.WARNING):
        assert len(tried(Saying(away(20.0), away(30.0), "fine"), clock)) == 2
    assert 50 <= clock.now <= 52
    assert caplog.messages == [
        "429 too many requests; trying again in 21 s",
        "429 too many requests; trying again in 31 s",
    ]


def test_waits_exponentially_where_the_server_does_not_say() -> None:
    clock, times = Clock(), []

    class Timed(Saying):
        def complete(self, request: Request) -> Reply:
            times.append(clock.now)
            return super().complete(request)

    tried(Timed(*[away()] * 9, "fine"), clock, budget_s=1_000)
    steps = np.diff(times)
    wanted = np.minimum(LONGEST_WAIT_S, 2.0 ** np.arange(9))
    assert np.all((steps >= wanted / 2 - 1e-6) & (steps <= wanted + 1e-6))


def test_equal_seeds_wait_equally() -> None:
    clocks = [Clock(), Clock(), Clock()]
    for clock, seed in zip(clocks, (1, 1, 2), strict=True):
        tried(Saying(away(), away(), "fine"), clock, seed=seed)
    assert clocks[0].now == clocks[1].now != clocks[2].now


@pytest.mark.parametrize("nonsense", [float("nan"), float("inf"), -5.0])
def test_a_retry_after_that_is_no_time_is_as_none(nonsense: float) -> None:
    clock = Clock()
    tried(Saying(away(nonsense), "fine"), clock)
    assert 0.5 <= clock.now <= 1.0


def test_gives_up_at_once_where_the_server_asks_for_more_than_is_left() -> None:
    clock, model = Clock(), Saying(away(3_600.0, may_be_paid=True))
    with pytest.raises(ProviderAway, match=r"429 too many requests; gave up after 1 request$") as caught:
        tried(model, clock)
    assert (clock.now, len(model.requests)) == (0.0, 1)
    assert (caught.value.retry_after_s, caught.value.may_be_paid) == (3_600.0, True)


def test_gives_up_once_the_budget_is_spent() -> None:
    clock, model = Clock(), Saying(away())
    with pytest.raises(ProviderAway, match="gave up after"):
        tried(model, clock, budget_s=100)
    assert 40 <= clock.now <= 100
    assert 5 <= len(model.requests) <= 12


def test_what_is_refused_is_not_tried_again() -> None:
    model = Saying(ProviderRefused("401 wrong key"))
    with pytest.raises(ProviderRefused):
        tried(model, Clock())
    assert len(model.requests) == 1


def test_a_stop_reaches_into_a_wait() -> None:
    clock, stops = Clock(), []
    clock.on_sleep = lambda: stops.append(clock.now > 5)
    with stopping_when(lambda: bool(stops) and stops[-1]), pytest.raises(Stopped):
        tried(Saying(away(200.0), "fine"), clock)
    assert 5 < clock.now < 6
