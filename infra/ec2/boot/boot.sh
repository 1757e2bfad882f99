#!/usr/bin/env bash
# From a bare machine to one that works, step by step. What is there already is not made again.
# shellcheck source-path=SCRIPTDIR
doing=start log=/dev/null
failed() {
    local exit=$?
    ((exit == 0)) || exec "${BASH_SOURCE%/*}/end.sh" failed "${doing//_/ }: $(grep . "$log" | tail -n 1) (exit code $exit)"
}
trap failed EXIT
. "${BASH_SOURCE%/*}/common.sh"

again() { # again SECONDS COMMAND...: until it succeeds
    local until=$((SECONDS + ${SIM_ARENA_PATIENCE_S:-$1}))
    until "${@:2}"; do
        ((SECONDS < until)) || return 1
        sleep "${SIM_ARENA_POLL_S:-5}"
    done
}

check() { # check FILE SHA256
    sha256sum --check --strict --status <<<"$2  $1" || { echo "$1: not what has the SHA-256 $2" && return 1; }
}

fetch() { # fetch FILE URL SHA256
    [[ -e $1 ]] && check "$1" "$3" && return
    curl -sS --fail --location --retry 5 --retry-all-errors --max-time 600 --output "$1" "$2"
    check "$1" "$3"
}

from_bucket() { # from_bucket KEY SHA256
    local file=$code/${1##*/}
    [[ -e $file ]] && check "$file" "$2" && return
    aws s3api get-object "${owner[@]}" --bucket "$SIM_ARENA_BUCKET" --key "$1" "$file" >/dev/null
    check "$file" "$2"
}

instance_id() {
    again 60 metadata instance-id >"$run/id.new"
    grep -Ex 'i-[0-9a-f]+' "$run/id.new" # into the log, too
    mv "$run/id.new" "$run/id"
}

packages() {
    rpm -q "${PACKAGES[@]}" || dnf install -y "${PACKAGES[@]}"
    id -u sim-arena || useradd --system --home-dir "$state" --no-create-home --shell /sbin/nologin sim-arena
}

code() {
    from_bucket "$LOCK" "$LOCK_SHA256"
    from_bucket "$WHEEL" "$WHEEL_SHA256"
    local key sha256
    for key in "${WITH[@]}"; do
        sha256=${key#code/}
        from_bucket "$key" "${sha256%%/*}"
    done
}

wheels() { # wheels OPTION...: those of a lock, by their hashes
    "$venv/bin/python" -m pip install --only-binary :all: --no-deps --require-hashes "$@" && return
    # The last line must name the package; pip's has the hashes.
    sed -n '/DO NOT MATCH THE HASHES/ { n; s/^ *\([^ ]*\).*/\1: not the wheel whose hash is in the lock/p; }' "$log" | tail -n 1
    return 1
}

torch() {
    [[ -x $venv/bin/python ]] || python3.11 -m venv "$venv"
    # From an index of its own, and nothing else from there: no name is looked up in two places.
    grep '^torch==' "$code/${LOCK##*/}" >"$run/torch"
    wheels --index-url "$TORCH_INDEX" -r "$run/torch"
}

sim_arena() {
    local wanted="$WHEEL_SHA256 $LOCK_SHA256${WITH[*]:+ ${WITH[*]}}"
    if [[ -e $venv/installed && $(<"$venv/installed") == "$wanted" ]]; then return; fi
    wheels -r "$code/${LOCK##*/}"
    # Other code may have the same version, and pip would keep what is there.
    "$venv/bin/python" -m pip uninstall --yes sim-arena
    "$venv/bin/python" -m pip install --no-deps --no-index "$code/${WHEEL##*/}"
    if [[ ${WITH[*]} ]]; then # what they need beside the lock must be among them
        "$venv/bin/python" -m pip install --force-reinstall --no-deps --no-index "${WITH[@]/#*\//$code/}"
        "$venv/bin/python" -m pip check
    fi
    echo "$wanted" >"$venv/installed"
}

worker() {
    systemctl enable --now sim-arena-spot.service sim-arena-worker.service
}

clean() { # for an image: away with what belongs to this machine and no other
    cp "$R/etc/sim-arena/orders" "$run/orders" # for keep.sh, which goes on here
    cloud-init clean --logs
    journalctl --rotate --vacuum-time 1s
    put_logs
    rm -rf "$log" "$R/etc/sim-arena" "$R"/etc/ssh/ssh_host_* "$R"/var/lib/amazon/ssm/* "$R/root/.cache" "$state"
    rm -f "$R/var/lib/dbus/machine-id" # where there is one, systemd would take it again
    truncate --size 0 "$R/etc/machine-id"
}

mkdir -p "$run" "$state" "$code" "${log%/*}"
exec 3>&1 </dev/null >>"$log" 2>&1

todo=(instance_id packages code torch sim_arena)
if [[ $CLUSTER == simkube ]]; then
    todo+=(docker_service kind manifests node_image)
    if [[ $BAKE == 0 ]]; then todo+=(cluster kwok cert_manager simkube stages nodes doctor); fi
fi
if [[ $BAKE == 1 ]]; then todo+=(clean); else todo+=(worker); fi

step=0 steps=${#todo[@]}
touch "$state/born"
for doing in "${todo[@]}"; do
    step=$((step + 1))
    echo "$(date -Is) step $step of $steps: ${doing//_/ }" >>"$log"
    tail -n 1 "$log" >&3 # EC2's console
    mkdir -p "$state" && touch "$state/busy"
    status booting "${doing//_/ }"
    "$doing"
    # The rest of the steps are in the wheel: all of it would be more than user-data may hold.
    # shellcheck source=cluster.sh
    if [[ $doing == sim_arena && $CLUSTER == simkube ]]; then . "$site/infra/ec2/boot/cluster.sh"; fi
done
mkdir -p "$state" && touch "$state/busy"
if [[ $BAKE == 1 ]]; then status ending baked; else status working "the worker runs"; fi
put_logs
