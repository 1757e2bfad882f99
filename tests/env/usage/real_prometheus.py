"""The real Prometheus in the place of the fake one: the same series, written into its store, and the same tests.

    SIM_ARENA_PROMETHEUS=FOLDER pytest tests/env/usage/test_prometheus.py

FOLDER has the programs `prometheus` and `promtool`, built from the Go module github.com/prometheus/prometheus.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import urllib3
from fake_prometheus import DAY_S, NOW, Labels, minutes

PROGRAMS = os.environ.get("SIM_ARENA_PROMETHEUS")  # the fixture of all tests hides it from them


_ODD = {float("inf"): "+Inf", float("-inf"): "-Inf"}


class RealPrometheus:
    """Starts, with what it was given, when it is asked for the first time; most methods are as the fake's."""

    def __init__(self, programs: str) -> None:
        self.most_samples: int | None = None
        self.queries: list[tuple[str, float]] = []
        self._programs = Path(programs)
        self._series: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
        self._folder = tempfile.TemporaryDirectory()
        self._process: subprocess.Popen[bytes] | None = None
        self._started_with: object = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def add(self, metric: str, labels: Labels, points: Iterable[tuple[float, float]]) -> None:
        text = ",".join(f'{key}="{value}"' for key, value in labels.items())
        self._series[metric][text] += [(NOW - before, value) for before, value in points]

    def gauge(self, metric: str, labels: Labels, value: float, since_s: float = DAY_S, until_s: float = 0.0) -> None:
        self.add(metric, labels, ((before, value) for before in minutes(since_s, until_s)))

    def cpu(self, labels: Labels, cores: float, since_s: float = DAY_S, until_s: float = 0.0) -> None:
        points = ((before, cores * (since_s - before)) for before in minutes(since_s, until_s))
        self.add("container_cpu_usage_seconds_total", labels, points)

    def ready(self) -> None:
        """Have it run with what it was given."""
        state = (self.most_samples, sum(len(points) for each in self._series.values() for points in each.values()))
        if state == self._started_with:
            return
        self._stop()
        store = Path(self._folder.name) / f"store-{time.monotonic_ns()}"
        (Path(self._folder.name) / "series").write_text("".join(f"{line}\n" for line in self._lines()))
        (Path(self._folder.name) / "config.yml").write_text("{}\n")
        tsdb = [self._programs / "promtool", "tsdb", "create-blocks-from", "openmetrics", "-q"]
        if self._series:
            subprocess.run([*tsdb, Path(self._folder.name) / "series", store], check=True, stdout=subprocess.DEVNULL)
        limit = [] if self.most_samples is None else [f"--query.max-samples={self.most_samples}"]
        self._process = subprocess.Popen(
            [self._programs / "prometheus", f"--config.file={self._folder.name}/config.yml",
             f"--storage.tsdb.path={store}", "--storage.tsdb.retention.time=50y",
             f"--web.listen-address=127.0.0.1:{self._port}", "--log.level=error", *limit],
        )  # fmt: skip
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if urllib3.request("GET", f"{self.url}/-/ready", retries=False, timeout=5.0).status == 200:
                    break
            except urllib3.exceptions.HTTPError:
                pass
            time.sleep(0.1)
        self._started_with = state

    def _lines(self) -> Iterator[str]:
        """As OpenMetrics."""
        for metric, each in self._series.items():
            yield f"# TYPE {metric} unknown"
            for labels, points in each.items():
                for at, value in sorted(points):
                    yield f"{metric}{{{labels}}} {_ODD.get(value, value)} {at}"
        yield "# EOF"

    def close(self) -> None:
        self._stop()
        self._folder.cleanup()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
