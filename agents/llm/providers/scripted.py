"""Models without a network or a key: for tests, and to try everything around a model for free.

Each is a function of the request alone, so a run that is resumed goes on as if it had not stopped. `SCRIPTS` names
those that anyone can ask for. `Scripted.of_actions` plays a given solution.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from agents.llm.conversation import Answered, Asked, Reply, Request, Said, Stop, ToolCall, Usage
from agents.llm.model import ProviderAway
from agents.llm.providers import scripted_fleet
from env.actions import Action
from env.errors import AgentError, nearest
from env.workload import KINDS

PROVIDER = "scripted"
OPTIMUM = "optimum"
Script = Callable[[Request], Reply]
_CHARACTERS_A_TOKEN = 4

NONSENSE = (
    "I am afraid I cannot decide between scaling up and going home.",
    '{"action_index": 17, "reasoning": "more is more"}',
    '{"action_index": "three"}',
    '{"action_index": true}',
    '{"action_index": 1, "action_index": 2}',
    '{"action_index": 2.5',
    "[" * 5_000,
    "9",
)
"""What `nonsense` answers, in turn."""


class Scripted:
    """A model that answers by a script.

    Args:
        name: Its id.
        script: Makes each reply.
        fails_after: Requests that are answered before all others fail for the moment; None: none fails.
    """

    provider = PROVIDER

    def __init__(self, name: str, script: Script, fails_after: int | None = None) -> None:
        self.name = name
        self._script = script
        self._left = fails_after

    @classmethod
    def of_actions(cls, actions: Sequence[int], name: str = OPTIMUM) -> Scripted:
        """Action number i in step i + 1, and noop after the last."""

        def follow(request: Request) -> Reply:
            done = read_prompt(request).step - 1
            return answer(request, actions[done] if done < len(actions) else Action.NOOP, "as given")

        return cls(name, follow)

    @classmethod
    def of_replicas(cls, replicas: Mapping[str, int], name: str = OPTIMUM) -> Scripted:
        """These replicas of the services of a fleet, in every replay."""
        return cls(name, lambda request: _said(request, scripted_fleet.as_answer(replicas)))

    def complete(self, request: Request) -> Reply:
        """The script's reply; ProviderAway once it is to fail."""
        if self._left is not None:
            if self._left == 0:
                raise ProviderAway(f"scripted model {self.name!r} fails on purpose", may_be_paid=True)
            self._left -= 1
        reply = self._script(request)
        return Reply(reply.text, reply.calls, reply.usage, self.name, reply.stop)

    def close(self) -> None:
        """Nothing is open."""


def of_name(name: str, timeout_s: float = 0.0) -> Scripted:
    """One of `SCRIPTS`, or `fails-after-N`, which answers N requests as `heuristic` does; it has no use for a timeout.

    Raises:
        AgentError: There is none of that name.
    """
    fails = re.fullmatch(r"fails-after-([0-9]{1,6})", name)
    if fails:
        return Scripted(name, heuristic, int(fails[1]))
    if name == OPTIMUM:
        raise AgentError(f"scripted model {name!r}: plays a known solution, which only `sim-arena benchmark` has")
    if name not in SCRIPTS:
        raise AgentError(f"scripted model {name!r:.80} is unknown; {nearest(name, SCRIPTS)}")
    return Scripted(name, SCRIPTS[name])


class Prompt(NamedTuple):
    """What the scripts read of a prompt."""

    step: int
    target: int
    replicas: int
    oom_killed: int
    cpu_starved: int
    insufficient_cpu: int
    insufficient_memory: int


def _prompt(request: Request) -> str:
    asked = request.turns[0]
    return asked.text if isinstance(asked, Asked) else ""


_STEP = re.compile(r"^Step (\d+) of \d+;", re.MULTILINE)
_TARGET = re.compile(r"^Target: (\d+)$", re.MULTILINE)
_REPLICAS = re.compile(r"^replicas (\d+); each pod", re.MULTILINE)
_PODS = re.compile(r"^pods: .* (\d+) OOM-killed, (\d+) CPU-starved", re.MULTILINE)
_REFUSALS = re.compile(r"^of \d+ nodes, .* (\d+) Insufficient cpu, (\d+) Insufficient memory", re.MULTILINE)


