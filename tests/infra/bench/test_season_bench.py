"""The benchmark of federated seasons: what is trained, what is kept, what is made of it."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path

import pytest

from env.errors import ConfigError
from env.interrupt import Stopped
from infra.bench.season.bench import bench_of, run
from infra.bench.season.choices import validation_of, with_choices
from infra.bench.season.commands import SeasonsChoice
from infra.bench.season.plan import Budget, Planned, Row, planned
from infra.bench.season.report import report_of
from infra.bench.season.results import Results
from infra.bench.season.scores import Score
from infra.bench.season.trainings import Member, _watch
from protocol.strategies.table import Strategy
from protocol.wire.errors import Transient

BUDGET = Budget(4, 1, 1, 8, 896, 3e-4, 0.1, {})
MEMBERS = [Member("daily", kind="daily"), Member("leak", kind="leak")]


def test_what_a_training_starts_from_comes_before_it_and_names_are_told_apart() -> None:
    trainings = list(planned(BUDGET, 3, [1, 2]))
    for number, each in enumerate(trainings):
        assert each.starts_from is None or each.starts_from in trainings[:number]
    assert len({each.name for each in trainings}) == len(trainings)


def test_every_member_has_equally_many_epochs_however_it_is_trained() -> None:
    of_row = {each.row: each for each in planned(BUDGET, 3, [1])}
    alone = of_row[Row.ALONE].epochs
    assert alone == of_row[Row.FEDAVG].epochs + of_row[Row.PERSONAL].epochs
    assert (of_row[Row.POOLED].epochs, of_row[Row.POOLED_ALL].epochs) == (alone, 3 * alone)


def test_each_seed_leaves_out_another_member() -> None:
    left_out = [each.left_out for each in planned(BUDGET, 3, [1, 2, 3, 4]) if each.row is Row.OTHERS]
    assert left_out == [0, 1, 2, 0]


def score(above: float) -> Score:
    return Score(above, 0.01, 1.3)


def found(personal: float) -> dict[Row, list[tuple[Planned, dict[str, Score]]]]:
    """Alone 10 % on own workloads and 30 % on the others', FedAvg 14 % everywhere, pooled 8 %."""
    rows: dict[Row, list[tuple[Planned, dict[str, Score]]]] = {}
    for each in planned(BUDGET, 2, [1]):
        own = {Row.ALONE: (0.1, 0.3), Row.PERSONAL: (personal, 0.2)}.get(each.row)
        flat = {Row.FEDAVG: 0.14, Row.POOLED_ALL: 0.08, Row.POOLED: 0.12}.get(each.row)
        if own is not None:
            mine = each.members[0]
            scores = {member.name: score(own[0 if number == mine else 1]) for number, member in enumerate(MEMBERS)}
            rows.setdefault(each.row, []).append((each, scores))
        if flat is not None:
            rows.setdefault(each.row, []).append((each, {member.name: score(flat) for member in MEMBERS}))
    return rows


def test_a_federation_recovers_the_share_that_lies_between_being_alone_and_pooling_everything() -> None:
    report = report_of(found(0.09), MEMBERS, None)
    lines = {line.row: line for line in report.lines}
    alone = lines[Row.ALONE]
    assert alone.own is not None
    assert alone.all is not None
    assert (alone.own.median, alone.all.median) == (0.1, pytest.approx(0.2))
    assert report.recovered[Row.FEDAVG].median == pytest.approx((0.2 - 0.14) / (0.2 - 0.08))


@pytest.mark.parametrize(("personal", "worse"), [(0.09, []), (0.11, [(1, "daily"), (1, "leak")])])
def test_members_that_are_worse_than_alone_are_named(personal: float, worse: list[tuple[int, str]]) -> None:
    report = report_of(found(personal), MEMBERS, None)
    differences = report.against_alone[Row.PERSONAL]
    assert [(each.seed, each.member) for each in differences if each.above_alone > 0] == worse
    assert len(differences) == 2


