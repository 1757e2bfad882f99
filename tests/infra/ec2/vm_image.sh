#!/usr/bin/env bash
# vm_image.sh FOLDER: Debian 12 with systemd, cloud-init and the packages of requirements.lock in FOLDER/root, for vm.py.
# As root; needs debootstrap. TORCH_INDEX and pip's own variables and settings say where packages are;
# they must be those whose hashes the lock has.
set -euo pipefail
checkout=$(cd "$(dirname "$0")/../../.." && pwd)
root=$1/root

packages=systemd,systemd-sysv,dbus,cloud-init,curl,libgomp1,procps,python3.11,python3.11-venv
packages+=,python3-cffi-backend,python3-distutils # debootstrap finds no virtual packages
debootstrap --variant=minbase --include="$packages" bookworm "$root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}"

# The machine has no network of its own: it may neither set the host's up nor ask it for packages.
lock=$checkout/requirements.lock
pip=("$checkout/.venv/bin/python" -m pip download --quiet --dest "$root/wheels" --only-binary :all: --no-deps)
mkdir -p "$root/wheels"
grep '^torch==' "$lock" >"$root/wheels/torch.lock"
grep -v '^torch==' "$lock" >"$root/wheels/others.lock"
"${pip[@]}" --require-hashes --index-url "${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}" -r "$root/wheels/torch.lock"
"${pip[@]}" --require-hashes -r "$root/wheels/others.lock"
for unit in networking systemd-networkd systemd-resolved systemd-timesyncd systemd-udevd; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit.service"
done
mkdir -p "$root/etc/systemd/system.conf.d" "$root/usr/local/bin"
cat >"$root/etc/cloud/cloud.cfg.d/99-vm.cfg" <<END
datasource_list: [NoCloud]
network: {config: disabled}
locale: false
END
: >"$root/etc/fstab"
: >"$root/etc/machine-id"

# Amazon's packages are Debian's here, and the AWS CLI is curl: Debian's does not know AWS_ENDPOINT_URL.
cd "$root/usr/local/bin"
printf '#!/bin/sh\n' | tee rpm dnf >/dev/null
cat >aws <<'END'
#!/usr/bin/env bash
what=$2
while (($#)); do
    case $1 in
        --bucket) bucket=$2 ;;
        --key) key=$2 ;;
        --body) body=$2 ;;
    esac
    file=$1
    shift
done
if [[ $what == get-object ]]; then options=(--output "$file"); else options=(--upload-file "$body"); fi
exec curl -sS --fail --aws-sigv4 aws:amz:us-east-1:s3 --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
    "${options[@]}" "$AWS_ENDPOINT_URL/$bucket/$key"
END
chmod 755 aws rpm dnf
