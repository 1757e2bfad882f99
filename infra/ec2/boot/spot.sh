#!/usr/bin/env bash
# Waits for the notice that EC2 takes a spot instance back in two minutes.
# shellcheck source-path=SCRIPTDIR
. "${BASH_SOURCE%/*}/common.sh"
until notice=$(metadata spot/instance-action 2>/dev/null); do sleep "${SIM_ARENA_POLL_S:-5}"; done
exec "$bin/end.sh" ending "spot interruption: $notice"
