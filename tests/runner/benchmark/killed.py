"""A process that plays a run and kills itself within a request: `python killed.py FOLDER REQUEST NAME…`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from agents.llm.conversation import Reply, Request, Usage
from agents.llm.providers.scripted import Scripted, heuristic
from runner.benchmark.attempt import Contestant, Rules
from runner.benchmark.budget import Budget
from runner.benchmark.folder import BenchmarkFolder
from runner.benchmark.run import play_missing
from runner.benchmark.scenarios import STREAM, chosen


def main(folder: str, last: str, *names: str) -> None:
    left = int(last)

    def dies(request: Request) -> Reply:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return heuristic(request)

    def price(model: str, usage: Usage) -> float:
        return 1e-6 * (usage.input_tokens + usage.output_tokens)

    settings = {"max_tool_rounds": 8, "max_output_tokens": 1_000, "retry_budget_s": 0.0, "provider": "scripted"}
    contestant = Contestant(
        lambda scenario: Scripted("test", dies), "scripted", "test", settings, price, "2026-01-01", Budget()
    )
    begun = BenchmarkFolder(Path(folder))
    config, scenarios = begun.config(), chosen(begun.family().registry(STREAM), names, None)
    play_missing(begun, scenarios, contestant, Rules(config.attempts, config.steps, config.seed), 1)


main(*sys.argv[1:])
