"""`--env doctor` in the commands that play: models and doctors by hand on problems of Doctor-v0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from env.errors import AgentError, nearest
from env.interrupt import stopping_when
from runner.commands import tables
from runner.commands.console import out, print_json
from runner.commands.interrupt import interruptible

if TYPE_CHECKING:
    from agents.saved.evaluation import EvaluationRow
    from runner.rl.exam import Policy

_BY_HAND = ("scripted", "random", "optimum")
_EPISODES = 1000


def evaluate(names: Sequence[str], *, baselines: bool | None, episodes: int | None, steps: int, as_json: bool) -> None:
    """Compare doctors on problems that no training draws, as the exam of a training does.

    Args:
        names: `scripted`, `random`, `optimum`, or files of models.
        baselines: All doctors by hand too; None: only where nobody is named.
        episodes: Of each kind of problems.
        steps: At most so many an episode.
        as_json: Print a document.
    """
    chosen = [*names, *(_BY_HAND if baselines or (baselines is None and not names) else ())]
    rows: list[EvaluationRow] = []
    with interruptible("nothing was saved") as should_stop, stopping_when(should_stop):
        for name in dict.fromkeys(chosen):
            rows += _rows(name, episodes or _EPISODES, steps)
    documents = [asdict(row) for row in sorted(rows, key=lambda row: row.problems)]
    if as_json:
        print_json({"environment": "SimArena/Doctor-v0", "steps": steps, "evaluation": documents})
    else:
        tables.show(tables.evaluation(documents))


def episode(name: str, *, seed: int, steps: int, as_json: bool) -> None:
    """Play an episode of Doctor-v0 with a model, step by step."""
    import numpy as np

    from agents.load import load_agent
    from agents.spaces import doctor
    from env.doctor.actions import DoctorAction
    from env.doctor.doctor_env import DoctorEnv
    from runner.episode import StepRecord, run_episode

    if name in _BY_HAND:
        raise AgentError(
            f"--agent {name}: an episode is played by a model; see also: sim-arena rl diagnose --simulation"
        )
    agent, records = load_agent(Path(name), doctor()), list[StepRecord]()
    with interruptible("nothing was saved") as should_stop:
        result = run_episode(
            DoctorEnv(max_steps=steps, render_mode="ansi"),
            agent,
            seed_sequence=np.random.SeedSequence(seed),
            explore=False,
            learn=None,
            should_stop=should_stop,
            on_step=records.append,
        )
    for record in records:
        record["action"]["name"] = DoctorAction(record["action"]["index"]).name.lower()
        if not as_json:
            out.print(str(record["line"]), markup=False, highlight=False)
    facts: dict[str, Any] = {"solved": result.solved, "steps": result.steps, "return": result.reward}
    if as_json:
        print_json({**facts, "records": records})
    else:
        tables.show_facts(facts)


def _rows(name: str, episodes: int, steps: int) -> list[EvaluationRow]:
    from runner.rl.evaluator import MOST_OPTIMAL, NO_METRICS, row_of
    from runner.rl.exam import HELD_OUT, LARGE, examine, examine_optimum

    if name == "optimum":
        return [row_of(examine_optimum(episodes=min(episodes, MOST_OPTIMAL), max_steps=steps))]
    kinds = (HELD_OUT, LARGE, NO_METRICS)
    return [row_of(examine(_policy(name), name, kind, episodes=episodes, max_steps=steps)) for kind in kinds]


def _policy(name: str) -> Policy:
    """A fresh one: it may remember its episodes."""
    from agents.load import load_agent
    from agents.ppo.agent import PPO
    from agents.spaces import doctor
    from runner.rl.exam import at_random, by_hand, of_agent

    if name == "scripted":
        return by_hand
    if name == "random":
        return at_random(0)
    if not Path(name).exists():
        raise AgentError(f"--agent {name}: neither a file nor one of {', '.join(_BY_HAND)}; {nearest(name, _BY_HAND)}")
    agent = load_agent(Path(name), doctor())
    assert isinstance(agent, PPO)  # noqa: S101  (no other acts there)
    return of_agent(agent)
