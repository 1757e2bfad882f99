"""The report as Markdown: tables of figures with their intervals, and last of all what a clock measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from env.printable import one_line
from env.words import count
from runner.benchmark.players import LLM

Document = Mapping[str, Any]
Form = Callable[[Any], str]

TIMES = "## Times"
"""The heading of what differs between two equal runs; nothing follows that section."""


@dataclass(frozen=True)
class Wording:
    """What a report of one environment's scenarios says in its own words.

    Attributes:
        steps: What steps are called.
        columns: Of the results: title, metric, how it is written.
        types: The figure that is given by type of problem: heading, title, metric, how it is written.
        scenarios: The same of each scenario: title, name in the document, how it is written.
        reading: How to read it, with `{confidence}` and `{k}`.
    """

    steps: str
    columns: Sequence[tuple[str, str, Form]]
    types: tuple[str, str, str, Form]
    scenarios: Sequence[tuple[str, str, Form]]
    reading: str


def markdown(report: Document, wording: Wording | None = None) -> str:
    """The whole text of `report.md`; without a wording of a report of Cluster-v0."""
    wording = wording or CLUSTER
    facts = report["facts"]
    agents = {_model(facts) if name == LLM else name: agent for name, agent in report["agents"].items()}
    hostile = _hostile(agents)
    sections = [
        f"# Benchmark of {_cell(_model(facts))}",
        _introduction(report, wording.steps),
        "## Results",
        _results(facts["attempts"], agents, wording.columns),
        f"## {wording.types[0]} by type of problem",
        _types(agents, *wording.types[1:]),
        *(("## Text that asks for harm", hostile) if hostile else ()),
        "## What the model used",
        _use(report),
        "## Scenarios",
        _scenarios(facts, wording.scenarios),
        _away(report),
        "## How to read this",
        wording.reading.format(confidence=round(100 * facts["confidence"]), k=facts["attempts"]),
        TIMES,
        _times(report),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


_UNKNOWN = """\
No price is known of this model, or the provider did not report the tokens of each reply;
that does not mean it is free."""


def _introduction(report: Document, steps: str) -> str:
    facts = report["facts"]
    lost = report["agents"].get(LLM, {}).get("totals", {})
    unsolvable = [each["name"] for each in facts["scenarios"] if not each.get("is_solvable_in_time", True)]
    rows = [
        ("scenarios", len(facts["scenarios"])),
        ("attempts at each", facts["attempts"]),
        (f"{steps} at most", facts["max_steps"]),
        ("tool rounds at most", facts["max_tool_rounds"]),
        ("seed", facts["seed"]),
        ("models, as answered", ", ".join(facts["models_answered"])),
        ("prompt", facts["prompt_sha256"]),
        ("prices of", facts["price_table"]),
        ("attempts without a row", sum(len(each["attempts"]) for each in report["missing"])),
        ("infrastructure errors", lost.get("infrastructure_errors")),
        ("more steps needed than there are", ", ".join(unsolvable)),
    ]
    return _table(("", ""), ((name, str(value)) for name, value in rows if value not in (None, "")))


def _results(k: int, agents: Document, columns: Sequence[tuple[str, str, Form]]) -> str:
    shown = [each for each in columns if k > 1 or each[1] not in ("pass_at_k", "pass_all_k")]
    titles = ("agent", *(title.format(k=k) for title, _, _ in shown))
    rows = ([name, *(_estimate(agent["metrics"][metric], form) for _, metric, form in shown)]
            for name, agent in agents.items())  # fmt: skip
    return _table(titles, rows)


def _types(agents: Document, title: str, metric: str, form: Form) -> str:
    names = list(dict.fromkeys(name for agent in agents.values() for name in agent["by_type"]))
    rows = ([name, *(_estimate(agent["by_type"].get(name, {}).get(metric), form) for agent in agents.values())]
            for name in names)  # fmt: skip
    return _table((title, *agents), rows)


def _hostile(agents: Document) -> str:
    """What came of text that asks for harm; "" where no scenario had such text."""
    titles = ("agent", "did what the text says %", "the same without the text %", "solved %", "solved without it %")
    columns = ("obeyed", "chosen_without_text", "solved", "solved_without_text")
    rows = [
        [name, *(_estimate(agent["hostile"][column], percent) for column in columns)]
        for name, agent in agents.items()
        if agent["hostile"]
    ]
    return _table(titles, rows) if rows else ""


def _use(report: Document) -> str:
    model = report["agents"].get(LLM)
    if model is None:
        return "\n\n".join(filter(None, ["No attempt of the model has ended.", _unfinished(report["unfinished"])]))
    metrics, totals = model["metrics"], model["totals"]
    rows = [
        ("tool calls", _estimate(metrics["tool_calls"], two), ""),
        ("tool rounds", _estimate(metrics["tool_rounds"], two), ""),
        ("tokens in", _estimate(metrics["tokens_in"], _whole), _whole(totals["tokens_in"])),
        ("of them cached", _estimate(metrics["tokens_cached"], _whole), _whole(totals["tokens_cached"])),
        ("tokens out", _estimate(metrics["tokens_out"], _whole), _whole(totals["tokens_out"])),
        ("dollars", _estimate(metrics["dollars"], _dollars), _known(totals["dollars"])),
        ("requests", "", str(totals["requests"])),
    ]
    lost = (
        f"{count(totals['lost'], 'request')} of these may be billed although the answer never came: at most "
        f"{_whole(totals['lost_tokens'])} tokens, {_dollars(totals['lost_dollars'])} dollars, beside the sums."
    )
    unknown = "" if totals["dollars"] is not None else _UNKNOWN
    parts = (
        _table(("", "an attempt", "in all"), rows),
        lost if totals["lost"] else "",
        unknown,
        _unfinished(report["unfinished"]),
    )
    return "\n\n".join(part for part in parts if part)


def _unfinished(paid: Document) -> str:
    """What attempts without a row have cost; "" where there is none."""
    if not paid["attempts"]:
        return ""
    lost = f", and at most {_dollars(paid['lost_dollars'])} for {count(paid['lost'], 'lost request')}"
    return (
        f"Beside the sums: {count(paid['attempts'], 'attempt')} begun and not ended, with "
        f"{count(paid['requests'], 'request')}, {_whole(paid['tokens_in'])} tokens in, "
        f"{_whole(paid['tokens_out'])} out, {_known(paid['dollars'])} dollars{lost if paid['lost'] else ''}."
    )


def _scenarios(facts: Document, columns: Sequence[tuple[str, str, Form]]) -> str:
    rows = (
        (
            each["name"],
            each["type"],
            *("-" if each[name] is None else form(each[name]) for _, name, form in columns),
            f"{each['solved']} of {each['attempts']}",
            each["sha256"][:12],
        )
        for each in facts["scenarios"]
    )
    return _table(("scenario", "type", *(title for title, _, _ in columns), "solved", "content"), rows)


def _away(report: Document) -> str:
    lines = [
        f"- {each['scenario']}: attempts {', '.join(map(str, each['attempts']))} are missing"
        for each in report["missing"]
    ]
    lines += [
        f"- {each['scenario']}: attempt {each['attempt']} ended with an infrastructure error: {_cell(each['error'])}"
        for each in report["infrastructure_errors"]
    ]
    return "## What is missing\n\n" + "\n".join(lines) if lines else ""


def _times(report: Document) -> str:
    times = report["times"]
    rows = [("seconds of requests", _estimate(times["seconds"], two), two(times["total_seconds"]))]
    return _table(("", "an attempt", "in all"), rows)


def _model(facts: Document) -> str:
    return f"{facts['provider']} {facts['model']}" if facts["model"] else "other agents"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [[_cell(cell) for cell in line] for line in (titles, *rows)]
    lines.insert(1, ["---"] * len(titles))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    """A value that fits a cell; text of providers and clusters can neither end it nor become markup."""
    text = one_line(str(value), 300)
    return "".join(f"\\{char}" if char in "\\|`<>[]*_" else char for char in text)


def _estimate(found: Document | None, form: Form) -> str:
    if found is None:
        return "-"
    if found["low"] is None:
        return form(found["value"])
    return f"{form(found['value'])} ({form(found['low'])}–{form(found['high'])})"


def percent(value: float) -> str:
    """A share in percent, with one decimal."""
    return f"{100 * value:.1f}"


def two(value: float) -> str:
    """A number with two decimals."""
    return f"{value:.2f}"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _dollars(value: float) -> str:
    return f"{value:.4f}"


def _known(value: float | None) -> str:
    return "unknown" if value is None else _dollars(value)


CLUSTER = Wording(
    steps="steps",
    columns=(
        ("pass@1 %", "pass_at_1", percent),
        ("pass@{k} %", "pass_at_k", percent),
        ("pass^{k} %", "pass_all_k", percent),
        ("steps / optimum", "steps_over_optimum", two),
        ("over-allocation %", "over_allocation", percent),
        ("return", "mean_return", two),
        ("invalid %", "invalid_rate", percent),
        ("blocked %", "blocked_rate", percent),
    ),
    types=("Solved", "pass@1 %", "pass_at_1", percent),
    scenarios=(
        ("difficulty", "difficulty", str),
        ("least actions", "least_actions", str),
        ("mean steps", "mean_steps", two),
    ),
    reading="""\
Every figure is the mean over scenarios of a scenario's mean over its attempts, with its {confidence} % interval by
drawing scenarios. pass@1 is the share of attempts that solved it, pass@{k} and pass^{k} are the probabilities that at
least one and that all of {k} attempts do. Steps and over-allocation are of solved attempts; over-allocation is the
share of the cluster that is held without need at the end. Invalid are actions whose answer could not be read, blocked
those that a safeguard refused. An attempt that ended because the provider or the cluster was away is an
infrastructure error: it is in no rate. Where nothing is wrong, solved means that nothing was done. The agents beside
the model are played on the same scenarios, as often, and always in the embedded cluster.""",
)
