"""docs/mcp.md shows what the tools say, and names all of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from agents.llm.conversation import ToolCall
from env.embedded.cluster import EmbeddedCluster
from env.problems.generate import generate_scenario
from runner.mcp.play import Game
from runner.mcp.toolbox import open_toolbox

PAGE = (Path(__file__).parents[3] / "docs" / "mcp.md").read_text()
CALL = re.compile(r"^(\w+) (\{.*\})\n\n", re.MULTILINE)


def test_the_tools_say_what_is_shown() -> None:
    scenario, cluster = generate_scenario("memory", 23), EmbeddedCluster()
    toolbox = open_toolbox(lambda: cluster.objects(scenario, None), scenario.workload)
    block = next(text for text in re.findall(r"^```\w*\n(.*?)^```$", PAGE, re.M | re.S) if CALL.match(text))
    parts = CALL.split(block)[1:]
    shown = list(zip(parts[::3], parts[1::3], parts[2::3], strict=True))
    assert len(shown) == 6
    for name, arguments, text in shown:
        outcome = toolbox.call(ToolCall("1", name, json.loads(arguments)))
        assert outcome.text.rstrip() == text.rstrip(), name


def test_every_tool_has_a_row_with_its_arguments() -> None:
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line[:1] == "|"]
    rows = {cells[0]: set(re.findall(r"`(\w+)`", cells[1])) for cells in table}
    for tool in Game(lambda seed: generate_scenario(None, seed), EmbeddedCluster()).tools():
        assert rows[f"`{tool.name}`"] == set(tool.arguments.model_fields), tool.name


def test_what_is_to_paste_can_be_read() -> None:
    entry = json.loads(re.search(r"^```json\n(.*?)^```", PAGE, re.M | re.S)[1])  # type: ignore[index]
    assert entry["mcpServers"]["sim-arena"]["args"] == ["mcp"]
    role = yaml.safe_load(re.search(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)[1])  # type: ignore[index]
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list"}
