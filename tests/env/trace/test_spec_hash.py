from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from env.trace.document import load_trace
from env.trace.spec_hash import spec_hash


def last_specs(path: Path) -> dict[tuple[str, str], Any]:
    specs = {}
    for event in load_trace(path).events:
        for manifest in event["applied_objs"]:
            kind = f"{manifest['apiVersion']}.{manifest['kind']}"
            name = f"{manifest['metadata']['namespace']}/{manifest['metadata']['name']}"
            specs[kind, name] = manifest["spec"]
    return specs


@pytest.mark.parametrize(("name", "entries"), [("dsb-scaling", 27), ("cronjob", 1), ("hist_first", 4)])
def test_reproduces_the_index_of_real_traces(data: Path, name: str, entries: int) -> None:
    path = data / "traces" / f"{name}.sktrace"
    recorded = {(kind, key): value for kind, of in load_trace(path).index.items() for key, value in of.items()}
    assert len(recorded) == entries
    assert {key: spec_hash(spec) for key, spec in last_specs(path).items()} == recorded


def test_is_siphash_1_3_of_rust() -> None:
    assert spec_hash([]) == 15130871412783076140  # DefaultHasher::new().finish()
    assert spec_hash(None) == spec_hash(0)


def test_key_order_does_not_matter() -> None:
    assert spec_hash({"a": 1, "b": [True, -2, 0.5]}) == spec_hash({"b": [True, -2, 0.5], "a": 1})


def test_values_matter() -> None:
    specs = [{"a": 1}, {"a": -1}, {"a": 1.0}, {"a": "1"}, {"a": True}, {"a": None}, {"b": 1}, {}]
    assert len({spec_hash(spec) for spec in specs}) == len(specs)
