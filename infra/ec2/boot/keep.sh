#!/usr/bin/env bash
# Each minute: end a machine that shows no sign of work, for any reason; else report it in the bucket.
# shellcheck source-path=SCRIPTDIR
. "${BASH_SOURCE%/*}/common.sh"
mkdir -p "$run"
[[ -s $run/id ]] || metadata instance-id >"$run/id" || true

age() { echo $(($(date +%s) - $(stat -c %Y "$1" 2>/dev/null || echo 0))); }
read -r up _ <"$R/proc/uptime"
idle=$(age "$state/busy")
idle=$((idle < ${up%.*} ? idle : ${up%.*})) # the file may be of an earlier life, or missing
if ((idle > IDLE_S)); then
    if [[ $(said state) == booting ]]; then
        exec "$bin/end.sh" failed "$(said doing): not done after $((idle / 60)) minutes"
    fi
    exec "$bin/end.sh" ending "no sign of work for $((idle / 60)) minutes"
fi
if [[ -e $state/born ]] && (($(age "$state/born") > MAX_S)); then # the timer starts anew when a machine does
    exec "$bin/end.sh" ending "has run for its time"
fi
if [[ -e $run/status.json ]]; then put status.json "$run/status.json"; fi
put_logs
