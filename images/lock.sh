#!/bin/sh
# Locks what the images install: constraints.txt (one version of everything, for all images) and
# <image>/requirements.txt (versions with the hashes of all their files, no address of an index).
#
#   images/lock.sh             the versions in constraints.txt stay
#   images/lock.sh --upgrade   newest versions that the project allows
#
# Needs uv (`pip install uv`), or another program that takes its arguments, in UV.
set -eu
cd "$(dirname "$0")/.."
UV=${UV:-uv}
python=3.11

case "${1:-}" in
--upgrade) rm -f images/constraints.txt ;;
"") ;;
*)
    echo "lock.sh: found '$1', expected nothing or --upgrade" >&2
    exit 2
    ;;
esac

compile() {
    "$UV" pip compile --quiet --python-version "$python" --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links "$@"
}

# All extras together: training and serving then use the same versions of what they share.
keep=images/constraints.txt
[ -f "$keep" ] || keep=/dev/null
set --
for extra in data train serve ops pipelines; do set -- "$@" --extra "$extra"; done
compile "$@" --constraints "$keep" pyproject.toml >images/constraints.new
mv images/constraints.new images/constraints.txt

lock() { # image, then arguments
    image=$1
    shift
    {
        echo "# Made by images/lock.sh from pyproject.toml; do not edit."
        compile --generate-hashes --constraints images/constraints.txt "$@" pyproject.toml
        # What runs a component. Its own requirements are for compiling and submitting.
        case $image in data | train | ops)
            echo kfp | compile --generate-hashes --no-deps --constraints images/constraints.txt -
            ;;
        esac
    } >"images/$image/requirements.new"
    mv "images/$image/requirements.new" "images/$image/requirements.txt"
}

without() { for name in "$@"; do printf -- '--no-emit-package %s ' "$name"; done; }

# The server has no command line, so what only that needs is not in the base.
# shellcheck disable=SC2046
lock base $(without markdown-it-py mdurl pygments rich shellingham typer)
core=$(without $(sed -n 's/^\([a-z0-9-]*\)==.*/\1/p' images/base/requirements.txt))
for image in data train ops; do
    # shellcheck disable=SC2086
    lock "$image" --extra "$image" $core
done

# KServe asks for these, and imports them only to call other servers, to read images or tokens and
# to compile gRPC stubs, which our server does not do.
# shellcheck disable=SC2046,SC2086
lock serve --extra serve $core $(without markdown-it-py mdurl pygments rich shellingham typer \
    aiohappyeyeballs aiohttp aiosignal attrs frozenlist grpcio-tools multidict pillow propcache \
    pycparser pyjwt python-dotenv setuptools websockets yarl)
