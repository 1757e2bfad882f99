"""The scenarios that an environment is made with: given ones, those of traces, or those of manifests."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from env.errors import ConfigError
from env.problems.scenario import Scenario, scenario_from_trace
from env.trace.document import Trace, load_trace, trace_files

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def chosen_scenarios(
    scenarios: Sequence[Scenario] | None, trace: Paths | None, filename: Paths | None
) -> tuple[Scenario, ...] | None:
    """What episodes are about; None: they are generated.

    Args:
        scenarios: Given ones.
        trace: Files of SimKube traces, or folders of them: each workload of each is a scenario.
        filename: Manifests, as kubectl takes them: all of them are one cluster, and each workload is a scenario.

    Raises:
        ConfigError: More than one of these is given, or there is no scenario in it.
        TraceError, ManifestError, ScenarioError: They cannot be read, or are no problem to solve.
    """
    given = {"scenarios": scenarios, "trace": trace, "filename": filename}
    named = [name for name, each in given.items() if each is not None]
    if len(named) > 1:
        raise ConfigError(f"{named[0]} and {named[1]}: give one of them")
    if trace is not None:
        found = tuple(
            each for path in _paths(trace, "trace") for file in trace_files(path) for each in _of(load_trace(file))
        )
    elif filename is not None:
        from env.snapshot import read_manifests, trace_of

        found = tuple(_of(trace_of(read_manifests(_paths(filename, "filename")))))
    elif scenarios is None:
        return None
    else:
        found = tuple(scenarios)
    if not found:
        raise ConfigError(f"{named[0]}: must hold at least one workload; without it, scenarios are generated")
    return found


def _of(trace: Trace) -> Iterator[Scenario]:
    workloads = trace.workloads()
    if len(workloads) < 2:  # then a trace may say more of it
        yield scenario_from_trace(trace, name=trace.name)
        return
    for each in workloads:
        name = f"{trace.name} {each}"
        yield scenario_from_trace(trace, name=name, deploy=each.name, namespace=each.namespace, kind=each.kind)


def _paths(given: Paths, keyword: str) -> list[str]:
    every = [given] if isinstance(given, str | os.PathLike) else given
    if not isinstance(every, Sequence) or not all(isinstance(each, str | os.PathLike) and each for each in every):
        raise ConfigError(f"{keyword} {given!r:.80}: must be a path, or several")
    return [os.fspath(each) for each in every]
