"""What the simulation sees of an attempt that takes other steps than `next_step` says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from mutants import as_drawn, caught, violated

from infra.proof.simulation.invariants import Invariant
from infra.proof.simulation.scenario import Fault, SimulationScenario, Target
from infra.proof.standin import federation
from protocol.rounds.participation import Participation
from protocol.wire.choices import Closers
from protocol.wire.job_documents import ResultStatus
from protocol.worker.next_step import (
    Finish,
    Load,
    Look,
    Publish,
    Save,
    Step,
    Train,
    View,
    Wait,
    next_step,
)

Mutant = Callable[[View], Step]


def update_before_state(view: View) -> Step:
    step = next_step(view)
    early = isinstance(step, Save) and view.closers is not None and view.delivered < view.trained
    return Publish(view.trained) if early else step


def trains_without_the_weights(view: View) -> Step:
    step = next_step(view)
    skips = isinstance(step, Wait | Look | Load) and view.trained < view.schedule.rounds
    return Train(view.trained + 1) if skips else step


def goes_on_from_its_own_weights(view: View) -> Step:
    step = next_step(view)
    return Train(step.round + 1) if isinstance(step, Load) and step.round < view.schedule.rounds else step


def finishes_before_its_last_update(view: View) -> Step:
    step = next_step(view)
    last = isinstance(step, Publish) and step.round == view.schedule.rounds
    return Finish(ResultStatus.SUCCESS) if last else step


def never_saves(view: View) -> Step:
    return next_step(replace(view, saved=view.trained))


def never_resumes(view: View) -> Step:
    return next_step(replace(view, resumed_at=view.schedule.rounds))


def saves_half_a_round(view: View) -> Step:
    return Save(view.trained + 1) if view.interrupted and view.trained < view.schedule.rounds else next_step(view)


def never_switches(view: View) -> Step:
    return next_step(replace(view, sibling=False, look_due=False))


def never_closes(view: View) -> Step:
    return next_step(replace(view, close_due=False))


def always_ends_well(view: View) -> Step:
    step = next_step(view)
    return Finish(ResultStatus.SUCCESS) if isinstance(step, Finish) else step


def succeeds_without_a_round(view: View) -> Step:
    step = next_step(view)
    late = isinstance(step, Finish) and (step.error or "").startswith("left out of every round")
    return Finish(ResultStatus.SUCCESS) if late else step


def never_asks_whether_it_took_part(view: View) -> Step:
    return next_step(replace(view, part=Participation()))


def fewer_workers(scenario: SimulationScenario) -> SimulationScenario:
    return replace(
        scenario,
        wanted=federation(4, 4),
        workers=(0.0,),
        stays=0,
        twins=0,
        defects={},
        purge=False,
        cancel=None,
        faults={},
    )


def members_close(scenario: SimulationScenario) -> SimulationScenario:
    wanted = federation(2, 4, barrier=Closers.WORKERS)
    return replace(scenario, wanted=wanted, syncs=0, defects={}, purge=False, cancel=None)


def one_comes_late(scenario: SimulationScenario) -> SimulationScenario:
    wanted = federation(2, 2, round_timeout_s=1.5)
    return replace(
        scenario, wanted=wanted, workers=(0.0, 60.0), stays=2, twins=0, defects={}, purge=False, cancel=None, faults={}
    )


def one_is_always_late(scenario: SimulationScenario) -> SimulationScenario:
    """Its episodes take twenty times as long as the deadline is away."""
    wanted = federation(2, 2, round_timeout_s=1.5, min_participants=1)
    alone = replace(scenario, wanted=wanted, twins=0, defects={}, purge=False, cancel=None, faults={}, attacked=None)
    return replace(alone, workers=(0.0, 0.0), stays=0, syncs=1, cut=None, works_s=1.0, slow_member=1)


def stops(scenario: SimulationScenario) -> SimulationScenario:
    wanted = federation(2, 8, episodes_per_round=4)
    return replace(
        scenario, wanted=wanted, works_s=10.0, defects={}, purge=False, cancel=None, faults={Fault.STOP: 0.05}
    )


def one_member_is_cancelled(scenario: SimulationScenario) -> SimulationScenario:
    return replace(scenario, cancel=Target.MEMBER, cancel_s=3.0, works_s=3.0)


@pytest.mark.parametrize(
    ("mutant", "focus", "sign"),
    [
        (update_before_state, as_drawn, Invariant.UPDATE),
        (trains_without_the_weights, as_drawn, None),
        (goes_on_from_its_own_weights, as_drawn, None),
        (finishes_before_its_last_update, as_drawn, Invariant.RESULT),
        (never_saves, as_drawn, None),
        (never_resumes, as_drawn, None),
        (saves_half_a_round, stops, None),
        (never_switches, fewer_workers, None),
        (never_closes, members_close, None),
        (always_ends_well, one_member_is_cancelled, None),
        (succeeds_without_a_round, one_comes_late, Invariant.RESULT),
        (never_asks_whether_it_took_part, one_is_always_late, Invariant.RESULT),
    ],
)
def test_other_steps_are_caught(
    mutant: Mutant,
    focus: Callable[[SimulationScenario], SimulationScenario],
    sign: Invariant | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("protocol.worker.attempt.next_step", mutant)
    signs = violated(caught(focus=focus))
    assert sign is None or sign in signs
