"""`sim-arena episode --env season`: one workload, window by window, with a model, a rule or the optimum."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from agents.default_model import season_model_path
from agents.load import load_agent
from agents.saved.files import write_atomic
from agents.spaces import season
from env import SEASON_ID
from env.errors import AgentError, nearest
from env.interrupt import stop_if_asked, stopping_when
from env.season import baselines
from env.season.bounds.backward import follow
from env.season.bounds.clairvoyant import clairvoyant_plan
from env.season.laws import KINDS
from env.season.policy import play
from env.season.replay import exceeded_on, window_scenario
from env.season.scene import amount, excess_of, windows_picture
from env.season.series import Series, generated
from env.season.variants import JUMPS, WARM_UP, WINDOWS_A_DAY, Variant, checked_kappa, variant_named
from env.season.window import Prices, Window, play_window, start_request, window_cost
from env.words import count
from runner.clusters.choice import EMBEDDED
from runner.commands import tables
from runner.commands.console import check_place, err, fail, print_json
from runner.commands.episode_request import EpisodeRequest
from runner.commands.fitted import FittedTable
from runner.commands.interrupt import interruptible
from runner.commands.of_season import TRAINED_FOR
from runner.evaluation.season import greedy
from runner.options.season import VARIANTS

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
OPTIMUM = "optimum"
"""Who knows every peak beforehand."""
_RULES = {rule.name: rule for rule in (baselines.NOOP, baselines.VPA, baselines.KRR)}
_KEEP = JUMPS.index(0)


def episode(request: EpisodeRequest) -> None:
    """Play one workload, window by window; without an agent's name, with the trained one that comes with the package.

    Raises:
        AgentError: Nobody of this name plays here.
        ClusterError: A window could not be replayed.
    """
    check_place(request.to, "--to")
    variant = variant_named(request.season.variant or VARIANTS[0])
    prices = Prices(checked_kappa(request.season.kappa), variant.restart_price)
    series, _ = generated(variant, [request.seed], request.season.kind)
    name = request.agent or _trained(variant)
    with interruptible("nothing was saved") as should_stop, stopping_when(should_stop):
        played = _windows(_requests(name, series, variant, prices), series, variant)[: request.steps]
        said = None if request.cluster.cluster == EMBEDDED else _replayed(request, played, variant)
    typical = float(series.typical[0])
    records = [_record(number, each, typical, variant, prices) for number, each in enumerate(played, 1)]
    for record, word in zip(records, said or (), strict=False):
        record["cluster_exceeded"] = word
    agreed = None if said is None else sum(word == each.exceeded for word, each in zip(said, played, strict=True))
    facts = {
        "variant": variant.name,
        "kind": KINDS[series.kinds[0]],
        "seed": request.seed,
        "kappa": prices.kappa,
        "windows": len(played),
        "exceeded": sum(each.exceeded for each in played),
        "changed": sum(each.changed for each in played),
        "held": sum(each.request for each in played) / len(played) / typical,
        "cost": sum(record["cost"] for record in records) / len(played),
        **({} if agreed is None else {"cluster_agrees": agreed}),
    }
    if request.to is not None:
        _save(request.to, _title(name, facts, variant), played, series, variant)
    if request.as_json:
        print_json({"environment": SEASON_ID, **facts, "records": records})
    else:
        tables.show(windows(records, excess_of(variant)))
        tables.show_facts(facts)
    if agreed is not None and agreed < len(played):
        fail(f"--cluster {request.cluster.cluster}: says otherwise in {count(len(played) - agreed, 'window')}")


def _trained(variant: Variant) -> str:
    """The trained agent that comes with the package."""
    if variant.name != TRAINED_FOR:
        raise AgentError(
            f"--variant {variant.name}: the trained agent is for {TRAINED_FOR}; name another: --agent NAME"
        )
    return str(season_model_path())


def _requests(name: str, series: Series, variant: Variant, prices: Prices) -> list[int]:
    """What is requested in each window, in steps."""
    if name == OPTIMUM:
        _, plan = clairvoyant_plan(series, 0, variant, prices)
        start, growth = start_request(series.peaks[0], variant.largest), float(series.growth[0])
        followed = follow(plan, series.peaks[0, WARM_UP:], growth, series.deploys[0, WARM_UP:], start, variant)
        return [each.request for each in followed]
    if name in _RULES:
        requests = baselines.play(_RULES[name], series, variant, prices).requests
    elif Path(name).exists():
        requests = play(greedy(load_agent(Path(name), season())), series, variant, prices.kappa).requests
    else:
        raise AgentError(f"--agent {name}: no file of a model; {nearest(name, (*_RULES, OPTIMUM))}")
    return [int(each) for each in requests[0]]


def _windows(requests: Sequence[int], series: Series, variant: Variant) -> list[Window]:
    """What each window is like with these requests."""
    before, age, windows = start_request(series.peaks[0], variant.largest), 0, []
    peaks, growth, deploys = series.peaks[0, WARM_UP:], float(series.growth[0]), series.deploys[0, WARM_UP:]
    for request, fresh, deploy in zip(requests, peaks.tolist(), deploys.tolist(), strict=True):
        changed = request != before
        start = 0 if changed else age
        window = play_window(request, start, _KEEP, fresh, growth, deploy, variant.kills, variant.largest)
        windows.append(window._replace(changed=changed))
        before, age = request, window.age
    return windows


def _replayed(request: EpisodeRequest, played: Sequence[Window], variant: Variant) -> list[bool]:
    """Of each window, whether the cluster says that use was above the request."""
    said = []
    with request.cluster.opened(request.open_bucket) as place, err.status("replaying") as status:
        assert place is not None  # noqa: S101  (only the embedded cluster is)
        for number, each in enumerate(played, 1):
            stop_if_asked()
            status.update(f"replaying window {number} of {len(played)}")
            said.append(exceeded_on(place, window_scenario(variant, each.request, each.peak, number)))
    return said


def _record(number: int, window: Window, typical: float, variant: Variant, prices: Prices) -> dict[str, Any]:
    week, rest = divmod(number - 1, WARM_UP)
    day, time = divmod(rest, WINDOWS_A_DAY)
    return {
        "window": number,
        "starts": f"week {week + 1} {_DAYS[day]} {24 // WINDOWS_A_DAY * time:02}:00",
        "request": amount(window.request, variant),
        "peak": amount(window.peak, variant),
        "exceeded": window.exceeded,
        "changed": window.changed,
        "cost": window_cost(window.request, window.changed, window.exceeded, typical, prices),
    }


def windows(records: Sequence[Mapping[str, Any]], excess: str) -> FittedTable:
    table = FittedTable("window", "starts", "request", "peak", "", "cost", right=(0, 2, 3, 5))
    for record in records:
        told = [*([excess] if record["exceeded"] else []), *(["changed"] if record["changed"] else [])]
        if record.get("cluster_exceeded", record["exceeded"]) != record["exceeded"]:
            told.append("the cluster says otherwise")
        cells = (record["starts"], record["request"], record["peak"], ", ".join(told), f"{record['cost']:.2f}")
        table.add_row(str(record["window"]), *cells)
    return table


def _title(name: str, facts: Mapping[str, Any], variant: Variant) -> str:
    wrong = f"{excess_of(variant)} in {facts['exceeded']} of {count(facts['windows'], 'window')}"
    means = f"cost {facts['cost']:.3f}, held {facts['held']:.2f}"
    return f"{Path(name).name}: {variant.name}, {facts['kind']}, seed {facts['seed']}: {means}, {wrong}"


def _save(path: Path, text: str, played: Sequence[Window], series: Series, variant: Variant) -> None:
    """Write the picture of the warm-up and the windows."""
    start = start_request(series.peaks[0], variant.largest)
    peaks = [*series.peaks[0, :WARM_UP].tolist(), *(each.peak for each in played)]
    requests = [float(start)] * WARM_UP + [float(each.request) for each in played]
    over = [False] * WARM_UP + [each.exceeded for each in played]
    buffer = io.BytesIO()
    Image.fromarray(windows_picture(text, peaks, requests, over, variant)).save(buffer, "PNG")
    write_atomic(path, buffer.getvalue())
