"""One attempt of a language model at a fleet: replay, tell what was measured, ask for replicas, and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.llm.fleet_answer import FleetAnswer, fleet_schema, read_fleet_answer
from agents.llm.fleet_prompt import FLEET_PROMPT_HASH, FLEET_SYSTEM, Replayed, fleet_prompt, service_names
from agents.llm.model import ContextExceeded, Model, ProviderAway
from agents.llm.retry import Patience, SystemClock
from agents.llm.settings import LLMSettings
from agents.llm.talk import Talk, unread
from agents.settings import parse_settings
from env.fleet.search import search
from env.fleet.variants import MOST_REPLICAS, MOST_SERVICES
from env.interrupt import stop_if_asked, stopping_when
from runner.benchmark.attempt import Contestant, Rules, error_text, model_facts
from runner.benchmark.fleet.rows import FleetRow, FleetStep
from runner.benchmark.fleet.scenarios import FleetScenario
from runner.benchmark.fleet.shown import shown_on, tools_on
from runner.benchmark.metered import MeteredModel
from runner.benchmark.rows import Outcome, Totals
from runner.benchmark.transcript import Transcript


def play_fleet_model(
    contestant: Contestant, scenario: FleetScenario, attempt: int, rules: Rules, path: Path
) -> FleetRow:
    """The row of an attempt of the model. The first replay is of the replicas of the start. The attempt ends after
    `rules.max_steps` replays, or on as few nodes as the bound.

    Args:
        path: The attempt's transcript. If there is one already, its replies are used as far as they go.

    Raises:
        ProviderRefused, BudgetSpent, Stopped: As `runner.benchmark.attempt.play_model`.
    """
    transcript, error = Transcript(path), None
    episode = _Episode(scenario, rules.max_steps)
    with closing(contestant.open(scenario)) as inner, stopping_when(rules.should_stop):
        model = MeteredModel(inner, transcript, contestant.budget, contestant.price)
        settings = parse_settings(LLMSettings, contestant.settings)
        patience = Patience(
            settings.retry_budget_s, SystemClock(), np.random.default_rng(rules.seed_sequence(scenario, attempt))
        )
        try:
            while not episode.has_ended:
                stop_if_asked()
                episode.ask(model, settings, patience)
        except (ProviderAway, ContextExceeded) as ended_by:
            error = ended_by
    if isinstance(error, ContextExceeded) and not transcript.models:  # not even the first request fits
        raise error
    facts = model_facts(contestant, transcript, FLEET_PROMPT_HASH)
    return fleet_row(scenario, attempt, rules, episode.steps, facts, error)


def fleet_row(
    scenario: FleetScenario,
    attempt: int,
    rules: Rules,
    steps: Sequence[FleetStep],
    facts: Mapping[str, Any],
    error: Exception | None = None,
) -> FleetRow:
    """The row of replays; solved is to need no more nodes than the best known.

    Args:
        facts: Who played.
        error: What ended it early.
    """
    solved = min(step.nodes for step in steps) <= scenario.best_known
    ended = Outcome.SOLVED if solved else Outcome.FAILED
    return FleetRow(
        scenario=scenario.name,
        scenario_sha256=scenario.sha256,
        problem_type=scenario.problem_type,
        services=scenario.services,
        best_known=scenario.best_known,
        bound=scenario.bound,
        attempt=attempt,
        attempts=rules.attempts,
        seed=rules.seed,
        max_steps=rules.max_steps,
        outcome=Outcome.INFRASTRUCTURE_ERROR if isinstance(error, ProviderAway) else ended,
        error="" if error is None else error_text(error),
        steps=list(steps),
        totals=Totals.of(steps),
        **facts,
    )


def nodes_with(problems: NDArray[Any], replicas: Sequence[int]) -> int:
    """The fewest nodes on which all is Ready with these replicas of the services of the only problem."""
    given = np.zeros((1, MOST_SERVICES), np.int64)
    given[0, : len(replicas)] = replicas
    return int(search(problems, given).nodes[0])


class _Episode:
    """The replays so far.

    Args:
        scenario: What is played.
        most: Replays at most.

    Attributes:
        steps: The replays as a row has them.
    """

    def __init__(self, scenario: FleetScenario, most: int) -> None:
        self._problems, self._problem = scenario.problems, scenario.problem
        self._names = service_names(self._problem)
        self._most, self._bound = most, scenario.bound
        start = tuple(self._problem.start[: scenario.services].tolist())
        self._past = [Replayed(start, nodes_with(self._problems, start))]
        self.steps = [FleetStep(replicas=list(start), nodes=self._past[0].nodes)]

    @property
    def has_ended(self) -> bool:
        """Whether there is no replay left, or nothing left to be found."""
        return len(self._past) >= self._most or self._fewest <= self._bound

    @property
    def _fewest(self) -> int:
        return min(each.nodes for each in self._past)

    def ask(self, model: Model, settings: LLMSettings, patience: Patience) -> None:
        """Ask the model for replicas, and replay them; the last ones again where its answer is none."""
        now, nodes = self._past[-1].replicas, max(1, self._fewest - 1)
        tools = tools_on(self._problem, now, nodes)
        talk = Talk(model, tools, settings, patience, system=FLEET_SYSTEM, schema=fleet_schema(self._names))
        reply = talk.answer(fleet_prompt(self._problem, self._past, self._most, shown_on(self._problem, now, nodes)))
        why = unread(reply)
        answer = FleetAnswer(None, error=why) if why else read_fleet_answer(reply.text, self._names)
        blocked = self._refused(answer)
        if answer.replicas is not None and not blocked:
            now = tuple(answer.replicas.get(name, had) for name, had in zip(self._names, now, strict=True))
        self._past.append(Replayed(now, nodes_with(self._problems, now), answer.error, blocked))
        self.steps.append(
            FleetStep(
                replicas=list(now),
                nodes=self._past[-1].nodes,
                invalid=answer.replicas is None,
                blocked=bool(blocked),
                tool_rounds=talk.rounds,
                tool_calls=len(talk.calls),
                tool_errors=sum(call.is_error for call in talk.calls),
            )
        )

    def _refused(self, answer: FleetAnswer) -> str:
        """Why what was answered is not allowed; "" where it is."""
        for name, least in zip(self._names, self._problem.fewest.tolist(), strict=False):
            if not least <= (answer.replicas or {}).get(name, least) <= MOST_REPLICAS:
                return f"{name} may have {least} to {MOST_REPLICAS} replicas"
        return ""
