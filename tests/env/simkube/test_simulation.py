"""The Simulation that SimKube gets."""

from __future__ import annotations

import pytest

from env.errors import ClusterError, ConfigError
from env.simkube.settings import SimKubeSettings
from env.simkube.simulation import MAX_NAME, Manifest, simulation


def made(name: str = "arena-1", url: str = "file:///data/x.sktrace", **more: object) -> Manifest:
    return simulation(name, url, driver_image="sk-driver:v2.7.0", duration_s=60.2, **more)  # type: ignore[arg-type]


def test_a_simulation_has_what_every_version_needs_and_nothing_else() -> None:
    assert made() == {
        "apiVersion": "simkube.io/v1",
        "kind": "Simulation",
        "metadata": {"name": "arena-1", "labels": {"app.kubernetes.io/managed-by": "sim-arena"}},
        "spec": {
            "driver": {
                "image": "sk-driver:v2.7.0",
                "namespace": "simkube",
                "port": 8888,
                "tracePath": "file:///data/x.sktrace",
            },
            "duration": "62s",
            "speed": 1.0,
            "repetitions": 1,
            "lifecycleParams": {},
        },
    }


def test_secrets_become_the_drivers_environment() -> None:
    assert made(driver_secrets=("aws",))["spec"]["driver"]["secrets"] == ["aws"]


@pytest.mark.parametrize("name", ["", "Arena", "1arena", "a_b", "arena-", "a" * (MAX_NAME + 1), "a.b"])
def test_a_name_that_makes_no_service_is_refused(name: str) -> None:
    with pytest.raises(ClusterError, match="must be a DNS label of at most 49 characters"):
        made(name)


@pytest.mark.parametrize("url", ["/data/x", "data/x", "", "//data/x", "File:///x"])
def test_a_trace_path_without_a_scheme_is_refused(url: str) -> None:
    with pytest.raises(ClusterError, match="must be a URL with a scheme"):
        made(url=url)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"settle": 3}, "simkube setting settle: unknown; there are driver_image, "),
        ({"settle_s": -1}, "simkube setting settle_s=-1: Input should be greater than 0"),
        ({"settle_s": float("nan")}, "simkube setting settle_s=nan: "),
        ({"before_episode": "rm -r x"}, "simkube setting before_episode='rm -r x': Input should be a valid tuple"),
        ({"before_episode": [[]]}, "simkube setting before_episode.0="),
    ],
)
def test_a_wrong_setting_is_one_line(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        SimKubeSettings.read(values)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
