#!/bin/sh
# Build the container image with Docker, without a registry: build-image.sh PACKAGE-DIRECTORY
#
# PACKAGE-DIRECTORY holds the Debian packages and takes castoff-VERSION-image.tar (docker load, podman load, ctr images import).
# BASE names an image that Docker has; without it a base tree is made (container/base.sh) and imported.
# DOCKER is the client's command (default docker).
set -eu

packages=${1:?usage: build-image.sh PACKAGE-DIRECTORY}
source=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
docker=${DOCKER:-docker}
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$source/sensor/__init__.py")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ -z "${BASE:-}" ]; then
    BASE=castoff-base:bookworm
    tar=${BASE_TAR:-$work/base.tar}
    [ -f "$tar" ] || "$source/packaging/container/base.sh" "$tar"
    $docker import "$tar" "$BASE" >/dev/null
fi
cp "$packages"/castoff_"$version"_all.deb "$packages"/castoff-*_"$version"_all.deb "$work"
$docker build --quiet --network=host --build-arg "BASE=$BASE" --tag "castoff:$version" \
    --file "$source/packaging/container/Containerfile" "$work" >/dev/null
$docker save --output "$packages/castoff-$version-image.tar" "castoff:$version"
echo "castoff:$version $($docker image inspect --format '{{.Size}}' "castoff:$version") bytes"
