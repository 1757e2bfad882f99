"""The list of providers, and the models without a key."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from agents.llm.answer import read_answer
from agents.llm.conversation import Asked, Request
from agents.llm.model import ProviderAway
from agents.llm.prompt import SYSTEM, step_prompt
from agents.llm.providers.scripted import NONSENSE, SCRIPTS, Scripted, nonsense
from agents.llm.providers.table import PROVIDERS, open_model
from agents.llm.settings import LLMSettings
from env.errors import AgentError

from .fakes import situation


def request(step: int = 1) -> Request:
    return Request(SYSTEM, (Asked(step_prompt(situation(step))),), (), {}, 100)


@pytest.mark.parametrize("name", [name for name, provider in PROVIDERS.items() if provider.key_variables])
def test_without_a_key_one_line_names_the_variables(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (*PROVIDERS[name].key_variables, "OPENAI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(AgentError) as caught:
        open_model(name)
    assert "\n" not in str(caught.value)
    assert all(variable in str(caught.value) for variable in PROVIDERS[name].key_variables)
    assert "scripted" in str(caught.value)


def test_an_unknown_provider_or_scripted_model_is_refused_with_the_nearest() -> None:
    with pytest.raises(AgentError, match="did you mean 'gemini'"):
        LLMSettings(provider="gemin")
    with pytest.raises(AgentError, match="did you mean 'nonsense'"):
        open_model("scripted", "nonsens")
    with pytest.raises(AgentError, match="only `sim-arena benchmark` has"):
        open_model("scripted", "optimum")


def test_the_default_is_a_provider_and_all_have_a_default_model() -> None:
    assert LLMSettings().provider in PROVIDERS
    assert all(provider.default_model for provider in PROVIDERS.values())
    assert open_model("scripted").name == "heuristic"


def test_no_provider_is_imported_before_a_model_is_opened() -> None:
    program = (
        "import sys, agents.llm.agent, agents.llm.providers.table; "
        "sys.exit(bool({'anthropic', 'openai', 'google.genai', 'mcp', 'pydantic'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_given_actions_are_played_by_the_step_and_then_nothing() -> None:
    model = Scripted.of_actions([4, 4, 3])
    assert [read_answer(model.complete(request(step)).text).action for step in (3, 1, 2, 4)] == [3, 4, 4, 0]


def test_nonsense_is_never_readable() -> None:
    for step in range(1, len(NONSENSE) + 1):
        assert read_answer(nonsense(request(step)).text).action is None


def test_a_model_fails_on_purpose_after_so_many_requests() -> None:
    model = open_model("scripted", "fails-after-2")
    model.complete(request())
    model.complete(request())
    with pytest.raises(ProviderAway, match="on purpose") as caught:
        model.complete(request())
    assert caught.value.may_be_paid


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripted_models_are_functions_of_the_request(name: str) -> None:
    first, again = (open_model("scripted", name).complete(request(2)) for _ in range(2))
    assert first == again
    assert first.model == name
    assert first.usage.input_tokens > 0


def test_the_heuristic_reads_the_text_alone() -> None:
    answer = json.loads(open_model("scripted").complete(request()).text)
    assert answer == {"reasoning": "by the rules of the agent reactive", "action_index": 4}
