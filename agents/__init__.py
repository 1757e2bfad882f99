"""What picks an action in Sim-Arena: learning agents, hand-written policies, language models. They know no clusters.

May import nothing of ours but `env`, and of that the spaces, words such as actions and observations, the errors and the
compiler. Read `agent` (what an agent is), `spaces` (what it is told of an environment), `kinds` (the one list of
agents), `policies` (the hand-written ones), `settings` (how settings are checked), then a folder for each agent that
learns, `tabular`, `dqn`, `ppo` and `forecast` (the last two share `adam` and `episodes`), and `llm` for the one that
reads text. `saved` has the files they are kept in, `load` reads any of them, `default_model` is the trained agent that
is shipped.
"""

from typing import TYPE_CHECKING, NoReturn

if not TYPE_CHECKING:

    def __getattr__(name: str) -> NoReturn:
        """Say so where somebody looks for what openai-agents, which imports by this name too, has here."""
        if name in ("Agent", "Runner", "function_tool"):
            raise ImportError(
                f"{__file__} is Sim-Arena's, and openai-agents installs a package of the same name: install one of the "
                "two in an environment of its own",
                name=__name__,
                path=__file__,
            )
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
