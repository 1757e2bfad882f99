#!/usr/bin/env bash
# end.sh STATE WHY: the worker saves and releases its job, the last logs go to the bucket, the machine powers off.
# The last of that happens whatever fails or hangs before it.
# shellcheck source-path=SCRIPTDIR
trap 'timeout 20 systemctl poweroff --force || poweroff --force --force' EXIT
. "${BASH_SOURCE%/*}/common.sh"
set +e
timeout -k 5 120 systemctl stop sim-arena-worker.service
mkdir -p "$run"
status "$1" "$2"
put_logs
