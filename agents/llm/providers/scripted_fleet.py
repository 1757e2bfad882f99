"""What scripted models answer on a fleet, read from the prompt's text as any model reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from agents.llm.conversation import Request
from agents.llm.fleet_answer import REPLICAS

_REPLAY = re.compile(r"^Replay (\d+) of \d+;", re.MULTILINE)
_NODE = re.compile(r"^Nodes: each can allocate cpu (\d+)m, memory (\d+)Mi", re.MULTILINE)
_SERVICE = re.compile(
    r'^Deployment "(.+)" in namespace ".+"\nreplicas (\d+); (\d+) to (\d+) are allowed; a pod requests cpu (\d+)m, '
    r"memory (\d+)Mi$",
    re.MULTILINE,
)

NONSENSE = (
    "I would rather have fewer services.",
    '{"replicas": {"service-0": 1000000000000}}',
    '{"replicas": {"service-0": 4.5}}',
    '{"replicas": {"service-0": -3}}',
    '{"replicas": {"service-99": 3}}',
    '{"replicas": {"service-0": 4}} or {"replicas": {"service-0": 5}}',
    '{"replicas": {"service-0": 4, "service-0": 5}}',
    '{"replicas": [4, 4, 4]}',
    '{"action_index": 3}',
)
"""What `nonsense` answers, in turn."""


def is_asked(request: Request) -> bool:
    """Whether a request is about a fleet."""
    return REPLICAS in request.answer_schema.get("properties", {})


def as_answer(replicas: Mapping[str, int]) -> str:
    """The text of a readable answer."""
    return json.dumps({"reasoning": "by a script", REPLICAS: dict(replicas)})


def half_nodes(prompt: str) -> str:
    """As many replicas as make pods of about half a node, if all that a pod requests were of its load."""
    node = _NODE.search(prompt)
    room_cpu, room_memory = map(int, node.groups()) if node else (1, 1)
    wanted = {}
    for name, *numbers in _SERVICE.findall(prompt):
        replicas, least, largest, cpu, memory = map(int, numbers)
        halves = 2 * max(cpu / room_cpu, memory / room_memory)
        wanted[name] = min(max(round(replicas * halves), least), largest)
    return as_answer(wanted)


def nonsense(prompt: str) -> str:
    """What cannot be done, another thing before each replay."""
    found = _REPLAY.search(prompt)
    return NONSENSE[int(found[1]) % len(NONSENSE) if found else 0]
