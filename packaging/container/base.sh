#!/bin/sh
# Make a Debian 12 base tree without documentation and locales, as debian:12-slim is, where no registry is within reach:
#
#   base.sh TAR [MIRROR]
set -eu
tar=${1:?usage: base.sh TAR [MIRROR]}
mirror=${2:-http://deb.debian.org/debian}
# Dates are the base's, not this moment's: mmdebstrap takes them from SOURCE_DATE_EPOCH.
mmdebstrap --quiet --variant=minbase --mode=root --include=ca-certificates \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/groff/*' \
    bookworm "$tar" "deb $mirror bookworm main" "deb $mirror bookworm-updates main" \
    "deb ${mirror}-security bookworm-security main"
