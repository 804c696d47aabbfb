#!/bin/sh
# Builds the images with docker, podman or buildah, whichever is there.
#
#   images/build.sh [options] [image ...] [-- flags of the builder]
#
#   --base IMAGE    what the base is built on; default REGATTA_BASE of images.env
#   --tool NAME     docker, podman or buildah
#   --wheel FILE    the wheel of Regatta; default: made from this checkout by `pip wheel`
#   --wheels DIR    install from the wheels in this folder, without any network
#   --sbom          write build/sbom/<image>.cdx.json of images that are built, instead of building
#   --push          push images that are built, and keep their digests in images.env, so that
#                   compiled pipelines name them; `regatta compile` follows. Digests of another
#                   registry or tag than the file's are printed only
#   --sizes         print the unpacked size of images that are built, instead of building
#
# Images are base, data, train, serve, ops; without a name all of them. Registry and tag are those
# of images.env, or REGATTA_REGISTRY and REGATTA_TAG. What an offline site or a proxy needs while
# it builds goes behind `--`, for instance `-v /etc/pip.conf:/etc/pip.conf:ro`.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
PYTHON=${PYTHON:-python3}

fail() { # found, expected, fix
    echo "build.sh: $1; expected $2; to fix: $3" >&2
    exit 2
}

written() { sed -n "s/^$1=//p" "$root/images/images.env"; }
setting() { # the environment wins over images.env
    eval "value=\${$1:-}"
    [ -n "$value" ] || value=$(written "$1")
    echo "$value"
}
registry=$(setting REGATTA_REGISTRY)
tag=$(setting REGATTA_TAG)
base=$(setting REGATTA_BASE)

tool='' wheel='' wheels='' job=build images=''
while [ $# -gt 0 ]; do
    case $1 in
    --base | --tool | --wheel | --wheels)
        [ $# -ge 2 ] || fail "$1 has no value" "a value" "write $1 VALUE"
        name=${1#--}
        eval "$name=\$2"
        shift
        ;;
    --sbom) job=sbom ;;
    --push) job=push ;;
    --sizes) job=sizes ;;
    --)
        shift
        break
        ;;
    base | data | train | serve | ops) images="$images $1" ;;
    *) fail "'$1'" "an option or one of base, data, train, serve, ops" "see the head of this file" ;;
    esac
    shift
done
images=${images:-base data train serve ops}

works() { # a client without its daemon is no builder
    case $1 in
    docker) docker version >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}
if [ -z "$tool" ]; then
    for found in docker podman buildah; do
        if works "$found"; then
            tool=$found
            break
        fi
    done
fi
[ -n "$tool" ] || fail "no builder" "docker (with its daemon), podman or buildah" "install one"
works "$tool" || fail "$tool does not work here" "a builder" "install it, or choose with --tool"

full() { echo "$registry/regatta-python-$1:$tag"; }

run_python() { # image, then arguments of python in it; standard input is a script
    image=$1
    shift
    if [ "$tool" = buildah ]; then
        container=$(buildah from --pull-never "$(full "$image")")
        # buildah runs as a user of its own choice and leaves the network as it is.
        buildah run --isolation chroot "$container" -- /opt/regatta/bin/python "$@"
        buildah rm "$container" >/dev/null
    else
        "$tool" run --rm --interactive --read-only --network none --entrypoint python \
            ${RUN_FLAGS:-} "$(full "$image")" "$@"
    fi
}

pin() { # image, digest; without a digest the pipelines name the tag
    # The digests of the file are those of its registry and tag.
    [ "$registry:$tag" = "$(written REGATTA_REGISTRY):$(written REGATTA_TAG)" ] || return 0
    settings=$root/images/images.env
    kept=$(grep -v "^REGATTA_DIGEST_$1=" "$settings")
    [ -z "$2" ] || kept=$kept${kept:+
}REGATTA_DIGEST_$1=$2
    [ "$kept" = "$(cat "$settings")" ] || echo "$kept" >"$settings"
}

push() { # image; prints the digest that the registry has it under
    if [ "$tool" = docker ]; then
        docker push "$(full "$1")" >&2
        docker inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$(full "$1")" |
            sed -n "s|^$registry/regatta-python-$1@||p" | head -n 1
    else
        file=$(mktemp)
        "$tool" push --digestfile "$file" "$(full "$1")" >&2
        cat "$file"
        rm "$file"
    fi
}

case $job in
push)
    for image in $images; do
        digest=$(push "$image")
        [ -n "$digest" ] || fail "no digest of $(full "$image")" "one" "see what $tool says above"
        [ "$image" = base ] || pin "$image" "$digest"
        echo "$registry/regatta-python-$image@$digest"
    done
    exit
    ;;
sbom)
    mkdir -p "$root/build/sbom"
    for image in $images; do
        file=$root/build/sbom/regatta-python-$image.cdx.json
        run_python "$image" - "$(full "$image")" <"$root/images/sbom.py" >"$file"
        echo "$file"
    done
    exit
    ;;
sizes)
    for image in $images; do
        run_python "$image" - "$(full "$image")" <"$root/images/size.py"
    done
    exit
    ;;
esac

# The same commit gives the same layers: times are the commit's, not the clock's.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
revision=$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)
created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$root/src/regatta/__init__.py")

# The context holds what the images need and nothing else of the checkout.
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir "$context/dist" "$context/wheels"
cp -R "$root/images" "$context/images"
[ -z "$wheels" ] || cp "$wheels"/*.whl "$context/wheels/"
if [ -n "$wheel" ]; then
    cp "$wheel" "$context/dist/"
elif [ "$images" != base ] && [ "$images" != " base" ]; then
    "$PYTHON" -m pip wheel --quiet --no-deps --wheel-dir "$context/dist" "$root"
fi

build() { # image, then flags of the caller
    image=$1
    shift
    [ "$image" = base ] || set -- --build-arg "CORE=$(full base)" "$@"
    set -- --file "$context/images/$image/Dockerfile" --tag "$(full "$image")" \
        --build-arg "BASE=$base" --build-arg "VERSION=$version" \
        --build-arg "REVISION=$revision" --build-arg "CREATED=$created" "$@" "$context"
    case $tool in
    docker) docker build "$@" ;;
    *) "$tool" build --layers --format docker --timestamp "$SOURCE_DATE_EPOCH" "$@" ;;
    esac
}

for image in $images; do
    echo "== $(full "$image")"
    build "$image" "$@"
    pin "$image" "" # what was pushed before is another image
done
