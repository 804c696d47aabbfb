#!/bin/sh
# Makes a base for the images from a Debian mirror, for sites without a registry.
#
#   images/offline-base.sh NAME:TAG [ARCHIVE.tar]     then images/build.sh --base NAME:TAG
#
# Needs root, mmdebstrap, and podman or docker to import the result. An existing archive is used
# as it is.
set -eu
[ $# -ge 1 ] || {
    echo "offline-base.sh: found no name; expected NAME:TAG; to fix: see the head of this file" >&2
    exit 2
}
name=$1
archive=${2:-build/offline-base.tar}
tool=$(command -v podman || command -v docker) || {
    echo "offline-base.sh: found neither podman nor docker; to fix: install one" >&2
    exit 2
}
if [ ! -s "$archive" ]; then
    mkdir -p "$(dirname "$archive")"
    # No device files: a builder's COPY cannot make them, and each container brings its own.
    mmdebstrap --variant=minbase --mode=root --skip=output/dev \
        --include=python3,python3-venv,ca-certificates,libgomp1 bookworm "$archive"
fi
"$tool" import "$archive" "$name"
