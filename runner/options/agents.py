"""Who plays, and how an episode is played."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from agents.kinds import KINDS
from env.gym.reward import REWARDS
from runner.options import completion
from runner.options.language_model import LLM, ModelChoice

if TYPE_CHECKING:
    from agents.agent import Agent

AGENT_NAMES = ", ".join(KINDS)
_REWARD_HELP = f"{', '.join(REWARDS)}; or an installed package's."


@dataclass(frozen=True, kw_only=True)
class EpisodeChoice:
    """How long an episode is and how it is rewarded."""

    panel: ClassVar[str] = "Episode"

    steps: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many steps an episode.")] = 100
    reward: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=_REWARD_HELP,
            autocompletion=completion.or_plugin("reward", REWARDS),
        ),
    ] = "shaped"


SettingsOption = Annotated[
    Mapping[str, Any],
    typer.Option(
        "--set", metavar="NAME=VALUE", help="An agent's setting, e.g. learning_rate=0.001. May be given again."
    ),
]
SeedOption = Annotated[
    int, typer.Option(metavar="N", min=0, help="Of the generated problem and the agent.", rich_help_panel="Episode")
]
RewardOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help=_REWARD_HELP,
        autocompletion=completion.or_plugin("reward", REWARDS),
        rich_help_panel="Episode",
    ),
]
PlayerOption = Annotated[
    str,
    typer.Option(
        metavar="NAME|FILE",
        help=f"Who plays: {AGENT_NAMES}; or a checkpoint file.",
        autocompletion=completion.or_file(KINDS),
        rich_help_panel="Episode",
    ),
]
SaveOption = Annotated[
    Path | None,
    typer.Option(
        "--to",
        metavar="FILE",
        help="Write the trace with the resources at the end; of a season, a picture (.png).",
        rich_help_panel="Output",
    ),
]


def open_agent(name: str, seed: int, model: ModelChoice | None = None) -> Agent:
    """An agent by its name, or from a checkpoint file; `llm` with the language model chosen.

    Raises:
        AgentError: neither an agent's name nor a file that holds an agent.
    """
    from agents.kinds import make_agent
    from agents.load import load_agent

    is_file = name not in KINDS and (Path(name).suffix in (".pt", ".json") or Path(name).exists())
    if is_file:
        return load_agent(Path(name))
    settings = model.settings() if model is not None and name == LLM else None
    return make_agent(name, seed=seed, settings=settings)
