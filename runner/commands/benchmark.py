"""`sim-arena benchmark`: language models on fixed scenarios, beside other agents and what is best."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from env.errors import ConfigError, UsageError
from runner.clusters.choice import EMBEDDED, ClusterChoice
from runner.commands import tables
from runner.commands.benchmark_tables import results_table, scenario_facts, scenario_table
from runner.commands.console import Exit, fail, note, nothing_to_do, print_json, progress_bars
from runner.commands.interrupt import interruptible
from runner.options.benchmark import DECIDED, AttemptsChoice, BesideChoice, ContestantChoice, RunChoice, ScenariosChoice
from runner.options.flatten import flag, flattened, typed
from runner.options.output import OutputChoice
from runner.options.workload import CLUSTER

if TYPE_CHECKING:
    from agents.llm.model import Model
    from env.cluster import Cluster
    from runner.benchmark.attempt import Contestant
    from runner.benchmark.families import Family
    from runner.benchmark.folder import BenchmarkFolder, RunConfig


@flattened
def benchmark(
    ctx: typer.Context,
    scenarios: ScenariosChoice,
    model: ContestantChoice,
    beside: BesideChoice,
    attempts: AttemptsChoice,
    run: RunChoice,
    cluster: ClusterChoice,
    output: OutputChoice,
) -> None:
    """Measure how well a language model right-sizes workloads, or packs services on nodes (--env fleet).

    It plays fixed scenarios, several times each, and is held against other agents and what is best on the same ones.
    Rows, transcripts, report and pictures end up in benchmark/results. Stop it at any time; --resume goes on.
    """
    if scenarios.list_scenarios:
        _list(scenarios.env, _chosen(scenarios), output)
        return
    from runner.benchmark.folder import BenchmarkFolder

    if cluster.cluster != EMBEDDED and run.jobs > 1:
        raise ConfigError(f"--jobs {run.jobs}: --cluster {cluster.cluster} runs one simulation at a time; leave it out")
    cluster.check()
    command = ["sim-arena", *sys.argv[1:]]
    if run.resume is None:
        config = _config(scenarios, model, beside, attempts, cluster.cluster)
        _check_price(config, run)
        folder = BenchmarkFolder.create(config, command)
    else:
        folder = BenchmarkFolder.open(run.resume)
        config = folder.config()
        _check_same(config, typed(ctx), cluster.cluster)
        _check_price(config, run)
    hint = f"to go on: sim-arena benchmark --resume {folder.path}"
    with folder.locked(), interruptible(hint) as should_stop:
        if run.resume is not None:
            folder.note_command(command)
        with cluster.opened(ctx.obj) as place:
            was_done = _play(folder, config, run, place, should_stop)
    _end(folder, output, hint, was_done=was_done)


def _play(
    folder: BenchmarkFolder, config: RunConfig, run: RunChoice, place: Cluster | None, should_stop: Callable[[], bool]
) -> bool:
    """Play what is missing, and write the report however that ends; whether nothing was missing."""
    from runner.benchmark.attempt import Rules
    from runner.benchmark.budget import Budget, BudgetSpent
    from runner.benchmark.players import LLM
    from runner.benchmark.run import StaysAway, already_spent, missing, play_missing, write_report
    from runner.benchmark.scenarios import chosen

    rows = chosen(folder.family().registry(config.stream), config.scenarios, None)
    folder.check_rows(config, rows)
    was_done = not missing(folder.rows(), LLM, rows, config.attempts)
    _check_model_beside(config, missing(folder.rows(), folder.family().model or "", rows, config.attempts))
    budget = Budget(run.max_cost_usd, run.max_tokens, already_spent(folder, rows, config.attempts))
    rules = Rules(config.attempts, config.steps, config.seed, place, should_stop)
    try:
        with progress_bars() as tell:
            play_missing(folder, rows, _contestant(config, budget), rules, run.jobs, tell)
    except (BudgetSpent, StaysAway) as error:
        note(str(error))
    finally:
        write_report(folder)
    return was_done


def _end(folder: BenchmarkFolder, output: OutputChoice, hint: str, *, was_done: bool) -> None:
    """Print what came out, and leave with the code that says how it ended."""
    from runner.benchmark.players import LLM
    from runner.benchmark.run import report_of

    document = report_of(folder)
    if output.as_json:
        print_json({"folder": str(folder.path), **document})
    else:
        tables.show(results_table(folder.config().env, document))
    note(f"results in {folder.path}", whole=True)
    if was_done:
        nothing_to_do("nothing is missing; the report was written again")
    lacking = sum(len(each["attempts"]) for each in document["missing"])
    away = len(document["infrastructure_errors"])
    if lacking or away or LLM not in document["agents"]:
        fail(f"{lacking} attempts are missing, {away} ended with an infrastructure error; {hint}", Exit.FAILED)


def _config(
    scenarios: ScenariosChoice, model: ContestantChoice, beside: BesideChoice, attempts: AttemptsChoice, cluster: str
) -> RunConfig:
    """What a new run is asked for.

    Raises:
        UsageError: No provider, or one that does not exist; no key; no such scenario.
    """
    from agents.llm.providers.table import check_provider
    from agents.llm.settings import LLMSettings
    from agents.settings import parse_settings
    from runner.benchmark.families import family_named
    from runner.benchmark.folder import RunConfig
    from runner.benchmark.scenarios import registry_hash

    family = family_named(scenarios.env)
    if cluster != EMBEDDED and scenarios.env != CLUSTER:
        raise ConfigError(f"--cluster {cluster}: is of --env {CLUSTER}; leave it out with --env {scenarios.env}")
    if model.provider is None:
        raise UsageError("--provider: say whose model is measured, or --resume to go on, or --list-scenarios")
    provider = check_provider(model.provider)
    settings = parse_settings(LLMSettings, model.settings())
    rows = _chosen(scenarios)
    if beside.agent is not None:
        _check_beside(family, beside.agent, rows)
    config = RunConfig(
        provider=provider.name,
        model=model.model or provider.default_model,
        env=scenarios.env,
        scenarios=[row.name for row in rows],
        stream=_stream(scenarios),
        scenarios_sha256=registry_hash(rows),
        attempts=attempts.attempts,
        steps=attempts.steps or family.steps,
        max_tool_rounds=settings.max_tool_rounds,
        max_output_tokens=settings.max_output_tokens,
        seed=attempts.seed,
        cluster=cluster,
        prompt_sha256=family.prompt_sha256,
        agent=None if beside.agent is None else str(beside.agent.resolve()),
        agent_sha256=None if beside.agent is None else _content(beside.agent),
    )
    _open(config, rows[0]).close()  # a wrong name or a missing key is told before there is a folder
    return config


def _check_beside(family: Family, file: Path, rows: Sequence[Any]) -> None:
    """Refuse a file of a model that is not played beside.

    Raises:
        AgentError: No model that plays all of these scenarios is in it.
        ConfigError: No file of a model is played in this environment.
    """
    if family.check_model is None:
        raise ConfigError(f"--agent {file}: is of --env fleet; leave it out with --env {family.name}")
    family.check_model(file, rows)


def _check_model_beside(config: RunConfig, todo: Sequence[object]) -> None:
    """Refuse to go on with another model beside than the run was begun with, where it has something to play still.

    Raises:
        ConfigError: The file is gone, or holds something else.
    """
    if config.agent is None or not todo:
        return
    file = Path(config.agent)
    if not file.is_file() or _content(file) != config.agent_sha256:
        raise ConfigError(f"{file}: is not there, or not the model that the run was begun with; begin a new run")


def _content(file: Path) -> str:
    """The SHA-256 of a file that was read before."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _check_same(config: RunConfig, given: Collection[str], cluster: str) -> None:
    """Refuse what does not fit the run that is to go on.

    Raises:
        ConfigError: An option that the run has already, another cluster, or a newer Sim-Arena with other scenarios or
            another prompt.
    """
    from runner.benchmark.families import family_named
    from runner.benchmark.scenarios import chosen, registry_hash

    family = family_named(config.env)
    for name in (name for name in DECIDED if name in given):
        raise ConfigError(f"{flag(name)}: cannot be had together with --resume; the run has it already")
    if cluster != config.cluster:
        raise ConfigError(f"--cluster {cluster}: the run was begun with --cluster {config.cluster}")
    if registry_hash(chosen(family.registry(config.stream), config.scenarios, None)) != config.scenarios_sha256:
        raise ConfigError("--resume: this Sim-Arena has other scenarios of these names; begin a new run")
    if config.prompt_sha256 != family.prompt_sha256:
        raise ConfigError("--resume: this Sim-Arena has another prompt, so attempts would not compare; begin a new run")


