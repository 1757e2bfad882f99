"""How an instance ends itself: without work, after its time, before EC2 takes it back; see `rig`."""

from __future__ import annotations

import os
import time
from pathlib import Path

from imds import INSTANCE_ID, Imds
from rig import NOTHING, OFF, SHIM, Rig, eventually

from infra.ec2.watch.reports import ReportedState
from protocol.wire import keys


def test_a_machine_without_a_sign_of_work_ends_itself_and_leaves_its_logs(rig: Rig) -> None:
    rig.born(NOTHING).works(for_s=31 * 60)
    rig.run("keep.sh")
    assert rig.calls[0] == "systemctl stop sim-arena-worker.service"
    assert rig.is_off()
    assert (rig.status().state, rig.status().step) == (ReportedState.ENDING, 6)
    assert rig.status().doing == "no sign of work for 31 minutes"
    assert rig.said("worker.log") == "10:00:00 working\n"
    assert rig.said("boot.log") == "step 6 of 6\n"


def test_a_machine_at_work_goes_on_and_is_seen_each_minute(rig: Rig) -> None:
    rig.born(NOTHING).works(for_s=29 * 60)
    assert rig.run("keep.sh").returncode == 0
    assert not any("poweroff" in call or "stop" in call for call in rig.calls)
    assert rig.status().state is ReportedState.WORKING
    assert rig.said("worker.log") == "10:00:00 working\n"


def test_a_log_is_written_again_only_when_it_has_changed_and_never_more_than_64_kib_of_it(rig: Rig) -> None:
    rig.born(NOTHING).works().run("keep.sh")
    (rig.shims / "bucket" / keys.machine_file(INSTANCE_ID, "worker.log")).unlink()
    rig.run("keep.sh")
    assert not (rig.shims / "bucket" / keys.machine_file(INSTANCE_ID, "worker.log")).exists()
    (rig.shims / "journal").write_text("x" * 100_000 + "the end")
    rig.run("keep.sh")
    assert len(rig.said("worker.log")) == 65_536
    assert rig.said("worker.log").endswith("the end")


def test_a_machine_that_has_just_started_has_time_though_its_last_work_is_long_ago(rig: Rig) -> None:
    rig.born(NOTHING).works(for_s=86_400)
    (rig.root / "proc/uptime").write_text("70.00 1.00\n")
    rig.run("keep.sh")
    assert OFF not in rig.calls


def test_a_machine_that_has_never_shown_a_sign_of_work_ends_itself(rig: Rig) -> None:
    rig.born(NOTHING).works()
    (rig.root / "var/lib/sim-arena/busy").unlink()
    rig.run("keep.sh")
    assert rig.is_off()


def test_a_boot_that_hangs_is_ended_as_a_failure_that_names_the_step(rig: Rig) -> None:
    rig.born(NOTHING).works(for_s=31 * 60)
    (rig.root / "run/sim-arena/status.json").write_text(
        '{"state": "booting", "doing": "torch", "step": 4, "steps": 6, "since": 1}\n'
    )
    rig.run("keep.sh")
    assert rig.is_off()
    assert (rig.status().state, rig.status().step) == (ReportedState.FAILED, 4)
    assert rig.status().doing == "torch: not done after 31 minutes"


def test_a_machine_past_its_time_ends_itself_though_it_was_restarted(rig: Rig) -> None:
    rig.born(NOTHING).works()
    born = rig.root / "var/lib/sim-arena/born"
    born.touch()
    os.utime(born, (time.time() - 12 * 3600 - 60,) * 2)
    rig.run("keep.sh")
    assert rig.is_off()
    assert rig.status().doing == "has run for its time"


def test_the_deadline_ends_a_machine_at_work(rig: Rig) -> None:
    rig.born(NOTHING).works()
    script, *arguments = rig.exec_start("sim-arena-deadline.service")
    assert script == rig.script("end.sh")
    rig.run("end.sh", arguments[0], " ".join(arguments[1:]).strip('"'))
    assert rig.calls[0] == "systemctl stop sim-arena-worker.service"
    assert rig.is_off()
    assert rig.status().doing == "has run for its time"


def test_who_ends_a_machine_first_says_why_and_who_comes_later_only_powers_off(rig: Rig) -> None:
    rig.born(NOTHING).works().run("end.sh", "ending", "first")
    once = rig.calls
    rig.run("end.sh", "failed", "second")
    assert (rig.status().state, rig.status().doing) == (ReportedState.ENDING, "first")
    assert rig.calls == [*once, OFF]


def test_who_comes_later_waits_until_the_worker_has_saved(rig: Rig) -> None:
    rig.born(NOTHING).works()
    calls, saved = rig.shims / "calls", rig.shims / "saved"
    os.mkfifo(saved)
    rig.shim("systemctl", f"{SHIM}\n[[ $1 != stop ]] || {{ read -r <{saved}; echo saved >>{calls}; }}\n")
    with rig.started("end.sh", "ending", "first") as first:
        eventually(lambda: "systemctl stop sim-arena-worker.service" in rig.calls, first, calls)
        with rig.started("end.sh", "ending", "second") as second:
            children = Path(f"/proc/{second.pid}/task/{second.pid}/children")
            eventually(lambda: any(_name(child) == "flock" for child in children.read_text().split()), second, calls)
            saved.write_text("now\n")
    assert [call for call in rig.calls if "journalctl" not in call] == [
        "systemctl stop sim-arena-worker.service",
        "saved",
        OFF,
        OFF,
    ]
    assert rig.status().doing == "first"


def _name(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""  # it has ended


def test_a_spot_instance_that_is_taken_back_stops_its_worker_first(rig: Rig, imds: Imds) -> None:
    rig.born(NOTHING).works()
    rig.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = imds.endpoint
    with rig.started("spot.sh") as spot:
        log = rig.shims / "calls"
        eventually(lambda: imds.log.count("GET /latest/meta-data/spot/instance-action") >= 2, spot, log)
        assert rig.calls == []
        imds.interrupt()
        spot.wait(60)
    assert rig.calls[0] == "systemctl stop sim-arena-worker.service"
    assert rig.is_off()
    assert rig.status().doing.startswith("spot interruption: { action : terminate ,")
