"""What a language model decided in an episode, as commands show it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from env.words import count

if TYPE_CHECKING:
    from agents.agent import Agent
    from agents.llm.decision import Decision


def decisions_of(agent: Agent) -> list[Decision]:
    """Those of its last episode; none of an agent that is no language model."""
    from agents.llm.agent import LLMAgent

    return agent.decisions if isinstance(agent, LLMAgent) else []


def document(agent: Agent) -> dict[str, Any]:
    """The entry `decisions` of a JSON document; nothing for other agents."""
    decisions = decisions_of(agent)
    return {"decisions": [asdict(each) for each in decisions]} if decisions else {}


def facts(agent: Agent) -> dict[str, str]:
    """Which model it was, what of its answers could be used, and what they took; nothing for other agents."""
    decisions = decisions_of(agent)
    if not decisions:
        return {}
    invalid = [each for each in decisions if each.invalid]
    calls = [call for each in decisions for call in each.calls]
    usage = sum((each.usage for each in decisions[1:]), decisions[0].usage)
    retries = sum(each.retries for each in decisions)
    said = {
        "model": decisions[-1].model,
        "answers": f"{len(decisions)}, {len(invalid)} invalid" + (f": {invalid[-1].error}" if invalid else ""),
        "looked": f"{count(len(calls), 'tool call')}, {count(sum(call.is_error for call in calls), 'error')}",
        "tokens": f"{usage.input_tokens:,} in, {usage.cached_tokens:,} of them cached; {usage.output_tokens:,} out",
        "retries": str(retries) if retries else "",
        "reason": decisions[-1].reasoning,
    }
    return {name: value for name, value in said.items() if value}
