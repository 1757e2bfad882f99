#!/usr/bin/env bash
# What sim-arena-worker.service runs.
# shellcheck source-path=SCRIPTDIR
. "${BASH_SOURCE%/*}/common.sh"
export SIM_ARENA_BUSY_FILE=$state/busy KUBECONFIG=$state/kubeconfig
options=(--cluster "$CLUSTER")
if [[ $CLUSTER == simkube ]]; then options+=(--trace-dir "$state/traces:/data"); fi
for setting in "${SIMKUBE[@]}"; do options+=(--simkube "$setting"); done
exec "$venv/bin/worker" "${options[@]}"
