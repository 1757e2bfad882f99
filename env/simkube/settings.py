"""The settings of a SimKube cluster; every one has a default that suits SimKube 2.3 to 2.7."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from env.errors import ConfigError, reason

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Command = Annotated[tuple[str, ...], Field(min_length=1)]


class SimKubeSettings(BaseModel):
    """How simulations are run and how long things may take.

    Attributes:
        driver_image: sk-driver's image; None: the one that belongs to the sk-ctrl in the cluster.
        driver_secrets: Secrets in the namespace `simkube` with the driver's environment, for traces in S3.
        speed: Seconds of the trace in one second. Above 1, gaps shorter than `speed` seconds vanish, and so does
            what autoscalers would have done in them.
        any_nodes: Accept virtual nodes that are not those of the scenario.
        settle_s: So long nothing may change before pods that are not Ready count as decided. The scheduler looks at
            a refused pod again after up to 10 s.
        start_timeout_s: Until the driver runs, once the cluster is free.
        replay_slack_s: What a replay may take beyond the trace's own length.
        settle_timeout_s: Until the pods have settled, once the replay has ended.
        reset_timeout_s: Until the simulation before, its namespaces and its lease are gone, beyond the length of the
            replay. One that a killed process left ends itself `replay_slack_s` and `settle_timeout_s` after its replay.
        request_timeout_s: One request to the API server.
        poll_s: Between two looks at the cluster.
        before_episode: Commands, each a list of arguments, run before an episode's first simulation. No shell.
        after_episode: Commands run after its last one.
        hook_timeout_s: One such command.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    driver_image: str | None = None
    driver_secrets: tuple[str, ...] = ()
    speed: Annotated[float, Field(gt=0, le=1_000, allow_inf_nan=False)] = 1.0
    any_nodes: bool = False
    settle_s: Seconds = 10.0
    start_timeout_s: Seconds = 180.0
    replay_slack_s: Seconds = 120.0
    settle_timeout_s: Seconds = 120.0
    reset_timeout_s: Seconds = 300.0
    request_timeout_s: Seconds = 10.0
    poll_s: Seconds = 0.5
    before_episode: tuple[Command, ...] = ()
    after_episode: tuple[Command, ...] = ()
    hook_timeout_s: Seconds = 120.0

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> SimKubeSettings:
        """The settings of names and values.

        Raises:
            ConfigError: A name that does not exist, or a value out of range.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(map(str, first["loc"]))
            if first["type"] == "extra_forbidden":
                raise ConfigError(
                    f"simkube setting {name}: unknown; there are {', '.join(cls.model_fields)}"
                ) from error
            raise ConfigError(f"simkube setting {name}={first['input']!r:.80}: {reason(first)}") from error
