"""Where an episode stands, as one line of text."""

from __future__ import annotations

from env.actions import Action
from env.observation import Observation
from env.quantity import format_cpu, format_memory
from env.words import count


def line(
    name: str, steps: int, action: Action | None, reason: str | None, observation: Observation, target: int
) -> str:
    """Where an episode stands, for people; `action` is None after a reset, `reason` says why it was blocked if so."""
    o, r = observation, observation.resources
    done = action.name.lower() if action is not None else "reset"
    blocked = f" (blocked: {reason})" if reason else ""
    asked = f"{r.replicas} x {format_cpu(r.cpu_m)}, {format_memory(r.memory_bytes)}"
    failing = "".join(
        f", {pods} {what}" for pods, what in ((o.oom_killed, "OOM-killed"), (o.cpu_starved, "CPU-starved")) if pods
    )
    failing += f", neighbours lack {count(o.broken, 'pod')}" if o.broken else ""
    pods = f"{o.ready} ready, {o.pending} pending{failing}, target {target}"
    return f"{name} step {steps}: {done}{blocked} -> {asked}: {pods}"