def _contestant(config: RunConfig, budget: Any) -> Contestant:
    from agents.llm.prices import dollars, price_table_date
    from agents.llm.settings import LLMSettings
    from agents.settings import as_mapping
    from runner.benchmark.attempt import Contestant

    settings = LLMSettings(
        provider=config.provider,
        model=config.model,
        max_tool_rounds=config.max_tool_rounds,
        max_output_tokens=config.max_output_tokens,
    )
    return Contestant(
        open=partial(_open, config),
        provider=config.provider,
        model=config.model,
        settings=as_mapping(settings),
        price=partial(dollars, config.provider),
        price_table=price_table_date() if _is_priced(config) else None,
        budget=budget,
    )


def _open(config: RunConfig, scenario: Any) -> Model:
    """The model for an attempt at a scenario; the scripted `optimum` is told the solution."""
    from agents.llm.providers.scripted import OPTIMUM, PROVIDER
    from agents.llm.providers.table import open_model
    from runner.benchmark.families import family_named

    if (config.provider, config.model) == (PROVIDER, OPTIMUM):
        return family_named(config.env).solver(scenario)
    return open_model(config.provider, config.model)


def _is_priced(config: RunConfig) -> bool:
    from agents.llm.conversation import Usage
    from agents.llm.prices import dollars

    return dollars(config.provider, config.model, Usage(1, 1)) is not None


def _check_price(config: RunConfig, run: RunChoice) -> None:
    """Refuse a budget in dollars for a model whose price is not known."""
    if run.max_cost_usd is not None and not _is_priced(config):
        name = f"{config.provider} {config.model}"
        raise ConfigError(f"--max-cost-usd {run.max_cost_usd:g}: no price is known of {name}; use --max-tokens")


def _stream(scenarios: ScenariosChoice) -> int:
    from runner.benchmark.scenarios import STREAM

    return STREAM if scenarios.stream is None else scenarios.stream


def _chosen(scenarios: ScenariosChoice) -> list[Any]:
    from runner.benchmark.families import family_named
    from runner.benchmark.scenarios import chosen

    rows = chosen(family_named(scenarios.env).registry(_stream(scenarios)), scenarios.scenario, scenarios.filter_type)
    if not rows:
        nothing_to_do(f"--filter-type {scenarios.filter_type}: none of the scenarios named is of this type")
    return rows


def _list(env: str, rows: Sequence[Any], output: OutputChoice) -> None:
    from runner.benchmark.scenarios import registry_hash

    facts = [scenario_facts(env, row) for row in rows]
    if output.as_json:
        print_json({"sha256": registry_hash(rows), "scenarios": facts})
        return
    tables.show(scenario_table(env, facts))
