"""Recordings of many scenarios, one after another; one that cannot be recorded does not end them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from env.errors import ClusterError
from env.fidelity.recorder import CleanUpError, record
from env.fidelity.truth import MAX_MESSAGE, RecordedNode, RecordedScenario
from env.kube.client import KubeApi


def record_all(
    api: KubeApi, scenarios: Sequence[RecordedScenario], repeat: int, token: str, others: Sequence[RecordedNode] = ()
) -> Iterator[RecordedScenario]:
    """Record each scenario `repeat` times; what cannot be recorded is yielded once, as `unrecorded`, and left then.

    Args:
        api: The cluster.
        scenarios: What to play.
        repeat: How often.
        token: Unique; namespaces begin with truth-<token>.
        others: From `other_nodes`.

    Raises:
        CleanUpError: A recording has left something behind.
    """
    for number, scenario in enumerate(scenarios):
        for again in range(repeat):
            try:
                yield record(api, scenario, f"{token}-{number}-{again}", others)
            except CleanUpError:
                raise
            except ClusterError as error:
                reason = str(error).removeprefix(f"scenario {scenario.id}: ")
                yield scenario.to_play().model_copy(update={"unrecorded": reason[:MAX_MESSAGE]})
                break
