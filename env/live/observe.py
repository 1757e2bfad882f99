"""What a doctor's eighteen features are of a real cluster. The arithmetic is that of `env.doctor.features`."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env.doctor.features import FEATURES, UNKNOWN_USE, Counts, clipped, write_counts, write_flags
from env.live.findings import is_unavailable
from env.live.pods import PodState, pod_state, read_time
from env.live.reading import Seen
from env.live.usage import cluster_use, is_cordoned, is_ready, not_ready_nodes
from env.untrusted import mapping, name

RECENT = timedelta(minutes=10)
"""Events last seen longer ago do not count. What goes on failing is told again within it: kubelets and schedulers
wait five minutes at most."""
CPU, MEMORY = 11, 12


def counts(seen: Seen) -> Counts:
    """Nodes, pods, Deployments and Events, as the features count them."""
    not_ready = not_ready_nodes(seen)
    states = Counter(pod_state(each, not_ready, seen.at) for each in seen.pods)
    warnings, normal = recent_events(seen)
    return Counts(
        nodes=len(seen.nodes),
        nodes_ready=sum(is_ready(each) and not is_cordoned(each) for each in seen.nodes),
        nodes_not_ready=len(not_ready),
        pods=states.total() - states[PodState.LEFT_OUT],
        pods_running=states[PodState.RUNNING],
        pods_pending=states[PodState.PENDING],
        pods_failed=states[PodState.FAILED],
        pods_unknown=states[PodState.UNKNOWN],
        deployments=len(seen.deployments),
        deployments_unavailable=sum(map(is_unavailable, seen.deployments)),
        events_warning=warnings,
        events_normal=normal,
    )


def recent_events(seen: Seen) -> tuple[int, int]:
    """Objects of which a Warning was told lately, and Normal Events."""
    recent = [each for each in seen.events if is_recent(each, seen)]
    warned = {_about(each) for each in recent if each.get("type") == "Warning"}
    return len(warned), sum(each.get("type") != "Warning" for each in recent)


def is_recent(event: Any, seen: Seen) -> bool:
    """Whether an Event was told within RECENT."""
    series = mapping(event.get("series"))
    texts = (event.get("lastTimestamp"), series.get("lastObservedTime"), event.get("eventTime"),
             mapping(event.get("metadata")).get("creationTimestamp"))  # fmt: skip
    when = next((found for each in texts if (found := read_time(each)) is not None), None)
    return when is not None and seen.at - when < RECENT


def state_of(seen: Seen, known: Any) -> NDArray[np.float32]:
    """The features, float32 of shape (18,), of what was read and what is known (see `env.doctor.faults`)."""
    state = counted(seen)
    write_flags(known, state)
    return state


def counted(seen: Seen) -> NDArray[np.float32]:
    """The features that do not depend on what a doctor knows; the last three are 0."""
    state = np.zeros(len(FEATURES), np.float32)
    write_counts(counts(seen), state)
    used = cluster_use(seen)
    state[CPU], state[MEMORY] = (UNKNOWN_USE,) * 2 if used is None else (clipped(each, 1.0) for each in used)
    return state


def _about(event: Any) -> tuple[str, str, str]:
    about = mapping(event.get("involvedObject"))
    return name(about.get("kind")), name(about.get("namespace")), name(about.get("name"))
