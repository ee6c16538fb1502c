#!/bin/sh
# Build the Debian packages from the working tree: build-deb.sh OUTPUT-DIRECTORY
#
# dpkg wants debian/ at the top of a tree, so one is made in a temporary directory. The same tree always gives the same
# package: dates are the changelog's, the order is sorted, the path is not recorded.
set -eu

output=${1:?usage: build-deb.sh OUTPUT-DIRECTORY}
source=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$output" "$work/castoff"
output=$(CDPATH='' cd -- "$output" && pwd)
(cd "$source" && tar -c --exclude=__pycache__ LICENSE README.md packaging probes rules sensor) | tar -x -C "$work/castoff"
cp -r "$work/castoff/packaging/debian" "$work/castoff/debian"
cd "$work/castoff"
version=$(dpkg-parsechangelog --show-field Version)
stated=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' sensor/__init__.py)
[ "${CASTOFF_VERSION:-$stated}" = "$stated" ] || stated=$CASTOFF_VERSION
if [ "$version" != "$stated" ]; then
    echo "build-deb.sh: debian/changelog has version $version, sensor/__init__.py has $stated" >&2
    exit 1
fi
umask 022
dpkg-buildpackage --build=binary --no-sign >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    exit 1
}
cd "$work"
cp castoff*.deb castoff_*.changes castoff_*.buildinfo "$output"