def read_prompt(request: Request) -> Prompt:
    """What is in the step's prompt: the text that any model reads, no other channel."""
    text = _prompt(request)
    parts = [pattern.search(text) for pattern in (_STEP, _TARGET, _REPLICAS, _PODS)]
    numbers = [int(number) for part in parts if part for number in part.groups()]
    refusals = _REFUSALS.search(text)
    return Prompt(*numbers, *(map(int, refusals.groups()) if refusals else (0, 0)))


def heuristic(request: Request) -> Reply:
    """The rules of `agents.policies.reactive`, from the text; on a fleet, pods of about half a node."""
    if scripted_fleet.is_asked(request):
        return _said(request, scripted_fleet.half_nodes(_prompt(request)))
    seen = read_prompt(request)
    rules = (
        (seen.replicas > seen.target, Action.SCALE_DOWN_REPLICAS),
        (seen.oom_killed > 0, Action.BUMP_MEM_SMALL),
        (seen.cpu_starved > 0, Action.BUMP_CPU_SMALL),
        (seen.insufficient_cpu > 0 and seen.insufficient_cpu >= seen.insufficient_memory, Action.REDUCE_CPU_SMALL),
        (seen.insufficient_memory > 0, Action.REDUCE_MEM_SMALL),
        (seen.replicas < seen.target, Action.SCALE_UP_REPLICAS),
    )
    action = next((action for applies, action in rules if applies), Action.NOOP)
    return answer(request, action, "by the rules of the agent reactive")


def looks(request: Request) -> Reply:
    """Calls each tool once, in one reply each, with the arguments that it has read of; then as `heuristic`."""
    called = {call.name for turn in request.turns if isinstance(turn, Said) for call in turn.reply.calls}
    tool = next((tool for tool in request.tools if tool.name not in called), None)
    if tool is None or request.must_answer:
        return heuristic(request)
    known = {name: value for name, pattern in _ARGUMENTS.items() if (value := _first(pattern, request)) is not None}
    arguments = {name: known[name] for name in tool.parameters.get("required", ()) if name in known}
    call = ToolCall(f"call-{len(called) + 1}", tool.name, arguments)
    return Reply("", (call,), usage_of(request, "call"), "", Stop.TOOLS)


_ARGUMENTS = {
    "namespace": re.compile(rf'^(?:{"|".join(KINDS)}) ".*" in namespace "(.+)"$', re.MULTILINE),
    "deploy": re.compile(rf'^(?:{"|".join(KINDS)}) "(.+)" in namespace', re.MULTILINE),
    "pod_name": re.compile(r"^\| (\S+) +\d+/\d+ ", re.MULTILINE),  # the first pod of a list
}


def _first(pattern: re.Pattern[str], request: Request) -> str | None:
    """What a pattern finds first in all that the agent said."""
    texts = [turn.text for turn in request.turns if isinstance(turn, Asked)]
    texts += [each.text for turn in request.turns if isinstance(turn, Answered) for each in turn.outcomes]
    return next((found[1] for text in texts if (found := pattern.search(text))), None)


def nonsense(request: Request) -> Reply:
    """What cannot be read, another thing in each step."""
    if scripted_fleet.is_asked(request):
        return _said(request, scripted_fleet.nonsense(_prompt(request)))
    return _said(request, NONSENSE[(read_prompt(request).step - 1) % len(NONSENSE)])


def silent(request: Request) -> Reply:
    """Nothing."""
    return _said(request, "")


SCRIPTS: Mapping[str, Script] = {"heuristic": heuristic, "looks": looks, "nonsense": nonsense, "silent": silent}
"""Models that can be asked for by name."""


def answer(request: Request, action: int, why: str) -> Reply:
    """A readable answer to a request."""
    return _said(request, json.dumps({"reasoning": why, "action_index": int(action)}))


def _said(request: Request, text: str) -> Reply:
    return Reply(text, (), usage_of(request, text), "", Stop.END)


def usage_of(request: Request, text: str) -> Usage:
    """Tokens as if four characters were one, so that budgets have something to count."""
    read = len(request.system) + sum(_characters(turn) for turn in request.turns)
    return Usage(input_tokens=-(-read // _CHARACTERS_A_TOKEN), output_tokens=-(-len(text) // _CHARACTERS_A_TOKEN))


def _characters(turn: object) -> int:
    if isinstance(turn, Asked):
        return len(turn.text)
    if isinstance(turn, Answered):
        return sum(len(outcome.text) for outcome in turn.outcomes)
    return len(turn.reply.text) if isinstance(turn, Said) else 0
