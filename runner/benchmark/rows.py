"""The rows of a benchmark: one attempt of one agent at one scenario each, as a line of JSON.

Everything that a report says follows from them. They are read back strictly, as any file: a line that a crash cut short
is left out if it is the last one, and anything else that is no row is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from env.actions import Action
from env.errors import reason
from runner.benchmark.lines import RowError, append_whole, whole_lines

LONGEST_ERROR = 500  # characters
ROWS_AGAIN = "move the file away, and --resume makes its rows again from the transcripts"
"""What to do with rows that cannot be used: nothing is paid for it."""

Text = Annotated[str, Field(max_length=500)]
Count = Annotated[int, Field(ge=0, lt=1 << 53)]
Amount = Annotated[float, Field(ge=0)]


class Outcome(StrEnum):
    """How an attempt ended."""

    SOLVED = "solved"
    FAILED = "failed"
    INFRASTRUCTURE_ERROR = "infrastructure error"  # the provider or the cluster was away; no verdict on the agent


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Step(_Strict):
    """What is known of one step in any environment.

    Attributes:
        invalid: Whether the answer could not be read, so that nothing was done.
        blocked: Whether a safeguard refused what was answered.
        tool_rounds: Replies before the answer, which called tools.
        tool_calls, tool_errors: Calls in them, and those of which an error came back.
    """

    invalid: bool = False
    blocked: bool = False
    tool_rounds: Count = 0
    tool_calls: Count = 0
    tool_errors: Count = 0


class Totals(_Strict):
    """What is counted over the steps of an attempt; see `Step`."""

    invalid_actions: Count
    blocked_actions: Count
    tool_rounds: Count
    tool_calls: Count
    tool_errors: Count

    @classmethod
    def of(cls, steps: Sequence[Step]) -> Self:
        """The counts of some steps."""
        return cls(
            invalid_actions=sum(step.invalid for step in steps),
            blocked_actions=sum(step.blocked for step in steps),
            tool_rounds=sum(step.tool_rounds for step in steps),
            tool_calls=sum(step.tool_calls for step in steps),
            tool_errors=sum(step.tool_errors for step in steps),
        )


class Cost(_Strict):
    """What the requests of an attempt cost, those of all times that it was begun together.

    Attributes:
        tokens_in, tokens_out, tokens_cached: Of the answered requests; cached ones are among those in.
        dollars: What the answered requests cost; None where no price is known.
        requests: All that were sent.
        lost: Those that may be billed although their answer never came, as the connection or the process ended.
        lost_tokens: The most that these can have cost.
        lost_dollars: The same; None where no price is known.
        seconds: From requests to their replies.
    """

    tokens_in: Count = 0
    tokens_out: Count = 0
    tokens_cached: Count = 0
    dollars: Amount | None = None
    requests: Count = 0
    lost: Count = 0
    lost_tokens: Count = 0
    lost_dollars: Amount | None = None
    seconds: Amount = 0.0


class AttemptRow(_Strict):
    """What is known of one attempt in any environment.

    Attributes:
        schema_version: Of this form.
        scenario, scenario_sha256: Name and content of the scenario.
        problem_type: One of the types of its environment.
        agent: `llm`, or the name of another agent that is played beside it.
        provider, model: As asked; None for other agents.
        models_answered: As the provider answered.
        prompt_sha256: Of all wording that the model gets.
        price_table: The date of the prices, where one was known.
        attempt, attempts: Its number, from 1 on, and how many were planned.
        seed: Of what happens by chance in it.
        max_steps, max_tool_rounds: Its limits.
        outcome: See `Outcome`.
        error: What was away, or why the attempt could not go on; "" otherwise.
        steps: All that were taken.
        totals: Counts over the steps.
        cost: Of the requests; None for agents that make none.
    """

    schema_version: Literal[1] = 1
    scenario: Text
    scenario_sha256: Text
    problem_type: Text
    agent: Text
    provider: Text | None = None
    model: Text | None = None
    models_answered: list[Text] = []
    prompt_sha256: Text | None = None
    price_table: Text | None = None
    attempt: Annotated[int, Field(ge=1)]
    attempts: Annotated[int, Field(ge=1)]
    seed: Count
    max_steps: Annotated[int, Field(ge=1)]
    max_tool_rounds: Count | None = None
    outcome: Annotated[Outcome, Field(strict=False)]
    error: Text = ""
    steps: Sequence[Step]
    totals: Totals
    cost: Cost | None = None

    @model_validator(mode="after")
    def _agrees_with_its_steps(self) -> Self:
        if self.totals != Totals.of(self.steps):
            raise ValueError("its totals are not those of its steps")
        if len(self.steps) > self.max_steps or self.attempt > self.attempts:
            raise ValueError("more steps or attempts than there may be")
        return self

    @property
    def key(self) -> tuple[str, str, int]:
        """Agent, scenario and attempt; a later row with the same key replaces an earlier one."""
        return self.agent, self.scenario, self.attempt

    @property
    def solved(self) -> bool:
        """Whether it reached what was asked for."""
        return self.outcome is Outcome.SOLVED

    @property
    def counts(self) -> bool:
        """Whether it says something of the agent."""
        return self.outcome is not Outcome.INFRASTRUCTURE_ERROR


class StepRow(Step):
    """One step in Cluster-v0.

    Attributes:
        action: Its index.
        changed: Whether the action changed what the workload asks for.
        reward: Of this step.
        ready, pending, total: Pods after it.
        cpu, memory, replicas: What the workload asks for after it.
    """

    action: Annotated[int, Field(ge=0, lt=len(Action))]
    invalid: bool
    changed: bool
    blocked: bool
    reward: float
    ready: Count
    pending: Count
    total: Count
    cpu: Text
    memory: Text
    replicas: Count


class Row(AttemptRow):
    """One attempt in Cluster-v0.

    Attributes:
        difficulty, least_actions, twin, demands: See `scenarios.BenchmarkScenario`.
        optimum_steps: The fewest that solve it.
        over_allocation: Share of the cluster that is held without need at the end; None unless solved.
        episode_return: Sum of the rewards.
    """

    difficulty: Text
    least_actions: Count
    twin: Text | None
    demands: Annotated[int, Field(ge=0, lt=len(Action))] | None
    steps: list[StepRow]
    optimum_steps: Annotated[int, Field(ge=1)]
    over_allocation: Amount | None = None
    episode_return: float


R = TypeVar("R", bound=AttemptRow)


def read_rows(path: Path, kind: type[R]) -> list[R]:
    """The rows of a file, the last of each key, in the order in which the keys came first; none if there is no file.

    Args:
        path: The file.
        kind: What its rows are.

    Raises:
        RowError: A line that is no row, but for a last one without its end.
    """
    found: dict[tuple[str, str, int], R] = {}
    for number, line in enumerate(whole_lines(path), start=1):
        try:
            row = kind.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            what = f"{'.'.join(map(str, first['loc']))} {reason(first)}".strip()
            raise RowError(f"{path} line {number}: no row of a benchmark: {what:.500}; {ROWS_AGAIN}") from None
        found[row.key] = row
    return list(found.values())


def append_rows(path: Path, rows: Iterable[AttemptRow]) -> None:
    """Append rows in one write, and return when they are on the disk.

    Raises:
        OutputError: It cannot be written.
    """
    append_whole(path, "".join(f"{row.model_dump_json()}\n" for row in rows).encode(), sync=True)
