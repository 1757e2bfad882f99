"""docs/ec2.md says what is so: its commands exist, its documents are valid, its figures add up."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import boto3
import pytest
import typer.main
from botocore.validate import ParamValidator

from infra.ec2.commands import main
from infra.ec2.launch.offers import DEFAULT_TYPES
from infra.ec2.launch.prices import (
    GP3_USD_PER_GB_MONTH,
    IPV4_USD_PER_HOUR,
    TABLE_DATE,
    TABLE_REGION,
    extras_usd_per_hour,
    tabled,
)
from infra.ec2.watch.states import InstanceState
from protocol.commands.worker import app as worker
from runner.commands.program import load

COMMANDS: dict[str, Any] = {name: load(main.COMMANDS, name) for name in main.COMMANDS}
TEXT = (Path(__file__).parents[3] / "docs" / "ec2.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


def commands() -> list[list[str]]:
    """Every `ec2-workers …` of the text, in words."""
    in_blocks = [line for block in blocks("") for line in block.splitlines() if re.match(r"(\$ )?ec2-workers ", line)]
    inline = re.findall(r"`(ec2-workers [^`]+)`", TEXT)
    return [shlex.split(line.removeprefix("$ "), comments=True) for line in in_blocks + inline]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_of_the_runbook_exists_with_its_options(words: list[str]) -> None:
    assert words[1] in COMMANDS
    for word in words[2:]:
        assert not word.startswith("--") or word in options(COMMANDS[words[1]])


def test_every_option_that_the_runbook_names_is_one_of_a_command() -> None:
    of_ours = set().union(*map(options, COMMANDS.values())) | options(typer.main.get_command(worker))
    of_others = {"--barrier", "--federation-size", "--service-code", "--quota-code", "--desired-value", "--trace"}
    of_others |= {"--target", "--cli-input-json", "--job-name", "--job-queue", "--job-definition"}
    of_others |= {"--array-properties"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)) <= of_ours | of_others


def test_batch_takes_the_job_definition() -> None:
    definition = json.loads(blocks("json")[0])
    client = boto3.session.Session().client("batch", region_name="us-east-1")
    shape = client.meta.service_model.operation_model("RegisterJobDefinition").input_shape
    assert ParamValidator().validate(definition, shape).generate_report() == ""
    assert definition["containerProperties"]["command"] == ["--run-once"]


def test_the_prices_are_those_of_the_code() -> None:
    rows = dict(re.findall(r"^\| (\w+[\w-]*\.\w+) \| \d+ \| \d+ \| ([0-9.]+) \|$", TEXT, re.MULTILINE))
    assert tuple(rows) == (*DEFAULT_TYPES["embedded"], *DEFAULT_TYPES["simkube"]), "in the order of trying"
    assert {name: float(usd) for name, usd in rows.items()} == {name: tabled(name) for name in rows}
    assert f"{TABLE_REGION}, as of {TABLE_DATE}" in TEXT
    assert f"${GP3_USD_PER_GB_MONTH} per GB and month" in TEXT
    assert f"${IPV4_USD_PER_HOUR} an hour" in TEXT


def test_the_example_adds_up() -> None:
    usd = tabled("c7i.large")
    assert usd is not None
    an_hour = 4 * (usd + extras_usd_per_hour(20))
    for text, hours in (("**$0.39 an hour**", 1), ("costs $1.16", 3), ("end: $0.19", 0.5), ("**$4.63**", 12)):
        assert text in TEXT
        assert f"${an_hour * hours:.2f}" in text


def test_every_variable_that_a_worker_reads_is_in_the_table() -> None:
    table = TEXT.partition("## Environment variables of a worker")[2].partition("\n## ")[0]
    command: Any = typer.main.get_command(worker)
    read = {parameter.envvar for parameter in command.params if parameter.envvar}
    assert read == {"SIM_ARENA_BUCKET", "SIM_ARENA_BUCKET_OWNER", "SIM_ARENA_LEASE_TTL", "SIM_ARENA_BUSY_FILE"}
    boot = Path(__file__).parents[3] / "infra" / "ec2" / "boot"
    exported = re.findall(r"\b([A-Z][A-Z_]{3,})=", (boot / "sim-arena-worker.service").read_text())
    exported += re.findall(r"^export ([A-Z_]+)=\S+ ([A-Z_]+)=", (boot / "work.sh").read_text(), re.MULTILINE)[0]
    for name in {*read, *exported} - {"HOME"}:
        assert f"`{name}`" in table


def test_every_state_that_asks_for_something_is_in_the_table_of_what_can_go_wrong() -> None:
    fine = {InstanceState.BOOTING, InstanceState.WORKING, InstanceState.ENDING, InstanceState.TERMINATED}
    words = {"past its time" if state is InstanceState.OVERDUE else state.value for state in set(InstanceState) - fine}
    table = TEXT.partition("## What can go wrong")[2].partition("\n## ")[0]
    assert {word for word in words if f"`{word}`" not in table} == set()
