"""What a machine gets at its launch: valid, small enough, and no value gets out of its quotes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from env.errors import ConfigError, SimArenaError, UsageError
from infra.ec2.launch import user_data
from infra.ec2.launch.pins import CLUSTER_PINS
from infra.ec2.launch.user_data import Artifact, Orders, render
from protocol.wire.errors import BadId

BOOT = Path(user_data.__file__).parents[1] / "boot"
WHEEL = Artifact(f"code/{'a' * 64}/sim_arena-0.1.0-py3-none-any.whl", "a" * 64)
LOCK = Artifact(f"code/{'b' * 64}/requirements.lock", "b" * 64)
EMBEDDED = Orders("the-bucket", "eu-central-1", "fleet-20261121-4f2a", WHEEL, LOCK, "embedded")
SIMKUBE = replace(EMBEDDED, cluster="simkube", simkube=("any_nodes=true",))
ALL = pytest.mark.parametrize(
    "orders", [EMBEDDED, SIMKUBE, replace(SIMKUBE, bake=True)], ids=["embedded", "simkube", "bake"]
)


def needs(command: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(command), reason=f"{command} is not installed")


def parsed(text: str) -> Any:
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # the slow one takes most of a test's time


def written(orders: Orders) -> dict[str, str]:
    """What cloud-init writes, by path."""
    return {file["path"]: file["content"] for file in parsed(render(orders))["write_files"]}


def variables(script: str, *names: str) -> list[str]:
    """What bash makes of variables, arrays one by one."""
    show = "\n".join(f'for value in "${{{name}[@]}}"; do printf "%s\\0" "$value"; done' for name in names)
    done = subprocess.run(["bash", "-euc", f"{script}\n{show}"], capture_output=True, check=True, timeout=20)
    assert done.stderr == b""
    return done.stdout.decode().split("\0")[:-1]


@ALL
def test_it_is_a_cloud_config_of_less_than_16_kb(orders: Orders) -> None:
    text = render(orders)
    assert text.startswith("#cloud-config\n")
    assert len(text.encode()) < 16_384


@needs("cloud-init")
@ALL
def test_cloud_init_finds_nothing_wrong_with_it(orders: Orders, tmp_path: Path) -> None:
    (tmp_path / "user-data").write_text(render(orders))
    check = ["cloud-init", "schema", "--config-file", str(tmp_path / "user-data")]
    done = subprocess.run(check, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@needs("shellcheck")
def test_shellcheck_finds_nothing_wrong_with_the_scripts() -> None:
    check = ["shellcheck", "--external-sources", *sorted(path.name for path in BOOT.glob("*.sh"))]
    done = subprocess.run(check, cwd=BOOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


@needs("systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for path, content in written(EMBEDDED).items():
        (tmp_path / Path(path).name).write_text(content.replace("/opt/sim-arena/bin", str(tmp_path)))
        (tmp_path / Path(path).name).chmod(0o755)
    units = sorted(str(path) for path in tmp_path.glob("sim-arena-*"))
    assert len(units) == 6
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, timeout=60)
    ours = [line for line in done.stderr.splitlines() if "sim-arena" in line and "executable" not in line.lower()]
    assert (done.returncode, ours) == (0, [])


def test_what_ends_the_machine_is_started_before_anything_that_can_fail() -> None:
    timers = ["sim-arena-deadline.timer", "sim-arena-keeper.timer"]
    assert parsed(render(SIMKUBE))["runcmd"] == [
        ["systemctl", "daemon-reload"],
        ["systemctl", "enable", *timers],
        ["systemctl", "restart", *timers],
        ["/opt/sim-arena/bin/boot.sh"],
    ]


def test_the_longest_life_is_kept_by_systemd_alone() -> None:
    files = written(replace(EMBEDDED, max_hours=1.5))
    assert "OnBootSec=5400\n" in files["/etc/systemd/system/sim-arena-deadline.timer"]
    service = files["/etc/systemd/system/sim-arena-deadline.service"]
    assert "SuccessAction=poweroff-force\nFailureAction=poweroff-force\n" in service
    assert "TimeoutStartSec=" in service


def test_the_worker_is_not_root_and_starts_again_after_every_exit() -> None:
    unit = written(EMBEDDED)["/etc/systemd/system/sim-arena-worker.service"]
    for line in ("User=sim-arena", "Restart=always", "StartLimitIntervalSec=0", "NoNewPrivileges=yes"):
        assert f"\n{line}\n" in unit


def test_all_the_machine_needs_of_other_projects_is_pinned() -> None:
    for download in ("KIND", "KWOK", "KWOK_STAGES", "CERT_MANAGER"):
        assert re.fullmatch(r"[0-9a-f]{64}", CLUSTER_PINS[f"{download}_SHA256"])
        assert re.fullmatch(r"https://github\.com/.+/v[0-9.]+/[a-z0-9.-]+", CLUSTER_PINS[f"{download}_URL"])
    assert re.fullmatch(r"[0-9a-f]{40}", CLUSTER_PINS["SIMKUBE_COMMIT"])
    assert re.fullmatch(r"kindest/node:v[0-9.]+@sha256:[0-9a-f]{64}", CLUSTER_PINS["NODE_IMAGE"])
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", CLUSTER_PINS["KWOK_DIGEST"])


TEXT = st.text(st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"]) | st.sampled_from(" '\"$`\\;&|#:-{}%!*\u00e9"))
USUAL = render(SIMKUBE)
HOSTILE = st.sampled_from(
    [
        "'; exit 9; '",
        "$(exit 9)",
        "`id`",
        '" --bucket other',
        "%n %% $HOME",
        "a: b # c",
        "- x",
        "@MAX_S@",
        "\\",
        "!!python/object:os.system",
        "' '\"'\"'",
    ]
)


@settings(max_examples=30, deadline=None)
@given(st.lists(TEXT | HOSTILE, max_size=3))
def test_every_setting_reaches_the_worker_unchanged_and_nothing_else_does(values: list[str]) -> None:
    names = ("driver_image={}", "before_episode=[[{}]]", "after_episode=[[{}]]")
    quoted = [value if number == 0 else json.dumps(value) for number, value in enumerate(values)]
    wanted = tuple(name.format(value) for name, value in zip(names, quoted, strict=False))
    try:
        orders = replace(SIMKUBE, simkube=wanted)
    except ConfigError:
        return  # such as a driver_image of 1
    document, usual = parsed(render(orders)), parsed(USUAL)
    first, first_usual = document["write_files"].pop(0), usual["write_files"].pop(0)
    assert document == usual
    assert {**first, "content": ""} == {**first_usual, "content": ""}
    assert variables(first["content"], "SIMKUBE", "BAKE") == [*wanted, "0"]


HERE: dict[str, Callable[[str], dict[str, Any]]] = {
    "bucket": lambda text: {"bucket": text},
    "region": lambda text: {"bucket_region": text},
    "group": lambda text: {"group": text},
    "wheel": lambda text: {"wheel": Artifact(f"code/{'a' * 64}/{text}", "a" * 64)},
    "hash": lambda text: {"lock": Artifact(f"code/{text}/requirements.lock", text)},
    "cpu": lambda text: {"node_cpu": text},
    "memory": lambda text: {"node_memory": text},
    "cluster": lambda text: {"cluster": text},
}


@pytest.mark.parametrize("place", HERE)
@pytest.mark.parametrize("text", ["", "x; reboot", "$(reboot)", "a\nb", "a'b", "../x", 'a"b', "ü"])
def test_names_and_sizes_that_cannot_be_are_refused(place: str, text: str) -> None:
    with pytest.raises(SimArenaError):
        replace(SIMKUBE, **HERE[place](text))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"max_hours": 0}, "--max-hours 0: use more than 0"),
        ({"max_hours": float("nan")}, "--max-hours nan"),
        ({"idle_minutes": -1}, "--idle-minutes -1"),
        ({"nodes": 0}, "--nodes 0: use 1 to 1000"),
        ({"simkube": ("speeed=2",)}, "speeed: unknown"),
        ({"simkube": ("driver_image=a\nb",)}, "control characters"),
        ({"cluster": "embedded"}, "--simkube: needs --cluster simkube"),
    ],
)
def test_orders_that_cannot_be_carried_out_are_refused_on_the_laptop(changes: dict[str, Any], said: str) -> None:
    with pytest.raises((UsageError, ConfigError, BadId), match=re.escape(said)):
        replace(SIMKUBE, **changes)


def test_settings_too_long_for_user_data_are_refused() -> None:
    with pytest.raises(UsageError, match="EC2 takes 16384"):
        render(replace(SIMKUBE, simkube=(f"driver_image={'x' * 4000}",)))


@pytest.mark.parametrize(
    ("account", "asked"), [("123456789012", ["--expected-bucket-owner", "123456789012"]), ("", [])]
)
def test_a_machine_asks_for_the_bucket_of_its_account_alone(account: str, asked: list[str], tmp_path: Path) -> None:
    files = written(replace(EMBEDDED, bucket_owner=account))
    root = tmp_path / "etc/sim-arena"
    root.mkdir(parents=True)
    (root / "orders").write_text(files["/etc/sim-arena/orders"])
    common = f"SIM_ARENA_ROOT={tmp_path}\n{files['/opt/sim-arena/bin/common.sh']}"
    assert variables(common, "owner") == asked
    calls = [line for text in files.values() for line in text.splitlines() if "aws s3api" in line]
    assert len(calls) == 2
    assert all('"${owner[@]}"' in line for line in calls)
    assert f"SIM_ARENA_BUCKET_OWNER={account or chr(39) * 2}" in files["/etc/sim-arena/orders"]


def test_an_account_that_cannot_be_is_no_order() -> None:
    with pytest.raises(BadId, match="12 digits"):
        replace(EMBEDDED, bucket_owner="12345; reboot")


def test_wheels_of_a_user_go_into_the_orders_under_their_hash() -> None:
    own = Artifact(f"code/{'c' * 64}/my_arena-1.0-py3-none-any.whl", "c" * 64)
    assert f"WITH=({own.key})" in render(replace(EMBEDDED, own_wheels=(own,)))
    with pytest.raises(UsageError, match="not a file of code/"):
        replace(EMBEDDED, own_wheels=(replace(own, sha256="d" * 64),))