def test_every_step_size_has_fallen_when_its_training_ends() -> None:
    for each in planned(BUDGET, 3, [1]):
        assert BUDGET.settings_of(each)["anneal_steps"] == each.epochs * BUDGET.epoch_steps


def with_own(row: Row, members: tuple[int, ...], own: float, to_choose_by: float) -> tuple[Planned, dict[str, Score]]:
    exams = {"daily": own, "leak": own, validation_of("daily"): to_choose_by, validation_of("leak"): to_choose_by}
    return Planned(row, 1, members, 4), {name: score(above) for name, above in exams.items()}


def test_a_member_chooses_by_workloads_that_no_test_has_and_not_before_it_has_all_models() -> None:
    rows = {
        Row.ALONE: [with_own(Row.ALONE, (member,), 0.10, 0.12) for member in (0, 1)],
        Row.FEDAVG: [with_own(Row.FEDAVG, (0, 1), 0.14, 0.14)],
        Row.PERSONAL: [with_own(Row.PERSONAL, (0,), 0.11, 0.11)],
    }
    made = with_choices(rows, ["daily", "leak"])
    assert [(each.members, scores["daily"].above) for each, scores in made[Row.CHOSEN]] == [((0,), 0.11)]


def test_a_folder_of_another_benchmark_is_refused_and_one_with_something_else_too(tmp_path: Path) -> None:
    Results(tmp_path / "one", {"epochs": 3})
    Results(tmp_path / "one", {"epochs": 3})
    with pytest.raises(ConfigError, match="a benchmark with another epochs"):
        Results(tmp_path / "one", {"epochs": 4})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="has something else in it"):
        Results(tmp_path / "other", {"epochs": 3})


def pods(path: Path) -> Path:
    """Twelve pods with 700 samples each, of which six are trained on."""
    names = [f"pod-{number}" for number in range(12)]
    rows = (
        f"{name},{at},{0.2 + 0.1 * ((at // 5 + number) % 4)}" for number, name in enumerate(names) for at in range(700)
    )
    path.write_text("pod,seconds,use\n" + "\n".join(rows) + "\n")
    return path


def test_a_benchmark_that_was_interrupted_goes_on_and_does_nothing_twice(tmp_path: Path) -> None:
    choice = SeasonsChoice(
        seeds=1, epochs=2, own_epochs=1, environments=8, workloads=2, series=pods(tmp_path / "pods.csv"), members=2
    )
    folder, stop, told = tmp_path / "bench", threading.Event(), list[str]()

    def tell(line: str) -> None:
        told.append(line)
        if line.startswith("2/"):
            stop.set()

    with pytest.raises(Stopped):
        run(bench_of(choice, folder), stop, tell)
    written = {path: path.stat().st_mtime_ns for path in folder.rglob("weights.pt")}
    assert len(written) == 2
    bench = bench_of(choice, folder)
    run(bench, threading.Event(), told.append)
    assert {path: path.stat().st_mtime_ns for path in written} == written
    report = bench.report()
    assert {line.row for line in report.lines} == set(Row) - {Row.CHOSEN}  # which needs generated workloads
    assert json.loads((folder / "report.json").read_text())["rows"] == [
        dataclasses.asdict(line) for line in report.lines
    ]
    bench.draw(report)
    assert (folder / "season-federated.png").stat().st_size > 10_000
    assert Strategy.FEDPROX in {each.strategy for each in bench.trainings}


def test_a_bucket_that_gives_no_answer_ends_the_training_and_not_only_the_look_at_it() -> None:
    class Silent:
        def exists(self, key: str) -> bool:
            raise Transient("no answer")

    leave = threading.Event()
    with pytest.raises(Transient):
        _watch(Silent(), ["job"], threading.Event(), leave)  # type: ignore[arg-type]
    assert leave.is_set()
