#!/bin/sh
# Locks what the images install: constraints.txt (one version of everything, for all images) and
# <image>/requirements.txt (versions with the hashes of all their files, no address of an index).
#
#   images/lock.sh                    the versions in constraints.txt stay
#   images/lock.sh --upgrade          newest versions that the project allows
#   images/lock.sh --extra catboost   the image train has the learner of this extra, too
#
# What --extra adds is in the files until this runs without it. Needs uv (`pip install uv`), or
# another program that takes its arguments, in UV.
set -eu
cd "$(dirname "$0")/.."
UV=${UV:-uv}
python=3.11

fail() { # found, expected, fix
    echo "lock.sh: $1; expected $2; to fix: $3" >&2
    exit 2
}

keep=images/constraints.txt
[ -f "$keep" ] || keep=/dev/null
learners='' # options of the compiler
while [ $# -gt 0 ]; do
    case $1 in
    --upgrade) keep=/dev/null ;;
    --extra)
        case ${2:-} in
        catboost | torch) learners="$learners --extra $2" ;;
        *) fail "--extra '${2:-}'" "catboost or torch" "name one of them" ;;
        esac
        shift
        ;;
    *) fail "'$1'" "--upgrade, --extra or nothing" "see the head of this file" ;;
    esac
    shift
done

compile() {
    "$UV" pip compile --quiet --python-version "$python" --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links "$@"
}

# All extras together: training and serving then use the same versions of what they share.
for extra in data train serve ops pipelines; do set -- "$@" --extra "$extra"; done
# shellcheck disable=SC2086  # options
compile "$@" $learners --constraints "$keep" pyproject.toml >images/constraints.new
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
    more=''
    [ "$image" != train ] || more=$learners
    # shellcheck disable=SC2086
    lock "$image" --extra "$image" $more $core
done

# KServe asks for these, and imports them only to call other servers, to read images or tokens and
# to compile gRPC stubs, which our server does not do.
# shellcheck disable=SC2046,SC2086
lock serve --extra serve $core $(without markdown-it-py mdurl pygments rich shellingham typer \
    aiohappyeyeballs aiohttp aiosignal attrs frozenlist grpcio-tools multidict pillow propcache \
    pycparser pyjwt python-dotenv setuptools websockets yarl)
