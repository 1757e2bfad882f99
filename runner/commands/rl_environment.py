"""`sim-arena rl status | setup | remove`: what there is for training, and PufferLib in an environment of its own."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from runner.commands.console import err, note, nothing_to_do, out, print_json
from runner.options.flatten import flattened
from runner.options.output import OutputChoice


@flattened
def status(output: OutputChoice) -> None:
    """Show what there is for training.

    Python, trainer, PufferLib, CUDA, models, configuration."""
    from runner.commands.tables import show_facts
    from runner.rl.status import status as look

    with err.status("asking Python and PufferLib what they have"):
        found = look()
    if output.as_json:
        print_json(found)
        return
    models = found["models"]
    show_facts({
        "python": f"{found['python']['version']} ({found['python']['executable']})",
        "trainer": f"{found['trainer']['agent']}, torch {found['trainer']['torch'] or 'is not installed'}",
        "CUDA": found["cuda"]["device"] or "no device; none is needed",
        "PufferLib": _pufferlib(found["pufferlib"]),
        "models": f"{len(models['files'])} in {models['folder']}",
        **{f"- {each['name']}": each.get("error") or each["line"] for each in models["files"]},
        "configuration": _configuration(found["configuration"]),
    })  # fmt: skip


@flattened
def setup(
    output: OutputChoice,
    cuda: Annotated[
        bool,
        typer.Option(
            "--cuda",
            help="Also install torch 2.9.0 with CUDA 12, which its own trainer wants: some 7 GB. No GPU is needed.",
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Make the environment anew if it is there.")] = False,
) -> None:
    """Install PufferLib in an environment of its own.

    In the end it is tried, and said what of it works here."""
    from runner.rl.config import environment_folder, load_config, save_config
    from runner.rl.install import is_ours, set_up, take_away
    from runner.rl.status import pufferlib_works

    config = load_config()
    folder = environment_folder(config)
    if is_ours(folder) and not force:
        nothing_to_do(f"{folder} is there already; sim-arena rl status shows it, --force makes it anew")
    if force:
        take_away(folder)
    found = set_up(config, note, cuda=cuda)
    save_config(config.model_copy(update={"enabled": True}))
    if output.as_json:
        print_json({"environment": str(folder), **found})
        return
    out.print(f"PufferLib {found['pufferlib']} with torch {found['torch']} in {folder}", highlight=False)
    for name, works in pufferlib_works(found).items():
        out.print(f"{name}: {works}", markup=False, highlight=False)
    if found["trainer"] and not cuda:
        note("its trainer wants the torch that it was built for: sim-arena rl setup --cuda --force")


@flattened
def remove(output: OutputChoice) -> None:
    """Delete the environment that setup has made.

    Models and the rest of the configuration stay."""
    from runner.rl.config import environment_folder, load_config, save_config
    from runner.rl.install import take_away

    config = load_config()
    folder = environment_folder(config)
    there = take_away(folder)
    if config.enabled:
        save_config(config.model_copy(update={"enabled": False}))
    if not there:
        nothing_to_do(f"{folder} is not there")
    if output.as_json:
        print_json({"removed": str(folder)})
    else:
        note(f"{folder} deleted")


def _pufferlib(found: dict[str, Any]) -> str:
    if found["version"] is None:
        return f"{found.get('error') or 'not set up'}; {found['hint']}"
    return f"{found['version']}; vectorisation {found['vectorisation']}; trainer {found['trainer']}"


def _configuration(found: dict[str, Any]) -> str:
    given = {name: value for name, value in found.items() if name not in ("file", "is_there")}
    texts = [f"{name} {value}" for name, value in given.items()]
    return f"{found['file']}{'' if found['is_there'] else ' is not there'}{': ' if texts else ''}{', '.join(texts)}"
