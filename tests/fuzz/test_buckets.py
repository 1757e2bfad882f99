"""A bucket with hostile objects: no process fails on them, and the healthy federation ends with its weights."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostile
import tensor_files
import torch  # noqa: F401 (what commands import late is no case's memory)
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.proof.simulation.run import report_in_short
from infra.proof.standin import (
    TTL_S,
    add_sync_server,
    add_worker,
    all_over,
    bucket_of,
    federation,
    final_weights,
    undisturbed,
)
from infra.proof.virtual_time import World
from protocol.commands import cancel, download, inspect, purge, status
from protocol.commands.report import rendered
from protocol.jobs.submit import submit_federation
from protocol.report.publisher import Publisher
from protocol.report.reader import GroupReader
from protocol.wire import ids

HEALTHY = undisturbed(2)
NAMES = ("x", "x-m0000", "h", "h-m0001", "..", "%2e%2e", "é", "a\nb", "")
PLACES = (
    "jobs/pending/{}/manifest.json",
    "jobs/finished/{}/manifest.json",
    "jobs/rejected/{}/manifest.json",
    "jobs/in_progress/{}/claim-0001.json",
    "jobs/in_progress/{}/claim-999999999.json",
    "jobs/in_progress/{}/heartbeat-0001.json",
    "jobs/in_progress/{}/released-0001.json",
    "jobs/in_progress/{}/cancel.json",
    "jobs/pending/{}",
    "results/{}/result.json",
    "results/{}/train.log",
    "results/{}/checkpoint_final.json",
    "results/{}/checkpoint_final.safetensors",
    "results/{}/state/ep_000001.safetensors",
    "results/{}/../../evil",
    "federations/active/{}",
    "federations/{}/federation.json",
    "federations/{}/outcome.json",
    "federations/{}/rounds/000001/updates/0.safetensors",
    "federations/{}/rounds/000001/round.json",
    "federations/{}/rounds/000001/global_weights.safetensors",
    # Beside the healthy federation's own objects:
    "federations/g/rounds/000001/updates/7.safetensors",
    "federations/g/rounds/000001/updates/00.safetensors",
    "federations/g/rounds/000001/updates/-1.safetensors",
    "federations/g/rounds/000001/updates/0.safetensors.bak",
    "federations/g/rounds/1/round.json",
    "federations/g/{}",
    "federations/{}/report.html",
    "results/g-m0000/state/ep_1.safetensors",
    "results/g-m0000/{}",
    "jobs/in_progress/g-m0000/claim-1.json",
    "jobs/in_progress/g-m0000/claim-\u0661\u0660\u0660\u0660.json",
    "{}",
)
HONEST = [federation(2).to_bytes(), b"{}", b"5", b"", b"[" * 10_000, tensor_files.GOOD]


def poisoned(world: World, chance: random.Random) -> None:
    """Forty objects of strangers, under names of theirs or beside those of the healthy federation."""
    bodies = [*HONEST, chance.randbytes(50), *(hostile.damaged(body, chance) for body in HONEST)]
    for _ in range(40):
        key = chance.choice(PLACES).format(chance.choice(NAMES))
        bucket_of(world).store.put(key, chance.choice(bodies), {"facts": "{", "é": ""}, create_only=False)


def looks(world: World, folder: Path) -> list[Callable[[], Any]]:
    """What the commands ask about everything that is there."""
    bucket = bucket_of(world)
    names = [name for name in NAMES if ids.is_id(name)]
    asked: list[Callable[[], Any]] = [lambda: status.all_jobs(bucket, TTL_S, 20)]
    for name in [*names, "g", "g-m0000"]:
        asked += [
            lambda name=name: status.federation_summary(bucket, name, TTL_S),
            lambda name=name: inspect.about(bucket, name, TTL_S),
            lambda name=name: inspect.text_of(bucket, name, "train.log"),
            lambda name=name: inspect.describe_state(bucket, name),
            lambda name=name: rendered(
                GroupReader(bucket, status.require_federation(bucket, name)).read(), bucket=bucket.name
            ),
            lambda name=name: download.download(bucket, name, folder / "inner" / "downloads"),
        ]
    for name in names:
        asked += [lambda name=name: cancel.cancel(bucket, name, TTL_S), lambda name=name: purge.purge(bucket, name)]
    return asked


@settings(settings.get_profile("fuzz"))
@given(seed=st.integers(0, 2**64))
def test_a_poisoned_bucket_stops_no_process(seed: int) -> None:
    chance = random.Random(seed)
    world, wanted = World(seed=chance.randrange(1000)), federation(2)
    poisoned(world, chance)
    submit_federation(bucket_of(world), wanted)
    add_sync_server(world, reports=lambda bucket: Publisher(bucket, report_in_short, lambda line: None))
    workers = [add_worker(world, "w0"), add_worker(world, "w1")]
    hostile.answered("buckets: run", 0, lambda: world.run(all_over(world, wanted)))
    assert [worker.error for worker in workers] == [None, None]
    assert final_weights(world, wanted) == HEALTHY
    with tempfile.TemporaryDirectory() as folder:
        for ask in looks(world, Path(folder)):
            hostile.answered("buckets: commands", 0, ask)
        beside = [path for path in Path(folder).rglob("*") if path.is_file() and "downloads" not in path.parts]
        assert beside == []
    world.close()
