#!/bin/sh
# Build a release from a clean checkout: release.sh OUTPUT-DIRECTORY
#
#   castoff_VERSION_all.deb  castoff-VERSION-1.noarch.rpm, and those of the optional packages  castoff-VERSION.tgz (chart)
#   castoff-VERSION-image.tar (with IMAGE=1, which needs Docker)  castoff-VERSION.cdx.json (SBOM)  SHA256SUMS
#
# Everything but the image is the same, byte for byte, for the same commit. The image takes Debian's packages of the day.
# Signing is left to who releases: gpg --armor --detach-sign SHA256SUMS; rpmsign --addsign; cosign sign-blob of the image.
set -eu

output=${1:?usage: release.sh OUTPUT-DIRECTORY}
source=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
helm=${HELM:-$source/.venv/kubernetes/helm}
mkdir -p "$output"
output=$(CDPATH='' cd -- "$output" && pwd)
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$source/sensor/__init__.py")

"$source/packaging/build-deb.sh" "$output"
rm -f "$output"/*.buildinfo "$output"/*.changes
"$source/packaging/build-rpm.sh" "$output"

# helm writes the moment into its archive, so the archive is made here, in the layout that helm reads.
epoch=$(date -u -d "$(sed -n 's/^ -- .*>  //p' "$source/packaging/debian/changelog" | head -n 1)" +%s)
"$helm" lint --strict "$source/packaging/kubernetes/chart" >/dev/null
tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$epoch" --format=ustar \
    --directory "$source/packaging/kubernetes" --transform 's,^chart,castoff,' chart |
    gzip --best --no-name >"$output/castoff-$version.tgz"

[ -z "${IMAGE:-}" ] || "$source/packaging/build-image.sh" "$output"
SOURCE_DATE_EPOCH=$epoch "${PYTHON:-/usr/bin/python3}" "$source/packaging/sbom.py" \
    "$output/castoff_${version}_all.deb" "$output"/castoff-*_"${version}"_all.deb >"$output/castoff-$version.cdx.json"

cd "$output"
find . -maxdepth 1 -type f ! -name 'SHA256SUMS*' -printf '%f\n' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS
cat SHA256SUMS
