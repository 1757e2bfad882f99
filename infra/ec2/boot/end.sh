#!/usr/bin/env bash
# end.sh STATE WHY: the worker saves and releases its job, the last logs go to the bucket, the machine powers off.
# The machine powers off even if an earlier step fails or hangs.
# shellcheck source-path=SCRIPTDIR
trap 'timeout 20 systemctl poweroff --force || poweroff --force --force' EXIT
. "${BASH_SOURCE%/*}/common.sh"
set +e
mkdir -p "$run"
# One at a time, and who comes first says why: to power off also ends a boot, which then comes here.
exec 8>"$run/end"
if ! flock -w 300 8 || [[ $(said state) =~ ^(ending|failed)$ ]]; then exit; fi
timeout -k 5 120 systemctl stop sim-arena-worker.service
status "$1" "$2"
put_logs
