#!/bin/sh
# Install Debian packages that are missing, and do nothing when none is.
#
#   apt-install.sh PACKAGE...
#
# Quiet and without questions; what apt says goes to a log that is shown when it fails. Services
# that come with a package (dockerd, auditd) are not started: a policy-rc.d of ours says no for as
# long as the installation runs, unless the host has one of its own.
set -eu

missing=
for package in "$@"; do
    status=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null) || status=
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "missing packages:$missing" >&2
    echo "fix: run this as root, or install them with: apt-get install$missing" >&2
    exit 77
fi

echo "installing:$missing"
log=$(mktemp)
policy=/usr/sbin/policy-rc.d
ours=
cleanup() {
    rm -f "$log"
    [ -z "$ours" ] || rm -f "$policy"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# -L too: a dangling link is somebody's file as well.
if [ ! -e "$policy" ] && [ ! -L "$policy" ]; then
    ours=1
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
apt() {
    apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" \
        >>"$log" 2>&1 </dev/null
}
# One index that cannot be fetched does not make the others useless: the installation decides.
apt update || echo "apt-get update failed, going on with the lists that are there" >&2
# shellcheck disable=SC2086 # a list of names
if ! apt install --yes --no-install-recommends $missing; then
    cat "$log" >&2
    echo "apt-get could not install:$missing" >&2
    exit 1
fi
