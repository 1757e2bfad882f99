"""The agent `llm`: a language model that looks at the cluster with tools and answers with one action.

Each step starts from a fresh context: the instructions, where the episode stands, and the agent's own actions with what
they led to. Of the conversation of earlier steps nothing is kept, for three reasons. A request stays as small in step
100 as in step 1, where conversations with their tool outcomes would outgrow any context. What was read of the cluster
is of an older state. And text in it that tries to instruct the model, or that it repeated in its reasoning, ends with
the step in which it was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from agents.agent import State, Transition
from agents.llm.answer import Answer, read_answer
from agents.llm.conversation import Reply
from agents.llm.decision import Decision, Spent
from agents.llm.model import Model
from agents.llm.prompt import PROMPT_HASH, Past, step_prompt
from agents.llm.providers.table import open_model
from agents.llm.retry import Clock, Patience, SystemClock
from agents.llm.settings import LLMSettings
from agents.llm.situation import Situation
from agents.llm.talk import Talk, unread
from agents.saved.fields import check_equal, mapping
from agents.saved.files import read_json, write_json
from agents.settings import as_mapping, parse_settings
from env.actions import Action
from env.errors import AgentError


class LLMAgent:
    """The agent. It reads a `Situation` before each action and learns nothing.

    Args:
        settings: Those of `LLMSettings`.
        model: Who answers; None: the model that the settings name.
        clock: For latencies and waits.

    Attributes:
        decisions: All since `seed`, which is called at the start of an episode.
        spent: What they cost, with that of a step that `ProviderAway` ended.

    Raises:
        AgentError: No such provider or model, no key, a setting that does not fit.
    """

    name = "llm"
    learns = False

    def __init__(
        self, settings: Mapping[str, Any] | None = None, model: Model | None = None, clock: Clock | None = None
    ) -> None:
        given = parse_settings(LLMSettings, settings)
        self._model = open_model(given.provider, given.model, given.timeout_s) if model is None else model
        self.settings = replace(given, provider=self._model.provider, model=self._model.name)
        self._clock = SystemClock() if clock is None else clock
        self.seed(np.random.default_rng(0))

    def seed(self, rng: np.random.Generator) -> None:
        """Start an episode; waits between tries take their jitter from `rng`."""
        self._rng = rng
        self.decisions: list[Decision] = []
        self.spent = Spent()
        self._past: list[Past] = []
        self._situation: Situation | None = None

    def read(self, situation: Situation) -> None:
        """Take in where the episode stands; called before each `act`."""
        if situation.last is None:
            self._past = []
        elif self.decisions and len(self._past) < situation.step - 1:
            error = self.decisions[-1].error
            self._past.append(Past(situation.step - 1, situation.last, situation.observation, error))
        self._situation = situation

    def act(self, state: State, *, explore: bool) -> int:
        """The model's action for the situation read last; noop where its answer cannot be read.

        Raises:
            ProviderAway: The model does not answer, and the budget of retries is spent.
            ProviderRefused: It never will.
            AgentError: No situation was read.
            Stopped: A stop was asked for.
        """
        if self._situation is None:
            raise AgentError("agent 'llm': must read the situation before each action; play it in an episode")
        started = self._clock.monotonic()
        talk = Talk(self._model, self._situation.tools, self.settings, self._patience())
        try:
            reply = talk.answer(step_prompt(self._situation, self._past))
        finally:
            self.spent += talk.spent
        answer = _answer(reply)
        self.decisions.append(
            Decision(
                action=int(Action.NOOP if answer.action is None else answer.action),
                invalid=answer.action is None,
                error=answer.error,
                reasoning=answer.reasoning,
                tool_rounds=talk.rounds,
                calls=tuple(talk.calls),
                **vars(talk.spent),
                model=reply.model,
                latency_s=self._clock.monotonic() - started,
                prompt_hash=PROMPT_HASH,
            )
        )
        return self.decisions[-1].action

    def learn(self, transition: Transition) -> dict[str, float]:
        """Nothing."""
        return {}

    def close(self) -> None:
        """Close the model's connections."""
        self._model.close()

    def state_dict(self) -> dict[str, Any]:
        """The name and the settings; there is nothing else, and no key."""
        return {"agent": self.name, "settings": as_mapping(self.settings)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Check that it is of the same settings; AgentError otherwise."""
        check_equal(state, {"agent": self.name}, "checkpoint")
        check_equal(mapping(state, "settings", "checkpoint"), as_mapping(self.settings), "checkpoint")

    def save(self, path: Path) -> None:
        """Write a .json file, atomically."""
        write_json(path, self.state_dict())

    def load(self, path: Path) -> None:
        """Read a .json file; AgentError if it does not fit."""
        self.load_state_dict(read_json(path))

    def _patience(self) -> Patience:
        return Patience(self.settings.retry_budget_s, self._clock, self._rng)


def _answer(reply: Reply) -> Answer:
    why = unread(reply)
    return Answer(None, error=why) if why else read_answer(reply.text)
