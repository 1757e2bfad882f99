# shellcheck shell=bash disable=SC2034
# What the scripts of a machine share. All paths are below $R, which is empty but in tests.
set -euo pipefail
export LC_ALL=C HOME="${HOME:-/root}" AWS_PAGER='' AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS="${AWS_MAX_ATTEMPTS:-6}"
R=${SIM_ARENA_ROOT:-}
bin=$R/opt/sim-arena/bin
code=$R/opt/sim-arena/code
venv=$R/opt/sim-arena/venv
site=$venv/lib/python3.11/site-packages
state=$R/var/lib/sim-arena # systemd gives it to the worker's user, with all that is in it, when the worker starts
run=$R/run/sim-arena
log=$R/var/log/sim-arena-boot.log
if [[ -e $run/orders ]]; then
    # shellcheck disable=SC1091
    . "$run/orders"
else
    # shellcheck disable=SC1091
    . "$R/etc/sim-arena/orders"
fi

# Every request says whose bucket it must be: a name that was given up can be anyone's.
owner=(${SIM_ARENA_BUCKET_OWNER:+--expected-bucket-owner "$SIM_ARENA_BUCKET_OWNER"})

# put NAME FILE: into the bucket. A failure is said and does no harm: it must end neither a boot nor an ending.
put() {
    [[ -s $run/id ]] || return 0
    mkdir -p "$run/sent"
    (
        flock -w 30 9 # what is put last was also read last
        timeout -k 5 20 aws s3api put-object "${owner[@]}" --bucket "$SIM_ARENA_BUCKET" --key "workers/$(<"$run/id")/$1" \
            --body "$2" >/dev/null && cp "$2" "$run/sent/$1"
    ) 9>"$run/lock" || echo "sim-arena: $1 could not be written to the bucket" >&2
}

# put_tail NAME FILE: its last 64 KiB, unless they are there already.
put_tail() {
    if [[ ! -s $2 ]]; then return; fi
    tail -c 65536 "$2" >"$run/$1"
    cmp -s "$run/$1" "$run/sent/$1" || put "$1" "$run/$1"
}

put_logs() {
    timeout 20 journalctl -u sim-arena-worker -o short-iso --no-pager -n 2000 --quiet >"$run/journal" || true
    put_tail worker.log "$run/journal"
    put_tail boot.log "$log"
}

# status STATE DOING
status() {
    local doing
    doing=$(tr -c ' !#-[]-~' ' ' <<<"${2:0:500}") # no quote, no backslash, ASCII
    printf '{"state": "%s", "doing": "%s", "step": %d, "steps": %d, "since": %d}\n' \
        "$1" "${doing% }" "${step:-$(said step)}" "${steps:-$(said steps)}" "$(date +%s)" >"$run/status.new"
    mv "$run/status.new" "$run/status.json"
    put status.json "$run/status.json"
}

# said NAME: a value of the last status
said() { sed -En "s/.*\"$1\": \"?([^\"]*)\"?[,}].*/\1/p" "$run/status.json" 2>/dev/null || true; }

# metadata PATH: what the instance metadata service says
metadata() {
    local token
    token=$(imds api/token -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60')
    imds "meta-data/$1" -H "X-aws-ec2-metadata-token: $token"
}
imds() {
    local endpoint=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}
    curl -sS --fail --noproxy '*' --max-time 5 "${@:2}" "$endpoint/latest/$1"
}
