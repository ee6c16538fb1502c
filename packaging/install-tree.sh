#!/bin/sh
# Install Castoff below DESTDIR: the one list of what goes where, for the Debian package, the RPM and the image.
#
#   install-tree.sh DESTDIR [PACKAGE]
#
# PACKAGE      install the files of this package alone (sensor/optional_packages.py); without it those of all
# PYTHON       interpreter that builds the pages and completions (default /usr/bin/python3)
# UNIT_DIR     where units go (default /usr/lib/systemd/system; Debian 12's tools know /lib/systemd/system only)
# ZSH_DIR      where zsh looks for completions (default: Debian's place; Fedora: /usr/share/zsh/site-functions)
#
# The modules are private (`sensor` would be too general a name for a public one), so nothing depends on the
# interpreter's version. The probes and the headers that bcc compiles them with are text.
set -eu

dest=${1:?usage: install-tree.sh DESTDIR [PACKAGE]}
package=${2:-}
source=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
python=${PYTHON:-/usr/bin/python3}
unit_dir=${UNIT_DIR:-/usr/lib/systemd/system}
zsh_dir=${ZSH_DIR:-/usr/share/zsh/vendor-completions}
share=$dest/usr/share
export PYTHONDONTWRITEBYTECODE=1

# put SOURCE TARGET [MODE]
put() {
    install -D -m "${3:-644}" "$source/$1" "$dest$2"
}

# wanted: of the files on standard input those of the package
wanted() {
    if [ -n "$package" ]; then
        "$python" -B "$source/packaging/of_package.py" "$package"
    else
        cat
    fi
}

# tree DIRECTORY PATTERN...: files of those names, to the private directory
tree() {
    directory=$1
    shift
    for pattern in "$@"; do
        (cd "$source" && find "$directory" -name __pycache__ -prune -o -type f -name "$pattern" -print) |
            LC_ALL=C sort | wanted | while IFS= read -r file; do
                put "$file" "/usr/share/castoff/$file"
            done
    done
}

tree sensor '*.py' '*.json' '*.html' '*.css'
tree probes '*.c' '*.h' '*.toml'
tree rules '*.rules'

# Dates of the release, not of this moment: two installations are the same.
dated() {
    find "$@" -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH:-0}" {} +
}

# An optional package is modules alone.
case $package in
    castoff-*)
        dated "$share/castoff"
        exit
        ;;
esac

put packaging/castoff /usr/bin/castoff 755
put packaging/etc/castoff.toml /etc/castoff/castoff.toml
install -d -m 755 "$dest/etc/castoff/castoff.d"
for unit in castoff.service castoff-probes.service castoff-audit-rules.service castoff.socket; do
    put "packaging/systemd/$unit" "$unit_dir/$unit"
done
put packaging/sysusers/castoff.conf /usr/lib/sysusers.d/castoff.conf

PYTHONPATH="$source" "$python" -B "$source/packaging/man/manpages.py" "$dest/man.tmp"
for page in "$dest"/man.tmp/*; do
    install -D -m 644 "$page" "$share/man/man${page##*.}/${page##*/}"
done
rm -r "$dest/man.tmp"

complete() {
    mkdir -p "$(dirname -- "$2")"
    (cd "$source" && "$python" -P -B -c 'import sys; sys.path.insert(0, "."); sys.argv[0] = "castoff"
from sensor.cli.main import main
main()' completion "$1") >"$2"
}
complete bash "$share/bash-completion/completions/castoff"
complete zsh "$dest$zsh_dir/_castoff"
complete fish "$share/fish/vendor_completions.d/castoff.fish"

dated "$share/castoff" "$dest/usr/bin/castoff" "$dest/etc/castoff" "$share/man"
