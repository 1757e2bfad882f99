"""What `worker` ends with."""

from __future__ import annotations

import threading

import pytest
import typer

from protocol.commands.working import work
from protocol.wire.bucket import Bucket
from protocol.wire.clock import system_clock
from protocol.wire.memory import MemoryS3


@pytest.mark.parametrize("told_to_stop", [False, True])
def test_a_worker_that_leaves_when_idle_has_done_its_work_only_if_it_was_not_told_to_stop(told_to_stop: bool) -> None:
    """Else who starts workers, such as a Kubernetes Job, would take a stopped one for done."""
    stop = threading.Event()
    if told_to_stop:
        stop.set()
    place, codes = Bucket(MemoryS3().store("test"), system_clock(stop)), list[int]()
    try:
        work(place, "w", 60.0, None, run_once=False, exit_when_idle=True, job=None, at_work=lambda: None)
    except typer.Exit as ended:
        codes.append(ended.exit_code)
    assert codes == ([130] if told_to_stop else [])
