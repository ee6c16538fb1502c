#!/bin/sh
# Build the RPM from the working tree, on Debian as well as on Fedora: build-rpm.sh OUTPUT-DIRECTORY
#
# The same tree always gives the same package: dates are the changelog's, the build host is not recorded.
set -eu

output=${1:?usage: build-rpm.sh OUTPUT-DIRECTORY}
source=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$output"
output=$(CDPATH='' cd -- "$output" && pwd)

version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$source/sensor/__init__.py")
tree=castoff-$version
mkdir -p "$work/$tree" "$work/SOURCES"
(cd "$source" && tar -c --exclude=__pycache__ LICENSE README.md packaging probes rules sensor) | tar -x -C "$work/$tree"
tar -c -C "$work" -f "$work/SOURCES/$tree.tar" "$tree"
umask 022
# rpm takes the date of the newest changelog entry; the tree takes it from the environment.
SOURCE_DATE_EPOCH=$(date -u -d "$(sed -n 's/^\* \(.*20[0-9][0-9]\) .*/\1/p' "$source/packaging/rpm/castoff.spec" | head -n 1) 12:00" +%s)
export SOURCE_DATE_EPOCH
rpmbuild -bb --quiet --define "_topdir $work" --define "castoff_version $version" \
    --define 'use_source_date_epoch_as_buildtime 1' --define 'clamp_mtime_to_source_date_epoch 1' \
    --define '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' --define '_binary_payload w9.gzdio' \
    "$source/packaging/rpm/castoff.spec" >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    exit 1
}
cp "$work"/RPMS/*.rpm "$output"
